/* spanring/propagation.h - a trace and its baggage, on their way to other
 * processes: in the headers of any HTTP client, in the environment of a child.
 *
 *	char head[SPANRING_HEADERS_SIZE];
 *
 *	spanring_inject_headers(&call, head, sizeof head);	// the client
 *	dprintf(socket, "POST /v1/chat HTTP/1.1\r\nHost: model\r\n%s\r\n", head);
 *
 *	spanring_extract_headers(head, length, &caller, NULL);	// the server
 *	spanring_start_with(&span, "chat", .kind = SPANRING_KIND_SERVER,
 *			    .remote_parent = &caller);
 *
 * Which headers are written and understood is the choice of OTEL_PROPAGATORS,
 * read by spanring_init(): a list of `tracecontext` (traceparent, tracestate),
 * `baggage`, `b3` (one header b3), `b3multi` (X-B3-TraceId and others) and
 * `none`. Without it, before spanring_init() and where tracing is off it is
 * tracecontext,baggage: a process that records nothing still passes on what it
 * was given.
 *
 * The rules at the top of spanring.h hold here, too. Nothing here is meant for
 * signal handlers. */
#ifndef SPANRING_PROPAGATION_H
#define SPANRING_PROPAGATION_H

#include <spanring.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* ---- baggage ---------------------------------------------------------------- */

/* What is passed on of W3C Baggage: as many whole members as fit into both. */
#define SPANRING_BAGGAGE_MAX 8192
#define SPANRING_BAGGAGE_MEMBERS_MAX 180

/* Names and values that travel with a request, as the text of the header
 * `baggage`. A plain value: copy it, zero it for an empty one, nothing is to be
 * freed. The members may be read; they are written by the calls below alone. */
struct spanring_baggage {
	uint16_t length;
	uint16_t members;
	char text[SPANRING_BAGGAGE_MAX + 1]; /* NUL-terminated */
};

/* Puts a value under a name, in place of an older one. The name is a token of
 * HTTP, and case matters; the value is any UTF-8 text. `metadata` is passed on
 * as it is, behind a semicolon ("ttl=30"); NULL or "": none.
 * -EINVAL	no such name, or a value or metadata that could not be sent.
 * -ENOSPC	above the limits. In both cases nothing is changed. */
int spanring_baggage_set(struct spanring_baggage *baggage, const char *name, const char *value,
			 const char *metadata);

/* -ENOENT: no such name. */
int spanring_baggage_remove(struct spanring_baggage *baggage, const char *name);

/* Copies the value under a name, decoded and with a NUL; what is no UTF-8 becomes
 * U+FFFD. Returns its length.
 * -ENOENT	no such name.	-ENOSPC	 it does not fit into `size` bytes. */
int spanring_baggage_get(const struct spanring_baggage *baggage, const char *name,
			 char *ret_value, size_t size);

/* A member as it stands in the text: borrowed, without NULs, the value still
 * encoded. Zero it to begin with the first one. */
struct spanring_baggage_member {
	const char *name, *value, *metadata;
	size_t name_length, value_length, metadata_length;
	size_t next;
};

/* The next member, in the order of the header: 1, or 0 when there is none. */
int spanring_baggage_next(const struct spanring_baggage *baggage,
			  struct spanring_baggage_member *member);

/* Decodes a member's value; results as spanring_baggage_get(). */
int spanring_baggage_decode(const char *value, size_t length, char *ret_value, size_t size);

/* Reads a header. What is no member is left out, of equal names the last
 * counts, and what is above the limits is left out whole. Returns how many
 * members were left out. */
int spanring_baggage_parse(const char *header, size_t length,
			   struct spanring_baggage *ret_baggage);

/* Makes a baggage the thread's own, to be injected with its spans, and returns
 * the one that was: give it back when the work is done. It is borrowed until
 * then. NULL is the baggage this process was started with, which is also what
 * every thread begins with. */
const struct spanring_baggage *spanring_baggage_attach(const struct spanring_baggage *baggage);

/* The thread's baggage; never NULL. */
const struct spanring_baggage *spanring_baggage_current(void);

/* ---- headers ----------------------------------------------------------------- */

/* How an HTTP library of yours is written to and read. Names are lower-case.
 * spanring_get_header answers NULL where there is no such header (upper and
 * lower case are the same in HTTP); several of one name are one, joined by
 * commas. The texts are borrowed during the call. */
typedef void spanring_set_header(void *carrier, const char *name, const char *value);
typedef const char *spanring_get_header(void *carrier, const char *name);

/* Hands over the headers of a span (NULL: of the thread's current span, else of
 * the context this process was started in) and of the thread's baggage.
 * -ENOENT: there is no context; baggage is handed over all the same. */
int spanring_inject(const struct spanring_span *span, spanring_set_header *set, void *carrier);

/* The reverse. *ret_baggage, where it is not NULL, is always written: empty
 * where there is none.
 * -ENOENT	no header of a context; a B3 header that only says "do not sample".
 * -EBADMSG	one that makes no sense. *ret_context is untouched in both cases:
 *		the trace begins here. */
int spanring_extract(spanring_get_header *get, void *carrier,
		     struct spanring_context *ret_context,
		     struct spanring_baggage *ret_baggage);

/* Room for all that spanring_inject_headers() may write. */
#define SPANRING_HEADERS_SIZE (SPANRING_BAGGAGE_MAX + 1024)

/* The same as lines of an HTTP head, each "name: value\r\n", with a NUL at the
 * end. Returns the length of the text, which is 0 where there is neither
 * context nor baggage. -ENOSPC: it does not fit; nothing is written. */
int spanring_inject_headers(const struct spanring_span *span, char *ret_text, size_t size);

/* Reads them out of the head of a message: lines, ended by LF or CR LF, of which
 * those that are no header of ours are passed over; an empty line ends it.
 * Results as spanring_extract(). */
int spanring_extract_headers(const char *text, size_t length,
			     struct spanring_context *ret_context,
			     struct spanring_baggage *ret_baggage);

/* ---- the environment of a child ------------------------------------------------ */

/* An environment for execve() or posix_spawn(): `envp` (NULL: ours as it is
 * now) with the span's context and the thread's baggage in it, as TRACEPARENT,
 * TRACESTATE, BAGGAGE and so on; older ones are left out. Neither our own
 * environment nor `envp` is changed, and its strings are borrowed. *ret_envp is
 * one block for free().
 * -ENOENT	there is no context; *ret_envp is made all the same, without one.
 * -ENOMEM	no memory; *ret_envp is NULL. */
int spanring_environment_for_child(const struct spanring_span *span, char *const *envp,
				   char ***ret_envp);

/* A spanring_get_header for variables: `carrier` is an environment, or NULL for
 * ours. The name "x-b3-traceid" is looked for as X_B3_TRACEID.
 * NULL in set-uid programs and with SPANRING_IGNORE_ENVIRONMENT. */
const char *spanring_get_variable(void *carrier, const char *name);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
