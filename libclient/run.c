#include "begin.h"
#include "client.h"
#include "context.h"
#include "environment.h"

#include <errno.h>
#include <string.h>

struct beginning {
	struct begin begin;
	struct spanring_run_options run;
	struct spanring_context joined;
	bool joins;
};

static void take_options(struct beginning *beginning,
			 const struct spanring_run_options *options)
{
	memset(&beginning->run, 0, sizeof beginning->run);
	if (options)
		begin_copy_sized(&beginning->run, sizeof beginning->run, options,
				 options->size);
	begin_init(&beginning->begin, beginning->run.start, SPANRING_KIND_UNSPECIFIED);
}

static void choose_parent(struct beginning *beginning)
{
	struct spanring_start_options *start = &beginning->begin.start;

	beginning->joins = beginning->run.join &&
			   spanring_context_from_environment(&beginning->joined) == 0;
	start->parent = NULL;
	start->remote_parent = beginning->joins ? &beginning->joined : NULL;
	start->root = !beginning->joins;
}

static void add_goal(struct beginning *beginning)
{
	if (!beginning->run.goal)
		return;
	begin_add(&beginning->begin, spanring_string("openinference.span.kind", "AGENT"));
	begin_add(&beginning->begin, spanring_string("user_goal", beginning->run.goal));
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
	r = begin_start(&beginning.begin, ret_root, name, spanring_length_(name));
	if (r < 0)
		return r;
	if (beginning.run.attribute_count)
		(void)spanring_set_attributes(
			ret_root, beginning.run.attributes,
			beginning.run.attribute_count); /* counted there */
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
