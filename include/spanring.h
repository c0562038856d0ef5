/* spanring.h - traces that survive the process that wrote them.
 *
 *	#include <spanring.h>
 *
 *	int main(void)
 *	{
 *		struct spanring_span run, step;
 *
 *		spanring_init(NULL);
 *		spanring_run_begin(&run, "agento.pipeline", NULL);
 *		spanring_set_string(&run, "user_goal", "a plan for the garden");
 *
 *		spanring_start(&step, "generate_plan_structure", NULL);
 *		spanring_set_int(&step, "gen_ai.usage.input_tokens", 912);
 *		spanring_end(&step);
 *
 *		spanring_run_end(&run);
 *		return 0;
 *	}
 *
 *	cc main.c $(pkg-config --cflags --libs spanring)
 *
 * Every call writes what it was told into shared memory before it returns. An
 * agent, spanringd, picks it up from there. Nothing waits in the process: kill
 * it at any instruction and what was said is kept, spans that were open are
 * closed by the agent and marked. There is nothing to flush and nothing to
 * free.
 *
 * What holds for every call
 *
 *   Results	0 or a positive value is success, a negative errno is why not.
 *		Every result may be ignored: a call that fails has done nothing,
 *		and what it could not record is counted (spanring_state()).
 *		Results by pointer (ret_...) are written on success only.
 *   errno	is left as it was.
 *   Threads	Any thread may make any call. Two threads must not use one
 *		struct spanring_span at the same time: give each its own copy.
 *   Signals	Everything that takes a span, and everything that is marked
 *		"async-signal-safe", may be called from a signal handler. If the
 *		handler interrupted a recording call of its own thread, its call
 *		returns -EBUSY and is counted.
 *   Fork	The child records into a ring of its own from its first span
 *		on. Spans begun before fork() belong to the parent: in the child
 *		they are still parents, but not written to (-ECHILD).
 *		A child of vfork() must not call us before it execs; one that a
 *		signal handler makes in the middle of a call of ours, by other
 *		means than fork(), must not return from the handler.
 *   Manners	No threads, no sockets, no descriptors kept open, no malloc and
 *		no system call per span, no output, no abort, no signal handler
 *		unless asked for.
 *   Off	Before spanring_init(), where tracing is disabled or no agent's
 *		directory exists, every call returns 0 after a look at one word.
 *
 *   Strings	are copied during the call and are UTF-8 (what is not is repaired
 *		by the agent). Where a length is asked for they need no NUL.
 *   Times	are nanoseconds since the Unix epoch; 0 means now.
 *   Structs	with a `size` are versioned: zero them, set `size` to their
 *		sizeof, and a later library knows which fields you know. The
 *		_INIT macros do that.
 *
 * Errors that every recording call may return, beside its own:
 *   -ENOBUFS	The ring is full: the agent is slower than we are, or gone. A
 *		span is refused whole, at its start; a span that was started can
 *		always be ended.
 *   -EMSGSIZE	A value above a quarter of the ring (16 MiB by default).
 *   -ENOMEM	The file system of the ring directory is full.
 *   -EBUSY	See Signals.
 *   -ECHILD	See Fork. Also a span from before spanring_shutdown().
 *   -EINVAL	A name is NULL, a key NULL or empty, either longer than 65,535
 *		bytes; a text is NULL, or bytes or an array that have a length
 *		(a NULL within an array of strings is the empty value); an
 *		enumeration has no such value; more than 60 arrays and maps
 *		within each other. */
#ifndef SPANRING_H
#define SPANRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define SPANRING_VERSION_MAJOR 0
#define SPANRING_VERSION_MINOR 1
#define SPANRING_VERSION_PATCH 0

#if defined(__GNUC__)
#define SPANRING_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define SPANRING_UNLIKELY(condition) (condition)
#endif

/* A struct with nothing but its `size` set. */
#ifdef __cplusplus
} /* extern "C" */
template <typename type> static inline type spanring_sized_()
{
	type sized = type();

	sized.size = sizeof sized;
	return sized;
}
extern "C" {
#define SPANRING_SIZED_(name) spanring_sized_<struct name>()
#else
#define SPANRING_SIZED_(name)                                                                  \
	{                                                                                      \
		.size = sizeof(struct name)                                                    \
	}
#endif

struct spanring_attribute;
struct spanring_context;

/* ---- the library ---------------------------------------------------------- */

/* What spanring_init() may be told. Fields left zero come from the environment
 * or from what is found out about the process; a field that is set wins over
 * both. Everything is copied. */
struct spanring_options {
	size_t size;

	/* Who is speaking: attributes of the process's resource. */
	const char *service_name;	    /* else OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
					     * "unknown_service:<executable>" */
	const char *service_version;	    /* service.version */
	const char *service_namespace;	    /* service.namespace */
	const char *service_instance_id;    /* else a new random UUID per process */
	const char *deployment_environment; /* else ENVIRONMENT, "development" */
	const char *module;		    /* else the executable's name without ending */
	const char *module_key;		    /* else "<service>.module" */

	/* More resource attributes; one given here replaces the detected one
	 * of the same key. With SPANRING_RESOURCE_WHOLE they are all there is. */
	const struct spanring_attribute *resource;
	size_t resource_count;
	const char *resource_schema_url;

	const char *directory;	 /* of the rings; else SPANRING_DIR and the usual places */
	uint64_t ring_bytes_max; /* else SPANRING_RING_MAX, 64 MiB; at least 1 MiB */
	uint32_t wait_ms;	 /* how long a call may wait for room; else SPANRING_WAIT_MS, 0 */
	uint32_t flags;		 /* SPANRING_RESOURCE_WHOLE, SPANRING_IGNORE_ENVIRONMENT */
	uint32_t hide;		 /* what <spanring/genai.h> hides: SPANRING_HIDDEN_... */
};

#define SPANRING_OPTIONS_INIT SPANRING_SIZED_(spanring_options)

/* The resource is exactly `resource`, in its order: nothing is detected, and
 * the service fields of the options are ignored. (The agent adds spanring.uid and
 * spanring.pid to every resource, and drops what a process sets under these two.) */
#define SPANRING_RESOURCE_WHOLE 0x1u

/* No variable of the environment is read, TRACEPARENT included. This is always
 * so in set-uid programs. */
#define SPANRING_IGNORE_ENVIRONMENT 0x2u

/* Begins tracing. Call it early in main(); NULL takes everything from the
 * environment. The first call counts: while tracing is on, or was refused by
 * configuration, further calls change nothing and return the same result.
 *
 * Returns 0 when tracing is on. Otherwise the program runs on untraced, and
 * spanring_state() knows the reason in words:
 * -ENOENT	no ring directory; looked for again at starts of spans, at most
 *		every 5 s, so that an agent may come later.
 * -ECANCELED	switched off: OTEL_SDK_DISABLED=true or OTEL_ENABLED=false.
 * -EPERM	the directory is not to be trusted, or not writable for us.
 * -ENOMEM, -EMFILE, -EFBIG, -ENOSPC, ... the ring could not be made; tried
 *		again like -ENOENT. */
int spanring_init(const struct spanring_options *options);

/* Ends tracing: tells the agent that this ring is complete, and unmaps it once
 * no other thread is inside a call (waiting 50 ms at most, else it stays mapped
 * until exit). Spans that are still open are ended by the agent, with their
 * status as it is. Later calls do nothing; spanring_init() may begin anew. Not
 * needed before exit. Returns 0; -EBUSY: another thread is in spanring_init(). */
int spanring_shutdown(void);

/* Waits until the agent has logged everything that this process recorded
 * before the call; from then on it survives the machine's processes, all of
 * them. Succeeded, failed or timed out:
 * 0		it has, or there was nothing to log.
 * -ETIMEDOUT	not within timeout_ms; it is still in the ring and will be logged.
 * -EIO		it will not be: the agent has refused this ring.
 * -ECHILD, -EBUSY as everywhere. */
int spanring_flush(uint32_t timeout_ms);

/* Why tracing is on or off. */
enum spanring_reason {
	SPANRING_REASON_ON = 0,
	SPANRING_REASON_NOT_INITIALISED = 1,
	SPANRING_REASON_DISABLED = 2,	     /* by OTEL_SDK_DISABLED or OTEL_ENABLED */
	SPANRING_REASON_NO_DIRECTORY = 3,    /* none of the places exists; still looking */
	SPANRING_REASON_UNTRUSTED = 4,	     /* owner or mode of `path` or its parents */
	SPANRING_REASON_NOT_WRITABLE = 5,    /* we may not create files in `path` */
	SPANRING_REASON_NO_SPACE = 6,	     /* its file system, or our file size limit */
	SPANRING_REASON_NO_MEMORY = 7,	     /* mapping the ring failed */
	SPANRING_REASON_SYSTEM = 8,	     /* a system call failed otherwise: see `error` */
	SPANRING_REASON_SHUT_DOWN = 9,	     /* spanring_shutdown() */
	SPANRING_REASON_STOPPED = 10,	     /* the agent asked us to start no new spans */
	SPANRING_REASON_FORKED = 11,	     /* a child; on again with its first span */
};

/* What a process may know about its own tracing. The counts are of this ring
 * and 32 bits wide: they wrap. */
struct spanring_report {
	size_t size;
	uint32_t on;		    /* 1: calls are recorded */
	enum spanring_reason reason;
	int error;		    /* the errno behind the reason, 0 none */
	uint32_t agent;		    /* 1: an agent has answered this ring */
	char path[256];		    /* the ring, or the directory looked at last */

	/* Calls that were not recorded, by reason. */
	uint32_t refused_ring_full;
	uint32_t refused_too_large;
	uint32_t refused_no_memory;
	uint32_t refused_reentrant;
	uint32_t refused_inherited;
	uint32_t refused_invalid;
	uint32_t refused_limit;
	uint32_t ends_lost;	    /* ended, but the time is not known */
	uint32_t waited;	    /* calls that waited for room (wait_ms) */
};

#define SPANRING_REPORT_INIT SPANRING_SIZED_(spanring_report)

/* Fills *ret_state as far as its `size` says; NULL is allowed. Returns 1 when
 * tracing is on, 0 when not. Async-signal-safe. */
int spanring_state(struct spanring_report *ret_state);

/* The reason as a short English text; never NULL, never freed. */
const char *spanring_reason_text(enum spanring_reason reason);

/* Lets a function of yours hear, once each, of what goes wrong: a bad variable
 * in the environment, a directory that is not to be trusted, the first span
 * refused. `error` is a positive errno. It is called by the thread that met
 * the trouble, inside the call that met it, and must not call us; NULL takes
 * it away again. SPANRING_LOG=stderr has the library write the same line to
 * standard error. Set it before spanring_init(). */
typedef void spanring_error_handler(int error, const char *message, void *user);
void spanring_set_error_handler(spanring_error_handler *handler, void *user);

/* "0.1.0", of the library that is running. */
const char *spanring_version(void);

/* ---- spans ---------------------------------------------------------------- */

/* A span, as the program holds it: 32 bytes to be kept on the stack, copied,
 * and handed to another thread; there is nothing to free. Zeroed, it is the
 * span that records nothing. After spanring_end() it still names the span, as
 * a parent or for a traceparent. The members may be read; they are written by
 * the calls below alone. */
struct spanring_span {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint32_t epoch;	     /* not 0: recording */
	uint8_t trace_flags; /* as in W3C traceparent: 1 sampled, 2 random trace id */
	uint8_t marks;	     /* the rest is the library's */
	uint8_t level;
	uint8_t tracestate;
};

enum spanring_kind {
	SPANRING_KIND_UNSPECIFIED = 0, /* taken as INTERNAL */
	SPANRING_KIND_INTERNAL = 1,
	SPANRING_KIND_SERVER = 2,
	SPANRING_KIND_CLIENT = 3,
	SPANRING_KIND_PRODUCER = 4,
	SPANRING_KIND_CONSUMER = 5,
};

enum spanring_status {
	SPANRING_STATUS_UNSET = 0,
	SPANRING_STATUS_OK = 1,
	SPANRING_STATUS_ERROR = 2,
};

/* A relation to a span of this or another trace. */
struct spanring_link {
	const struct spanring_context *context;
	const struct spanring_attribute *attributes;
	size_t attribute_count;
};

/* What spanring_start() may be told beyond the name.
 *
 * The parent is, of these, the first that is given: `root` (none, a new
 * trace); `parent`; `remote_parent`; the current span of the thread; the
 * context this process was started in (TRACEPARENT, else the file named by
 * SPANRING_CONTEXT_FILE, as they were at spanring_init()); none. A parent that was not
 * recorded passes its own place in the tree on, so a gap never tears it. */
struct spanring_start_options {
	size_t size;
	enum spanring_kind kind;
	uint32_t scope;				      /* of spanring_scope_new(); 0 none */
	const struct spanring_span *parent;
	const struct spanring_context *remote_parent; /* from another process */
	bool root;
	const uint8_t *trace_id;		      /* 16 bytes, for a root; else random */
	const uint8_t *span_id;			      /* 8 bytes; else random */
	uint64_t time_unix_ns;			      /* when it began */
	const struct spanring_attribute *attributes;
	size_t attribute_count;
	const struct spanring_link *links;
	size_t link_count;
};

#define SPANRING_START_OPTIONS_INIT SPANRING_SIZED_(spanring_start_options)

/* In C, options can be given in the call itself:
 *	spanring_start_with(&span, "chat", .kind = SPANRING_KIND_CLIENT, .parent = &run); */
#define spanring_start_with(span, name, ...)                                                   \
	spanring_start((span), (name),                                                         \
		       &(struct spanring_start_options){                                       \
			       .size = sizeof(struct spanring_start_options), __VA_ARGS__})

/* Starts a span. `options` may be NULL. *ret_span is always written, also on
 * failure: then it records nothing and stands in for its parent, so it may be
 * used like any other. The span, its attributes and its links appear together
 * if they fit into 4 KiB, else one after the other, the span first. Attributes
 * that are refused are counted on the span. */
static inline int spanring_start(struct spanring_span *ret_span, const char *name,
				 const struct spanring_start_options *options);

/* Ends the span, now or at a time of your own. From here on the handle records
 * nothing; that includes a second end. If the span is current in the calling
 * thread it is detached. There is always room for an end (in the worst case
 * without its time: then it returns -ENOBUFS and the span is marked). */
static inline int spanring_end(struct spanring_span *span);
static inline int spanring_end_at(struct spanring_span *span, uint64_t time_unix_ns);

/* Whether calls with this handle are recorded: false for the zeroed, the
 * ended, the refused, the not sampled and the inherited. */
bool spanring_is_recording(const struct spanring_span *span);

/* A new name for a span whose name was not known at its start. */
static inline int spanring_update_name(struct spanring_span *span, const char *name);

/* `message` is for ERROR and may be NULL. By the rules of OpenTelemetry: OK is
 * final, a later UNSET is ignored. */
static inline int spanring_set_status(struct spanring_span *span, enum spanring_status status,
				      const char *message);

/* ---- attributes ----------------------------------------------------------- */

/* A value under a key is the last one set. Each call is kept by itself: a
 * process killed between two of them leaves the first. Of two threads that set
 * the same key, name or status of one span within moments, either may count as
 * the last, whatever locks they took; different keys never get lost by that.
 *
 * Limits, as OpenTelemetry has them: of a span's attributes, events and links the
 * first 128 of each are kept (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT,
 * OTEL_SPAN_EVENT_COUNT_LIMIT, OTEL_SPAN_LINK_COUNT_LIMIT), of the attributes of
 * an event or a link as many (OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT,
 * OTEL_LINK_ATTRIBUTE_COUNT_LIMIT); values are cut at
 * OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT characters, never by default. What is over is
 * counted on the span; the calls succeed. */
static inline int spanring_set_string(struct spanring_span *span, const char *key,
				      const char *value);
static inline int spanring_set_string_n(struct spanring_span *span, const char *key,
					const char *value, size_t length);
static inline int spanring_set_bool(struct spanring_span *span, const char *key, bool value);
static inline int spanring_set_int(struct spanring_span *span, const char *key, int64_t value);
static inline int spanring_set_double(struct spanring_span *span, const char *key,
				      double value);
static inline int spanring_set_bytes(struct spanring_span *span, const char *key,
				     const void *value, size_t length);

/* One attribute, or many at once, of any type. Many are kept together if they
 * fit into 4 KiB, else one after the other. Returns the first error; the
 * others are recorded all the same. */
static inline int spanring_set_attribute(struct spanring_span *span,
					 const struct spanring_attribute *attribute);
static inline int spanring_set_attributes(struct spanring_span *span,
					  const struct spanring_attribute *attributes,
					  size_t count);

enum spanring_type {
	SPANRING_TYPE_EMPTY = 0,
	SPANRING_TYPE_STRING = 1,
	SPANRING_TYPE_BOOL = 2,
	SPANRING_TYPE_INT = 3,
	SPANRING_TYPE_DOUBLE = 4,
	SPANRING_TYPE_BYTES = 5,
	SPANRING_TYPE_VALUES = 6, /* an array of attributes whose keys are ignored */
	SPANRING_TYPE_MAP = 7,	  /* attributes within an attribute */
	SPANRING_TYPE_STRINGS = 16,
	SPANRING_TYPE_BOOLS = 17,
	SPANRING_TYPE_INTS = 18,
	SPANRING_TYPE_DOUBLES = 19,
};

/* A key and a value, borrowed until the call that takes it returns. Made by
 * the functions below:
 *
 *	struct spanring_attribute usage[] = {
 *		spanring_int("gen_ai.usage.input_tokens", 912),
 *		spanring_string("gen_ai.request.model", model),
 *	};
 *	spanring_set_attributes(&span, usage, 2); */
struct spanring_attribute {
	const char *key;
	size_t key_length;
	size_t length; /* bytes of a string, elements of an array or a map */
	union {
		bool boolean;
		int64_t integer;
		double real;
		const void *at;
		const char *string;
		const char *const *strings;
		const bool *booleans;
		const int64_t *integers;
		const double *reals;
		const struct spanring_attribute *attributes;
	} value;
	enum spanring_type type;
};

static inline struct spanring_attribute spanring_string(const char *key, const char *value);
static inline struct spanring_attribute spanring_string_n(const char *key, const char *value,
							  size_t length);
static inline struct spanring_attribute spanring_bool(const char *key, bool value);
static inline struct spanring_attribute spanring_int(const char *key, int64_t value);
static inline struct spanring_attribute spanring_double(const char *key, double value);
static inline struct spanring_attribute spanring_bytes(const char *key, const void *value,
						       size_t length);
static inline struct spanring_attribute
spanring_strings(const char *key, const char *const *values, size_t count);
static inline struct spanring_attribute spanring_bools(const char *key, const bool *values,
						       size_t count);
static inline struct spanring_attribute spanring_ints(const char *key, const int64_t *values,
						      size_t count);
static inline struct spanring_attribute
spanring_doubles(const char *key, const double *values, size_t count);
static inline struct spanring_attribute
spanring_map(const char *key, const struct spanring_attribute *attributes, size_t count);
static inline struct spanring_attribute
spanring_values(const char *key, const struct spanring_attribute *values, size_t count);

/* ---- events, links -------------------------------------------------------- */

/* Something that happened in the span, now or at a time of your own. */
static inline int spanring_add_event(struct spanring_span *span, const char *name,
				     const struct spanring_attribute *attributes, size_t count);
static inline int spanring_add_event_at(struct spanring_span *span, const char *name,
					uint64_t time_unix_ns,
					const struct spanring_attribute *attributes,
					size_t count);

/* An error: an event "exception" with exception.type, exception.message and
 * exception.stacktrace (message and stacktrace may be NULL), the attribute
 * error.type, and status ERROR with the message. */
static inline int spanring_record_exception(struct spanring_span *span, const char *type,
					    const char *message, const char *stacktrace);

/* A link that was not known at the start. */
static inline int spanring_add_link(struct spanring_span *span,
				    const struct spanring_link *link);

/* ---- the current span ----------------------------------------------------- */

/* Each thread has a stack of current spans; the top is the parent of what the
 * thread starts without naming a parent. The stack holds copies: 64 of them,
 * deeper ones are counted but not seen. The forking thread's stack is the
 * child's.
 *
 * spanring_attach() puts a span on top and spanring_detach() takes it off,
 * together with what was left above it; ending a span detaches it too.
 * -ENOENT	(detach) it is not on this thread's stack.
 * Both are async-signal-safe. */
int spanring_attach(struct spanring_span *span);
int spanring_detach(struct spanring_span *span);

/* A copy of the thread's current span; it may be written to like the original.
 * -ENOENT	the thread has none; *ret_span is the zeroed span then. */
int spanring_current(struct spanring_span *ret_span);

/* Start and attach in one. End it with spanring_end(). */
static inline int spanring_enter(struct spanring_span *ret_span, const char *name,
				 const struct spanring_start_options *options);

/* A span for the rest of a block, current meanwhile, and ended on every way
 * out of it: return, break, goto, and in C++ exceptions.
 *
 *	SPANRING_SPAN(span, "develop_drafts");
 *	spanring_set_int(&span, "draft.count", n); */
#if defined(__GNUC__)
#define SPANRING_SPAN(span, name) SPANRING_SPAN_OPTIONS(span, name, NULL)
#define SPANRING_SPAN_OPTIONS(span, name, options)                                             \
	struct spanring_span span __attribute__((cleanup(spanring_leave_block)));              \
	(void)spanring_enter(&span, (name), (options))
#endif

/* ---- instrumentation scopes ----------------------------------------------- */

/* Names the part of the program that makes spans, with its version (or NULL):
 * the instrumentation scope of OpenTelemetry. Returns a number above 0 to be
 * given at a span's start; the same name and version give the same number.
 * Valid for the process's life, in children too, and before spanring_init().
 * -EINVAL	no name.	-ENOSPC	 more than 64 KiB of scopes.
 * Not async-signal-safe. */
int spanring_scope_new(const char *name, const char *version);

/* The same with attributes and a schema URL (or NULL). */
int spanring_scope_new_with(const char *name, const char *version, const char *schema_url,
			    const struct spanring_attribute *attributes, size_t count);

/* ---- contexts: a span's place, for another process ------------------------- */

/* The longest tracestate that is passed on. */
#define SPANRING_TRACESTATE_MAX 512

/* What W3C Trace Context carries from process to process. */
struct spanring_context {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t trace_flags; /* 1 sampled, 2 random trace id */
	bool is_remote;	     /* it came from outside this process */
	uint16_t tracestate_length;
	char tracestate[SPANRING_TRACESTATE_MAX + 1]; /* NUL-terminated */
	bool b3_debug; /* B3's debug: sampled, and passed on as such */
};

/* A traceparent without and with its NUL. */
#define SPANRING_TRACEPARENT_LENGTH 55
#define SPANRING_TRACEPARENT_SIZE 56

/* The context of a span, open or ended, or of the thread's current span, else
 * of the environment. Async-signal-safe.
 * -ENOENT	there is none (the zeroed span, no current span). */
int spanring_span_context(const struct spanring_span *span, struct spanring_context *ret_context);
int spanring_current_context(struct spanring_context *ret_context);

/* Whether both ids are there. The zeroed context is not valid; what the calls of
 * this library filled in is. Async-signal-safe. */
static inline bool spanring_context_is_valid(const struct spanring_context *context);

/* A handle that records nothing and stands for a remote span: attach it, and
 * what the thread starts has that parent. Async-signal-safe.
 * -EINVAL	zero ids. */
int spanring_span_from_context(struct spanring_span *ret_span,
			       const struct spanring_context *context);

/* The headers `traceparent` and `tracestate` (or NULL; a bad one is dropped by
 * itself). Exactly Level 2 of W3C Trace Context: lower-case hex, future
 * versions by their first 55 characters. Async-signal-safe.
 * -EBADMSG	not a traceparent, or zero ids. */
int spanring_context_parse(const char *traceparent, const char *tracestate,
			   struct spanring_context *ret_context);

/* Writes the 55 characters and a NUL. -EINVAL: zero ids. Async-signal-safe. */
int spanring_context_format(const struct spanring_context *context,
			    char ret_traceparent[SPANRING_TRACEPARENT_SIZE]);

/* TRACEPARENT and TRACESTATE of this process, as they are now; and the way to
 * set them for children. Like getenv() and setenv(), for which see there: no
 * other thread may change the environment meanwhile.
 * -ENOENT	not set.	-EBADMSG  not a traceparent.
 * -EPERM	a set-uid program.	-ENOMEM	 (to) setenv() failed. */
int spanring_context_from_environment(struct spanring_context *ret_context);
int spanring_context_to_environment(const struct spanring_context *context);

/* A context in a JSON file, {"traceparent": "00-...-01"}, as Python's
 * OpenTelemetry writes it; for modules that run one after the other. A NULL
 * path is SPANRING_CONTEXT_FILE, else "trace.context". Written whole to a
 * temporary file and renamed, so a reader finds the old or the new one.
 * Not async-signal-safe.
 * -ENOENT	(from) no such file.
 * -EBADMSG	(from) damaged, or zero ids; taken as none by those who ignore us.
 * -EINVAL	(to) zero ids.	Other errors are those of the file system. */
int spanring_context_from_file(const char *path, struct spanring_context *ret_context);
int spanring_context_to_file(const struct spanring_context *context, const char *path);

/* Ids as lower-case hex with a NUL, for log lines; all zeros for the span that
 * has none. Async-signal-safe. */
#define SPANRING_TRACE_ID_SIZE 33
#define SPANRING_SPAN_ID_SIZE 17
void spanring_trace_id_hex(const struct spanring_span *span,
			   char ret_text[SPANRING_TRACE_ID_SIZE]);
void spanring_span_id_hex(const struct spanring_span *span, char ret_text[SPANRING_SPAN_ID_SIZE]);

/* ---- runs ------------------------------------------------------------------ */

/* A run is one execution of a pipeline: one trace, one archive file. It begins
 * by itself with the first span of a new trace, and its file is closed when
 * nothing has been heard of it for a while. These two calls say it outright,
 * and then the file is complete the moment the run ends. */
struct spanring_run_options {
	size_t size;
	/* For the root span. Its parent fields are not used. */
	const struct spanring_start_options *start;
	/* What the run is for: the root span becomes an agent's
	 * (openinference.span.kind=AGENT) with this as `user_goal`. NULL: neither. */
	const char *goal;
	/* About the run as a whole: the root span's, after those of `start`. */
	const struct spanring_attribute *attributes;
	size_t attribute_count;
	/* Where the root's context goes, replacing what an earlier run left
	 * there; NULL: SPANRING_CONTEXT_FILE if set, "": nowhere. */
	const char *context_file;
	/* Where TRACEPARENT is set, some wrapper (`spanring run`) began the run
	 * already: with this the span becomes a part of that one, its end does
	 * not end it and no file is written. */
	bool join;
};

#define SPANRING_RUN_OPTIONS_INIT SPANRING_SIZED_(spanring_run_options)

/* Begins a run: starts its root span, always of a new trace, and makes it
 * current. A context left by an earlier run, in a file or in the environment,
 * is not joined unless `join` asks for it. A context file that cannot be
 * written is told to the error handler; the run begins all the same.
 * Errors as spanring_start(). */
int spanring_run_begin(struct spanring_span *ret_root, const char *name,
		       const struct spanring_run_options *options);

/* Ends the root span and marks the run complete. Spans of other processes that
 * are still open, or come later, are not lost: they reopen the file.
 * -ENOBUFS	no room for the mark, or for the end's time: the root is ended all
 *		the same, and the file is closed after a while without the mark. */
int spanring_run_end(struct spanring_span *root);

/* The same, after setting `agent.final_response` and `expected_response` on
 * the root span; each may be NULL. */
int spanring_run_end_with(struct spanring_span *root, const char *final_response,
			  const char *expected_response);

/* ---- SIGTERM --------------------------------------------------------------- */

/* Exit with status 0 after SIGTERM, instead of dying by it. */
#define SPANRING_SIGTERM_EXIT_0 0x1u

/* Installs a handler for SIGTERM, which is not done unless you ask. When the
 * signal comes the agent is told, by one record; it ends the open spans of this
 * process, children first, UNSET becomes OK and a status that was set stays.
 * Then the handler that was there before is called; without one, the process
 * exits or dies by the signal as it would have. A SIGTERM that is ignored stays
 * ignored, unless SPANRING_SIGTERM_EXIT_0 asks for the exit.
 * -EINVAL	an unknown flag. Calling it again changes the flags only. */
int spanring_install_sigterm(unsigned flags);

/* ---- for bindings ----------------------------------------------------------
 *
 * The functions behind the inline ones, for languages that cannot include this
 * file: nothing else is special about them. `spanring_tracing` is not 0 while
 * starting a span may record one. */
extern uint32_t spanring_tracing;

int spanring_span_start(struct spanring_span *ret_span, const char *name, size_t name_length,
			const struct spanring_start_options *options);
int spanring_span_end(struct spanring_span *span, uint64_t time_unix_ns);
int spanring_span_name(struct spanring_span *span, const char *name, size_t length);
int spanring_span_status(struct spanring_span *span, enum spanring_status status,
			 const char *message, size_t length);
int spanring_span_string(struct spanring_span *span, const char *key, size_t key_length,
			 const char *value, size_t length);
int spanring_span_int(struct spanring_span *span, const char *key, size_t key_length,
		      int64_t value);
int spanring_span_attributes(struct spanring_span *span,
			     const struct spanring_attribute *attributes, size_t count);
int spanring_span_event(struct spanring_span *span, const char *name, size_t name_length,
			uint64_t time_unix_ns, const struct spanring_attribute *attributes,
			size_t count);
int spanring_span_exception(struct spanring_span *span, const char *type, const char *message,
			    const char *stacktrace);
int spanring_span_link(struct spanring_span *span, const struct spanring_link *link);

/* ---- the inline half -------------------------------------------------------
 *
 * Being off must cost next to nothing, and a literal's length is known to the
 * compiler: hence these. A NULL text is passed on as such and refused. */

static inline size_t spanring_length_(const char *text)
{
	return text ? strlen(text) : 0;
}

static inline bool spanring_context_is_valid(const struct spanring_context *context)
{
	uint8_t trace = 0, span = 0;
	size_t i;

	for (i = 0; i < sizeof context->trace_id; i++)
		trace |= context->trace_id[i];
	for (i = 0; i < sizeof context->span_id; i++)
		span |= context->span_id[i];
	return trace && span;
}

static inline int spanring_start(struct spanring_span *ret_span, const char *name,
				 const struct spanring_start_options *options)
{
	if (SPANRING_UNLIKELY(!spanring_tracing)) {
		memset(ret_span, 0, sizeof *ret_span);
		return 0;
	}
	return spanring_span_start(ret_span, name, spanring_length_(name), options);
}

static inline int spanring_end_at(struct spanring_span *span, uint64_t time_unix_ns)
{
	if (SPANRING_UNLIKELY(!span->epoch && !span->level))
		return 0;
	return spanring_span_end(span, time_unix_ns);
}

static inline int spanring_end(struct spanring_span *span)
{
	return spanring_end_at(span, 0);
}

static inline int spanring_update_name(struct spanring_span *span, const char *name)
{
	if (SPANRING_UNLIKELY(!span->epoch))
		return 0;
	return spanring_span_name(span, name, spanring_length_(name));
}

static inline int spanring_set_status(struct spanring_span *span, enum spanring_status status,
				      const char *message)
{
	if (SPANRING_UNLIKELY(!span->epoch))
		return 0;
	return spanring_span_status(span, status, message, spanring_length_(message));
}

static inline struct spanring_attribute spanring_attribute_(const char *key,
							    enum spanring_type type,
							    const void *at, size_t length)
{
	struct spanring_attribute attribute;

	attribute.key = key;
	attribute.key_length = spanring_length_(key);
	attribute.length = length;
	attribute.value.at = at;
	attribute.type = type;
	return attribute;
}

static inline struct spanring_attribute spanring_string_n(const char *key, const char *value,
							  size_t length)
{
	return spanring_attribute_(key, SPANRING_TYPE_STRING, value, length);
}

static inline struct spanring_attribute spanring_string(const char *key, const char *value)
{
	return spanring_string_n(key, value, spanring_length_(value));
}

static inline struct spanring_attribute spanring_bool(const char *key, bool value)
{
	struct spanring_attribute attribute =
		spanring_attribute_(key, SPANRING_TYPE_BOOL, NULL, 0);

	attribute.value.boolean = value;
	return attribute;
}

static inline struct spanring_attribute spanring_int(const char *key, int64_t value)
{
	struct spanring_attribute attribute =
		spanring_attribute_(key, SPANRING_TYPE_INT, NULL, 0);

	attribute.value.integer = value;
	return attribute;
}

static inline struct spanring_attribute spanring_double(const char *key, double value)
{
	struct spanring_attribute attribute =
		spanring_attribute_(key, SPANRING_TYPE_DOUBLE, NULL, 0);

	attribute.value.real = value;
	return attribute;
}

static inline struct spanring_attribute spanring_bytes(const char *key, const void *value,
						       size_t length)
{
	return spanring_attribute_(key, SPANRING_TYPE_BYTES, value, length);
}

static inline struct spanring_attribute
spanring_strings(const char *key, const char *const *values, size_t count)
{
	return spanring_attribute_(key, SPANRING_TYPE_STRINGS, values, count);
}

static inline struct spanring_attribute spanring_bools(const char *key, const bool *values,
						       size_t count)
{
	return spanring_attribute_(key, SPANRING_TYPE_BOOLS, values, count);
}

static inline struct spanring_attribute spanring_ints(const char *key, const int64_t *values,
						      size_t count)
{
	return spanring_attribute_(key, SPANRING_TYPE_INTS, values, count);
}

static inline struct spanring_attribute
spanring_doubles(const char *key, const double *values, size_t count)
{
	return spanring_attribute_(key, SPANRING_TYPE_DOUBLES, values, count);
}

static inline struct spanring_attribute
spanring_map(const char *key, const struct spanring_attribute *attributes, size_t count)
{
	return spanring_attribute_(key, SPANRING_TYPE_MAP, attributes, count);
}

static inline struct spanring_attribute
spanring_values(const char *key, const struct spanring_attribute *values, size_t count)
{
	return spanring_attribute_(key, SPANRING_TYPE_VALUES, values, count);
}

static inline int spanring_set_attributes(struct spanring_span *span,
					  const struct spanring_attribute *attributes,
					  size_t count)
{
	if (SPANRING_UNLIKELY(!span->epoch))
		return 0;
	return spanring_span_attributes(span, attributes, count);
}

static inline int spanring_set_attribute(struct spanring_span *span,
					 const struct spanring_attribute *attribute)
{
	return spanring_set_attributes(span, attribute, 1);
}

static inline int spanring_set_string_n(struct spanring_span *span, const char *key,
					const char *value, size_t length)
{
	if (SPANRING_UNLIKELY(!span->epoch))
		return 0;
	return spanring_span_string(span, key, spanring_length_(key), value, length);
}

static inline int spanring_set_string(struct spanring_span *span, const char *key,
				      const char *value)
{
	return spanring_set_string_n(span, key, value, spanring_length_(value));
}

static inline int spanring_set_bool(struct spanring_span *span, const char *key, bool value)
{
	struct spanring_attribute attribute = spanring_bool(key, value);

	return spanring_set_attribute(span, &attribute);
}

static inline int spanring_set_int(struct spanring_span *span, const char *key, int64_t value)
{
	if (SPANRING_UNLIKELY(!span->epoch))
		return 0;
	return spanring_span_int(span, key, spanring_length_(key), value);
}

static inline int spanring_set_double(struct spanring_span *span, const char *key, double value)
{
	struct spanring_attribute attribute = spanring_double(key, value);

	return spanring_set_attribute(span, &attribute);
}

static inline int spanring_set_bytes(struct spanring_span *span, const char *key,
				     const void *value, size_t length)
{
	struct spanring_attribute attribute = spanring_bytes(key, value, length);

	return spanring_set_attribute(span, &attribute);
}

static inline int spanring_add_event_at(struct spanring_span *span, const char *name,
					uint64_t time_unix_ns,
					const struct spanring_attribute *attributes,
					size_t count)
{
	if (SPANRING_UNLIKELY(!span->epoch))
		return 0;
	return spanring_span_event(span, name, spanring_length_(name), time_unix_ns,
				   attributes, count);
}

static inline int spanring_add_event(struct spanring_span *span, const char *name,
				     const struct spanring_attribute *attributes, size_t count)
{
	return spanring_add_event_at(span, name, 0, attributes, count);
}

static inline int spanring_record_exception(struct spanring_span *span, const char *type,
					    const char *message, const char *stacktrace)
{
	if (SPANRING_UNLIKELY(!span->epoch))
		return 0;
	return spanring_span_exception(span, type, message, stacktrace);
}

static inline int spanring_add_link(struct spanring_span *span,
				    const struct spanring_link *link)
{
	if (SPANRING_UNLIKELY(!span->epoch))
		return 0;
	return spanring_span_link(span, link);
}

static inline int spanring_enter(struct spanring_span *ret_span, const char *name,
				 const struct spanring_start_options *options)
{
	int r = spanring_start(ret_span, name, options);

	if (!SPANRING_UNLIKELY(!spanring_tracing))
		(void)spanring_attach(ret_span);
	return r;
}

/* What SPANRING_SPAN() runs at the end of the block. */
static inline void spanring_leave_block(struct spanring_span *span)
{
	(void)spanring_end(span);
}

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
