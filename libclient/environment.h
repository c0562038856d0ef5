/* What the environment says of tracing, read once at init; the context, which a
 * process may change for its children, is read when it is asked for. The
 * strings are copied: a later putenv() cannot change them under us.
 *
 * The first value of a name counts, an empty one is no value. A value that
 * makes no sense is reported once and its default used. Under AT_SECURE the
 * caller says `secure` and nothing is read: whoever starts a set-uid program
 * must not choose its files. */
#ifndef LIBCLIENT_ENVIRONMENT_H
#define LIBCLIENT_ENVIRONMENT_H

#include "span_limits.h"
#include "propagate.h"
#include "sampler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What may be found out about process and machine: SPANRING_DETECTORS. */
#define ENVIRONMENT_DETECT_HOST 0x1u	/* host.name */
#define ENVIRONMENT_DETECT_PROCESS 0x2u /* process.pid, process.executable.name */
#define ENVIRONMENT_DETECT_SERVICE 0x4u /* service.instance.id, the module attribute */
#define ENVIRONMENT_DETECT_ALL 0x7u

enum environment_clock {
	ENVIRONMENT_CLOCK_AUTO = 0,
	ENVIRONMENT_CLOCK_MONOTONIC = 1,
	ENVIRONMENT_CLOCK_TSC = 2,
};

/* How a bad value is made known. `problem` is one sentence without the value,
 * which may be a secret. Called while the environment is being read. */
struct environment_reporter {
	void (*report)(void *owner, const char *variable, const char *problem);
	void *owner;
};

/* Text is NULL where nothing was said. All of it lives in `arena` until
 * environment_fini(). */
struct environment {
	bool disabled;			    /* OTEL_SDK_DISABLED, OTEL_ENABLED */
	bool log_stderr;		    /* SPANRING_LOG=stderr */
	enum environment_clock clock;	    /* SPANRING_CLOCK */
	unsigned detectors;		    /* SPANRING_DETECTORS; all */
	unsigned propagators;		    /* OTEL_PROPAGATORS; PROPAGATE_DEFAULT */
	uint32_t wait_ms;		    /* SPANRING_WAIT_MS; 0 */
	uint64_t ring_bytes_max;	    /* SPANRING_RING_MAX; 0: not said */
	struct sampler sampler;		    /* OTEL_TRACES_SAMPLER(_ARG), OTEL_SAMPLING_RATE */
	struct span_limits limits;		    /* OTEL_SPAN_*_LIMIT, OTEL_*_ATTRIBUTE_*_LIMIT */
	const char *ring_directory;	    /* SPANRING_DIR */
	const char *service_name;	    /* OTEL_SERVICE_NAME */
	const char *deployment_environment; /* ENVIRONMENT */
	const uint8_t *resource_entries;    /* OTEL_RESOURCE_ATTRIBUTES as wire entries, */
	size_t resource_entries_bytes;	    /* percent-decoded, in the order given */

	void *arena;
	size_t arena_bytes;
};

/* `envp` is environ, or NULL. -ENOMEM: the defaults are in *ret, which needs
 * no environment_fini() then. The reporter may be NULL. */
int environment_read(struct environment *ret, char *const *envp, bool secure,
		     const struct environment_reporter *reporter);

void environment_fini(struct environment *environment);

/* ---- single variables, as they are now ----------------------------------- */

/* Whether this is a set-uid program (AT_SECURE). */
bool environment_is_forbidden(void);

/* From now on environment_get() knows nothing: SPANRING_IGNORE_ENVIRONMENT. */
void environment_ignore(bool ignore);

/* Like getenv(), with its rules about threads; NULL also for an empty value
 * and where the environment is forbidden or ignored. */
const char *environment_get(const char *name);

#endif
