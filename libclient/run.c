#include "run.h"

#include "spanring/semconv.h"

#include "client.h"
#include "content.h"
#include "context.h"
#include "environment.h"

#include <errno.h>
#include <string.h>

void run_take_options(struct spanring_run_options *ret,
		      const struct spanring_run_options *options)
{
	memset(ret, 0, sizeof *ret);
	if (options)
		begin_copy_sized(ret, sizeof *ret, options, options->size);
}

/* Returns whether the span becomes a part of a run that a wrapper began. */
static bool choose_parent(struct spanring_start_options *start, bool join,
			  struct spanring_context *storage)
{
	bool joins = join && spanring_context_from_environment(storage) == 0;

	start->parent = NULL;
	start->remote_parent = joins ? storage : NULL;
	start->root = !joins;
	return joins;
}

static int set_output(struct spanring_span *span, const char *key, const char *text)
{
	struct spanring_attribute attribute;

	if (!text || !span->epoch)
		return 0;
	attribute = content_text(key, text, 0, CONTENT_OUTPUT);
	return spanring_set_attribute(span, &attribute);
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

int run_begin(struct spanring_span *ret_root, const char *name, size_t name_length,
	      const struct spanring_run_options *options, struct begin *begin)
{
	struct spanring_context joined;
	bool joins = choose_parent(&begin->start, options->join, &joined);
	int r = begin_start(begin, ret_root, name, name_length);

	if (r < 0)
		return r;
	if (options->attribute_count)
		(void)spanring_set_attributes(ret_root, options->attributes,
					      options->attribute_count); /* counted there */
	if (joins)
		return 0;
	if (spanring_is_recording(ret_root)) {
		ret_root->marks |= CLIENT_MARK_RUN;
		(void)client_say_run(WIRE_RUN_BEGIN, ret_root->trace_id);
	}
	leave_context(ret_root, options->context_file);
	return 0;
}

int spanring_run_begin(struct spanring_span *ret_root, const char *name,
		       const struct spanring_run_options *options)
{
	struct spanring_run_options run;
	struct begin begin;

	if (!spanring_tracing)
		return spanring_start(ret_root, name, NULL);
	run_take_options(&run, options);
	begin_init(&begin, run.start, SPANRING_KIND_UNSPECIFIED);
	if (run.goal) {
		begin_add_text(&begin, SPANRING_ATTR_OPENINFERENCE_SPAN_KIND, "AGENT");
		begin_add(&begin,
			  content_text(SPANRING_ATTR_USER_GOAL, run.goal, 0, CONTENT_INPUT));
	}
	return run_begin(ret_root, name, spanring_length_(name), &run, &begin);
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
	int r = set_output(root, SPANRING_ATTR_AGENT_FINAL_RESPONSE, final_response);
	int s = set_output(root, SPANRING_ATTR_EXPECTED_RESPONSE, expected_response);

	r = r < 0 ? r : s;
	s = spanring_run_end(root);
	return r < 0 ? r : s;
}
