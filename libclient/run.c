#include "client.h"
#include "context.h"
#include "environment.h"

#include <errno.h>
#include <string.h>

/* The goal's two attributes and what was given for the start appear together
 * with the span, as long as they are no more than this; the rest follows. */
#define START_ATTRIBUTES_MAX 32u

struct beginning {
	struct spanring_run_options run;
	struct spanring_start_options start;
	struct spanring_context joined;
	struct spanring_attribute attributes[START_ATTRIBUTES_MAX];
	const struct spanring_attribute *rest; /* given for the start, did not fit */
	size_t rest_count;
	bool joins;
};

/* A struct that knows its size, from a caller that may know fewer or more of
 * its fields; one that forgot to say meant all there are now. */
static void copy_sized(void *to, size_t size, const void *from, size_t given)
{
	memcpy(to, from, given && given < size ? given : size);
}

static void take_options(struct beginning *beginning,
			 const struct spanring_run_options *options)
{
	memset(&beginning->run, 0, sizeof beginning->run);
	memset(&beginning->start, 0, sizeof beginning->start);
	if (options)
		copy_sized(&beginning->run, sizeof beginning->run, options, options->size);
	if (beginning->run.start)
		copy_sized(&beginning->start, sizeof beginning->start, beginning->run.start,
			   beginning->run.start->size);
	beginning->run.size = sizeof beginning->run;
	beginning->start.size = sizeof beginning->start;
}

static void choose_parent(struct beginning *beginning)
{
	struct spanring_start_options *start = &beginning->start;

	beginning->joins = beginning->run.join &&
			   spanring_context_from_environment(&beginning->joined) == 0;
	start->parent = NULL;
	start->remote_parent = beginning->joins ? &beginning->joined : NULL;
	start->root = !beginning->joins;
}

/* Puts the goal in front of the start's own attributes. */
static void add_goal(struct beginning *beginning)
{
	struct spanring_start_options *start = &beginning->start;
	size_t own = 2, given = start->attribute_count;

	beginning->rest_count = 0;
	if (!beginning->run.goal)
		return;
	if (given > START_ATTRIBUTES_MAX - own)
		given = START_ATTRIBUTES_MAX - own;
	beginning->attributes[0] = spanring_string("openinference.span.kind", "AGENT");
	beginning->attributes[1] = spanring_string("user_goal", beginning->run.goal);
	if (given)
		memcpy(beginning->attributes + own, start->attributes,
		       given * sizeof beginning->attributes[0]);
	beginning->rest = start->attributes + given;
	beginning->rest_count = start->attribute_count - given;
	start->attributes = beginning->attributes;
	start->attribute_count = own + given;
}

static void leave_context(const struct spanring_span *root, const char *path)
{
	struct spanring_context context;
	int r;

	if (!path)
		path = environment_get("SPANRING_CONTEXT_FILE");
	if (!path || !*path || spanring_span_context(root, &context) < 0)
		return;
	r = spanring_context_to_file(&context, path);
	if (r < 0)
		client_report(-r, "the run's context file cannot be written");
}

int spanring_run_begin(struct spanring_span *ret_root, const char *name,
		       const struct spanring_run_options *options)
{
	struct beginning beginning;
	int r;

	if (!spanring_tracing)
		return spanring_start(ret_root, name, NULL);
	take_options(&beginning, options);
	choose_parent(&beginning);
	add_goal(&beginning);
	r = spanring_start(ret_root, name, &beginning.start);
	(void)spanring_attach(ret_root); /* deeper than the stack: counted there */
	if (r < 0)
		return r;
	if (beginning.rest_count)
		(void)spanring_set_attributes(ret_root, beginning.rest,
					      beginning.rest_count); /* counted there */
	if (beginning.run.attribute_count)
		(void)spanring_set_attributes(ret_root, beginning.run.attributes,
					      beginning.run.attribute_count); /* and there */
	if (beginning.joins)
		return 0;
	if (spanring_is_recording(ret_root)) {
		ret_root->marks |= CLIENT_MARK_RUN;
		(void)client_say_run(WIRE_RUN_BEGIN, ret_root->trace_id);
	}
	leave_context(ret_root, beginning.run.context_file);
	return 0;
}

int spanring_run_end(struct spanring_span *root)
{
	bool is_run = root->epoch && root->marks & CLIENT_MARK_RUN;
	int r = spanring_end(root), s;

	/* A child, or a handler that came at the wrong moment, has not ended
	 * the root and must not say that its run is over. */
	if (!is_run || (r < 0 && r != -ENOBUFS))
		return r;
	s = client_say_run(WIRE_RUN_END, root->trace_id);
	return r < 0 ? r : s;
}

int spanring_run_end_with(struct spanring_span *root, const char *final_response,
			  const char *expected_response)
{
	int r = 0, s;

	if (final_response)
		r = spanring_set_string(root, "agent.final_response", final_response);
	if (expected_response) {
		s = spanring_set_string(root, "expected_response", expected_response);
		r = r < 0 ? r : s;
	}
	s = spanring_run_end(root);
	return r < 0 ? r : s;
}
