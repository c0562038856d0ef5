/* spanring/testing.h - what a program has recorded, for its unit tests: no agent, no files to
 * look for, no waiting.
 *
 *	spanring_test_begin(NULL);
 *	answer("what grows here?");			// the code that is tested
 *	spans = spanring_test_snapshot();
 *
 *	call = spanring_test_find(spans, "chat gemini-1.5-pro");
 *	assert(call && call->ended && call->status == SPANRING_STATUS_OK);
 *	assert(spanring_test_int(call, "gen_ai.usage.input_tokens") == 912);
 *
 *	spanring_test_free(spans);
 *	spanring_test_end();
 *
 * Between begin and end this process records into a private directory, and nobody else
 * reads it. Its children, made by fork() or started with SPANRING_DIR as it is then, are
 * seen, too, while they run and when they are dead.
 *
 * Link libspanring. One thread calls these; the code that is tested may have as many as it
 * likes. Unlike the rest of the library they allocate. */
#ifndef SPANRING_TESTING_H
#define SPANRING_TESTING_H

#include <spanring.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* Begins tracing into a directory of its own; the calling thread has no current span then,
 * whatever an earlier test left. `options` are those of spanring_init(), their
 * directory aside; NULL: the usual ones, and no variable of the environment is read. A
 * spanring_init() in the code that is tested changes nothing then.
 * -EBUSY	tracing is on already.	Other errors as spanring_init() and mkdtemp(). */
int spanring_test_begin(const struct spanring_options *options);

/* Ends tracing and removes the directory; what spanring_test_snapshot() gave stays until it is
 * freed. Without a begin, and in a child of the process that began, it does nothing. */
void spanring_test_end(void);

/* The directory, for children that are executed: SPANRING_DIR. NULL without a begin. */
const char *spanring_test_directory(void);

/* ---- what was recorded ------------------------------------------------------------ */

struct spanring_test_event {
	const char *name;
	uint64_t time_unix_ns;
	const struct spanring_attribute *attributes;
	size_t attribute_count;
};

struct spanring_test_link {
	struct spanring_context context;
	const struct spanring_attribute *attributes;
	size_t attribute_count;
};

/* Texts have a NUL behind them; `length` of an attribute counts what is before it. An array
 * whose elements are of one type is of SPANRING_TYPE_STRINGS, _BOOLS, _INTS or _DOUBLES, any
 * other of SPANRING_TYPE_VALUES. Of equal keys the value is the last one, at the place of the
 * first. The limits of spans are kept, as the agent keeps them: dropped_... count what a
 * limit or a full ring took. */
struct spanring_test_span {
	const char *name;
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_span_id[8]; /* zeros: a root */
	uint8_t trace_flags;
	const char *tracestate;
	enum spanring_kind kind;
	enum spanring_status status;
	const char *status_message;
	bool ended;
	uint64_t start_unix_ns;
	uint64_t end_unix_ns; /* 0 while it is open */
	const struct spanring_attribute *attributes;
	size_t attribute_count;
	const struct spanring_test_event *events;
	size_t event_count;
	const struct spanring_test_link *links;
	size_t link_count;
	uint32_t dropped_attributes, dropped_events, dropped_links;
	const char *scope; /* "" none */
	const char *scope_version;
	const struct spanring_attribute *resource; /* of its process */
	size_t resource_count;

	/* The tree. A parent that is not here is NULL, and the span is among the roots. */
	const struct spanring_test_span *parent;
	const struct spanring_test_span *first_child; /* in the order they began */
	const struct spanring_test_span *next;	      /* sibling, or root */
};

struct spanring_test_spans {
	const struct spanring_test_span *spans; /* in the order they began */
	size_t count;
	const struct spanring_test_span *first_root;
	uint32_t refused; /* calls that were not recorded, of all processes */
};

/* Everything that was recorded up to now (while threads write, of each as far as it had come
 * at some moment of the call), a copy to be given to spanring_test_free(). NULL: no
 * begin, or no memory. */
struct spanring_test_spans *spanring_test_snapshot(void);
void spanring_test_free(struct spanring_test_spans *spans);

/* The first span of that name, or NULL. */
const struct spanring_test_span *spanring_test_find(const struct spanring_test_spans *spans,
						    const char *name);

/* The attribute of that key, or NULL; of an event or a resource, too, by its array. */
const struct spanring_attribute *spanring_test_attribute(const struct spanring_test_span *span,
							 const char *key);
const struct spanring_attribute *
spanring_test_attribute_of(const struct spanring_attribute *attributes, size_t count,
			   const char *key);

/* Its value. What is missing, or of another type, is NULL, INT64_MIN and NaN. (A bool is
 * looked at through spanring_test_attribute().) */
const char *spanring_test_string(const struct spanring_test_span *span, const char *key);
int64_t spanring_test_int(const struct spanring_test_span *span, const char *key);
double spanring_test_double(const struct spanring_test_span *span, const char *key);

/* ---- as a text ----------------------------------------------------------------------- */

/* The tree in lines that are the same with every run: no ids, no times. To be compared with
 * a text you keep, and freed by free(); NULL: no memory.
 *
 *	- agento.pipeline
 *	    user_goal: "a plan for the garden"
 *	    - chat gemini-1.5-pro, client, error "busy"
 *	        gen_ai.request.temperature: 0.1
 *	        * exception
 *	            exception.type: "429"
 *	    - step, open
 *
 * A span (-) says its kind and status where they are not INTERNAL and UNSET, and whether it
 * is open; then come attributes, events (*), links (>) and children. `flags` are 0, or
 * SPANRING_TEST_NAMES for the spans' lines alone. */
#define SPANRING_TEST_NAMES 0x1u
char *spanring_test_text(const struct spanring_test_spans *spans, unsigned flags);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
