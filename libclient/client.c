#include "client.h"

#include "spanring/propagation.h"

#include "attributes.h"
#include "baggage.h"
#include "clock.h"
#include "content.h"
#include "context.h"
#include "life.h"
#include "process_exit.h"
#include "report.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

extern char **environ;

uint32_t spanring_tracing;

struct sampler client_sampler = {.root = SAMPLER_ALWAYS_ON, .parent_based = true};
struct spanring_span client_inherited;

/* What init was told, copied: a child needs it again. Freed by the next init. */
static struct {
	void *arena;
	size_t arena_bytes;
	struct environment environment;
	bool environment_read;
	char directory[DIRECTORY_PATH_SIZE]; /* one that was named from where we were */
} kept;

/* ---- copying the options --------------------------------------------------- */

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *keep_text(uint8_t **at, const char *text)
{
	size_t bytes = text_bytes(text);
	char *copy = (char *)*at;

	if (!text || !*text)
		return NULL;
	memcpy(copy, text, bytes);
	*at += bytes;
	return copy;
}

static size_t options_bytes(const struct spanring_options *options, uint64_t entries)
{
	return text_bytes(options->service_name) + text_bytes(options->service_version) +
	       text_bytes(options->service_namespace) +
	       text_bytes(options->service_instance_id) +
	       text_bytes(options->deployment_environment) + text_bytes(options->module) +
	       text_bytes(options->module_key) + text_bytes(options->resource_schema_url) +
	       text_bytes(options->directory) + entries + 1;
}

static void keep_resource(uint8_t *at, const struct spanring_options *options,
			  uint64_t entries_bytes)
{
	struct resource_options *resource = &life_options.resource;
	struct writer writer = {.at = at, .end = at + entries_bytes};

	attributes_write_entries(&writer, options->resource, options->resource_count,
				 SPAN_LIMITS_NONE);
	memset(resource, 0, sizeof *resource);
	resource->entries = at;
	resource->entries_bytes = entries_bytes;
	at += entries_bytes;
	resource->service_name = keep_text(&at, options->service_name);
	resource->service_version = keep_text(&at, options->service_version);
	resource->service_namespace = keep_text(&at, options->service_namespace);
	resource->service_instance_id = keep_text(&at, options->service_instance_id);
	resource->deployment_environment = keep_text(&at, options->deployment_environment);
	resource->module_name = keep_text(&at, options->module);
	resource->module_key = keep_text(&at, options->module_key);
	resource->environment = &kept.environment;
	resource->detectors = kept.environment.detectors;
	resource->exact = (options->flags & SPANRING_RESOURCE_WHOLE) != 0;
	life_options.resource_schema_url = keep_text(&at, options->resource_schema_url);
	life_options.directory = keep_text(&at, options->directory);
}

static int keep_options(const struct spanring_options *options)
{
	uint32_t bad;
	int error;
	uint64_t entries = attributes_entries_bytes(options->resource, options->resource_count,
						    SPAN_LIMITS_NONE, &bad, &error);
	size_t bytes = options_bytes(options, entries);
	void *arena =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (arena == MAP_FAILED)
		return -ENOMEM;
	kept.arena = arena;
	kept.arena_bytes = bytes;
	keep_resource(arena, options, entries);
	if (error)
		client_report(-error, "a resource attribute makes no sense and is left out");
	if (!life_options.directory)
		life_options.directory = kept.environment.ring_directory;
	/* It is opened again later, and by children: they may be elsewhere. */
	if (life_options.directory && life_options.directory[0] != '/' &&
	    directory_absolute(kept.directory, life_options.directory) == 0)
		life_options.directory = kept.directory;
	life_options.ring.bytes_max = options->ring_bytes_max ? options->ring_bytes_max
							      : kept.environment.ring_bytes_max;
	life_options.ring.wait_ms =
		options->wait_ms ? options->wait_ms : kept.environment.wait_ms;
	return 0;
}

static void forget_kept(void)
{
	/* Our own mapping: cannot fail. */
	if (kept.arena)
		(void)munmap(kept.arena, kept.arena_bytes);
	kept.arena = NULL;
	if (kept.environment_read)
		environment_fini(&kept.environment);
	kept.environment_read = false;
}

static void read_environment(const struct spanring_options *options)
{
	const struct environment_reporter reporter = {.report = report_variable};
	bool ignored = (options->flags & SPANRING_IGNORE_ENVIRONMENT) != 0;
	bool secure = ignored || environment_is_forbidden();

	environment_ignore(ignored);
	kept.environment_read =
		environment_read(&kept.environment, environ, secure, &reporter) == 0;
	content_read(environ, secure, &reporter);
	content_hidden |= options->hide;
	report_to_stderr(kept.environment.log_stderr);
	client_sampler = kept.environment.sampler;
	propagate_set = kept.environment.propagators;
	client_limits = kept.environment.limits;
}

static void inherit_context(void)
{
	struct spanring_context context;
	struct spanring_baggage baggage;
	const char *text = NULL;

	memset(&client_inherited, 0, sizeof client_inherited);
	if (context_inherited(&context) == 0)
		(void)spanring_span_from_context(&client_inherited, &context); /* was checked */
	if (propagate_set & PROPAGATE_BAGGAGE)
		text = environment_get("BAGGAGE");
	(void)spanring_baggage_parse(text ? text : "", text ? strlen(text) : 0, &baggage);
	baggage_inherit(&baggage);
}

/* ---- init and shutdown ----------------------------------------------------- */

static int phase_result(void)
{
	switch (life_phase()) {
	case LIFE_ON:
		return 0;
	case LIFE_LOOKING:
		return -life_report.error;
	case LIFE_OFF:
		if (life_report.reason == SPANRING_REASON_DISABLED)
			return -ECANCELED;
		if (life_report.reason == SPANRING_REASON_NOT_WRITABLE)
			return -EPERM;
		return life_report.error ? -life_report.error : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int disable(void)
{
	life_report.reason = SPANRING_REASON_DISABLED;
	life_report.error = 0;
	life_report.path[0] = '\0';
	life_set_phase(LIFE_OFF);
	return -ECANCELED;
}

static int begin(const struct spanring_options *options)
{
	struct thread *thread;
	int r;

	forget_kept();
	read_environment(options);
	if (kept.environment.disabled)
		return disable();
	r = keep_options(options);
	if (r == 0)
		r = life_prepare();
	if (r < 0)
		return life_fail(r);
	clock_choose(kept.environment.clock);
	inherit_context();
	process_exit_watch();
	thread = thread_mine();
	if (!thread || thread_writing(thread))
		return thread ? -EBUSY : life_fail(-ENOMEM);
	thread_write_begin(thread);
	r = life_begin(thread);
	thread_write_end(thread);
	return r;
}

/* A struct that knows its size, from a caller that may know less or more. */
static void take_options(struct spanring_options *ret, const struct spanring_options *given)
{
	size_t size = given ? given->size : 0;

	if (given && (size == 0 || size > sizeof *ret))
		size = sizeof *ret; /* all fields were there in the first version */
	memset(ret, 0, sizeof *ret);
	if (given)
		memcpy(ret, given, size);
}

int spanring_init(const struct spanring_options *options)
{
	struct spanring_options copy;
	enum life_phase phase;
	int error = errno, r;

	r = client_lock();
	if (r < 0)
		return r;
	phase = life_phase();
	if (phase == LIFE_ON || phase == LIFE_OFF) {
		r = phase_result();
	} else {
		take_options(&copy, options);
		r = begin(&copy);
	}
	client_unlock();
	errno = error;
	return r;
}

int spanring_shutdown(void)
{
	int error = errno, r = client_lock();

	if (r < 0)
		return r;
	if (life_phase() != LIFE_NOT_INITIALISED)
		life_end();
	client_unlock();
	errno = error;
	return 0;
}
