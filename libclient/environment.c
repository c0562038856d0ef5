#include "environment.h"

#include "resource_text.h"
#include "wire/abi.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#define WAIT_MS_MAX 3600000u

enum variable {
	OTEL_SDK_DISABLED,
	OTEL_ENABLED,
	OTEL_SERVICE_NAME,
	OTEL_RESOURCE_ATTRIBUTES,
	OTEL_TRACES_SAMPLER,
	OTEL_TRACES_SAMPLER_ARG,
	OTEL_SAMPLING_RATE,
	OTEL_PROPAGATORS,
	OTEL_ATTRIBUTE_COUNT_LIMIT,
	OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT,
	OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT,
	OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT,
	OTEL_SPAN_EVENT_COUNT_LIMIT,
	OTEL_SPAN_LINK_COUNT_LIMIT,
	OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT,
	OTEL_LINK_ATTRIBUTE_COUNT_LIMIT,
	ENVIRONMENT,
	SPANRING_DIR,
	SPANRING_RING_MAX,
	SPANRING_WAIT_MS,
	SPANRING_DETECTORS,
	SPANRING_LOG,
	SPANRING_CLOCK,
	VARIABLE_COUNT,
};

static const char variable_names[VARIABLE_COUNT][40] = {
	[OTEL_SDK_DISABLED] = "OTEL_SDK_DISABLED",
	[OTEL_ENABLED] = "OTEL_ENABLED",
	[OTEL_SERVICE_NAME] = "OTEL_SERVICE_NAME",
	[OTEL_RESOURCE_ATTRIBUTES] = "OTEL_RESOURCE_ATTRIBUTES",
	[OTEL_TRACES_SAMPLER] = "OTEL_TRACES_SAMPLER",
	[OTEL_TRACES_SAMPLER_ARG] = "OTEL_TRACES_SAMPLER_ARG",
	[OTEL_SAMPLING_RATE] = "OTEL_SAMPLING_RATE",
	[OTEL_PROPAGATORS] = "OTEL_PROPAGATORS",
	[OTEL_ATTRIBUTE_COUNT_LIMIT] = "OTEL_ATTRIBUTE_COUNT_LIMIT",
	[OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT] = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
	[OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT] = "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
	[OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT] = "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
	[OTEL_SPAN_EVENT_COUNT_LIMIT] = "OTEL_SPAN_EVENT_COUNT_LIMIT",
	[OTEL_SPAN_LINK_COUNT_LIMIT] = "OTEL_SPAN_LINK_COUNT_LIMIT",
	[OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT] = "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
	[OTEL_LINK_ATTRIBUTE_COUNT_LIMIT] = "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
	[ENVIRONMENT] = "ENVIRONMENT",
	[SPANRING_DIR] = "SPANRING_DIR",
	[SPANRING_RING_MAX] = "SPANRING_RING_MAX",
	[SPANRING_WAIT_MS] = "SPANRING_WAIT_MS",
	[SPANRING_DETECTORS] = "SPANRING_DETECTORS",
	[SPANRING_LOG] = "SPANRING_LOG",
	[SPANRING_CLOCK] = "SPANRING_CLOCK",
};

struct reading {
	const char *value[VARIABLE_COUNT]; /* the process's own strings */
	const struct environment_reporter *reporter;
	char *arena_at;
};

static void report(const struct reading *reading, enum variable variable, const char *problem)
{
	if (reading->reporter && reading->reporter->report)
		reading->reporter->report(reading->reporter->owner, variable_names[variable],
					  problem);
}

/* ---- words and numbers, without locale ----------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool equals(const char *text, size_t length, const char *word)
{
	if (strlen(word) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (lower(text[i]) != word[i])
			return false;
	return true;
}

static bool is(const char *text, const char *word)
{
	return equals(text, strlen(text), word);
}

/* Decimal digits at *at; moves behind them. -ERANGE above `max`. */
static int read_digits(const char **at, uint64_t max, uint64_t *ret)
{
	uint64_t number = 0;

	if (**at < '0' || **at > '9')
		return -EINVAL;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		unsigned digit = (unsigned)(**at - '0');

		if (digit > max || number > (max - digit) / 10)
			return -ERANGE;
		number = number * 10 + digit;
	}
	*ret = number;
	return 0;
}

/* A decimal fraction of 0 to 1: "0.25", ".5", "1", "1.0". */
static int read_ratio(const char *at, double *ret)
{
	uint64_t whole = 0;
	double ratio, place = 0.1;

	if (*at != '.' && read_digits(&at, 1, &whole) < 0)
		return -EINVAL;
	ratio = (double)whole;
	if (*at == '.') {
		at++;
		if (*at < '0' || *at > '9')
			return -EINVAL;
		for (; *at >= '0' && *at <= '9'; at++, place /= 10)
			ratio += (*at - '0') * place;
	}
	if (*at || ratio > 1.0)
		return -EINVAL;
	*ret = ratio;
	return 0;
}

/* ---- one function per kind of variable ----------------------------------- */

static void read_disabled(struct environment *environment, const struct reading *reading)
{
	const char *disabled = reading->value[OTEL_SDK_DISABLED];
	const char *enabled = reading->value[OTEL_ENABLED];

	if (disabled) {
		environment->disabled = is(disabled, "true");
		if (!environment->disabled && !is(disabled, "false"))
			report(reading, OTEL_SDK_DISABLED,
			       "neither true nor false; tracing stays on");
		return; /* the standard name beats the alias */
	}
	if (!enabled)
		return;
	environment->disabled = is(enabled, "false") || is(enabled, "0") || is(enabled, "no") ||
				is(enabled, "off");
	if (!environment->disabled && !is(enabled, "true") && !is(enabled, "1") &&
	    !is(enabled, "yes") && !is(enabled, "on"))
		report(reading, OTEL_ENABLED, "neither true nor false; tracing stays on");
}

static unsigned size_shift(char suffix)
{
	switch (lower(suffix)) {
	case 'k':
		return 10;
	case 'm':
		return 20;
	case 'g':
		return 30;
	default:
		return 0;
	}
}

static void read_ring_max(struct environment *environment, const struct reading *reading)
{
	const char *at = reading->value[SPANRING_RING_MAX];
	uint64_t bytes = 0;
	unsigned shift;

	if (!at)
		return;
	if (read_digits(&at, WIRE_RING_BYTES_MAX, &bytes) == 0) {
		shift = size_shift(*at);
		if (shift)
			at++;
		if (!*at && bytes <= WIRE_RING_BYTES_MAX >> shift &&
		    bytes << shift >= WIRE_RING_BYTES_MIN) {
			environment->ring_bytes_max = bytes << shift;
			return;
		}
	}
	report(reading, SPANRING_RING_MAX, "not a size from 1M to 16G; the default is used");
}

static void read_wait(struct environment *environment, const struct reading *reading)
{
	const char *at = reading->value[SPANRING_WAIT_MS];
	uint64_t wait_ms;

	if (!at)
		return;
	if (read_digits(&at, WAIT_MS_MAX, &wait_ms) < 0 || *at)
		report(reading, SPANRING_WAIT_MS,
		       "not milliseconds from 0 to 3600000; calls do not wait");
	else
		environment->wait_ms = (uint32_t)wait_ms;
}

static unsigned detector_named(const char *name, size_t length)
{
	if (equals(name, length, "host"))
		return ENVIRONMENT_DETECT_HOST;
	if (equals(name, length, "process"))
		return ENVIRONMENT_DETECT_PROCESS;
	if (equals(name, length, "service"))
		return ENVIRONMENT_DETECT_SERVICE;
	if (equals(name, length, "all"))
		return ENVIRONMENT_DETECT_ALL;
	return 0;
}

/* The names of a list in `value`, as bits; *ret_unknown: some were not known. */
static unsigned read_names(const char *at, unsigned (*named)(const char *, size_t),
			   bool *ret_unknown)
{
	unsigned set = 0;

	*ret_unknown = false;
	while (*at) {
		size_t length = strcspn(at, ", \t");
		unsigned bits = named(at, length);

		if (length && !bits && !equals(at, length, "none"))
			*ret_unknown = true;
		set |= bits;
		at += length;
		at += strspn(at, ", \t");
	}
	return set;
}

static void read_detectors(struct environment *environment, const struct reading *reading)
{
	bool unknown;

	if (!reading->value[SPANRING_DETECTORS])
		return;
	environment->detectors =
		read_names(reading->value[SPANRING_DETECTORS], detector_named, &unknown);
	if (unknown)
		report(reading, SPANRING_DETECTORS,
		       "knows host, process, service, all and none; the rest is ignored");
}

static unsigned propagator_named(const char *name, size_t length)
{
	if (equals(name, length, "tracecontext"))
		return PROPAGATE_TRACECONTEXT;
	if (equals(name, length, "baggage"))
		return PROPAGATE_BAGGAGE;
	if (equals(name, length, "b3"))
		return PROPAGATE_B3;
	if (equals(name, length, "b3multi"))
		return PROPAGATE_B3MULTI;
	return 0;
}

static void read_propagators(struct environment *environment, const struct reading *reading)
{
	bool unknown;

	if (!reading->value[OTEL_PROPAGATORS])
		return;
	environment->propagators =
		read_names(reading->value[OTEL_PROPAGATORS], propagator_named, &unknown);
	if (unknown)
		report(reading, OTEL_PROPAGATORS,
		       "knows tracecontext, baggage, b3, b3multi and none; the rest is "
		       "ignored");
}

static void read_log(struct environment *environment, const struct reading *reading)
{
	const char *value = reading->value[SPANRING_LOG];

	if (!value)
		return;
	environment->log_stderr = is(value, "stderr");
	if (!environment->log_stderr && !is(value, "none"))
		report(reading, SPANRING_LOG, "neither stderr nor none; nothing is printed");
}

static void read_clock(struct environment *environment, const struct reading *reading)
{
	const char *value = reading->value[SPANRING_CLOCK];

	if (!value || is(value, "auto"))
		return;
	if (is(value, "monotonic"))
		environment->clock = ENVIRONMENT_CLOCK_MONOTONIC;
	else if (is(value, "tsc"))
		environment->clock = ENVIRONMENT_CLOCK_TSC;
	else
		report(reading, SPANRING_CLOCK, "knows auto, monotonic and tsc; auto is used");
}

/* The ratio of OTEL_TRACES_SAMPLER_ARG or OTEL_SAMPLING_RATE; 1 by default. */
static void read_sampler_ratio(struct environment *environment, const struct reading *reading,
			       enum variable variable, bool parent_based)
{
	double ratio = 1.0;

	if (reading->value[variable] && read_ratio(reading->value[variable], &ratio) < 0)
		report(reading, variable, "not a ratio from 0 to 1; everything is sampled");
	environment->sampler = sampler_make_ratio(ratio, parent_based);
}

static void read_sampler(struct environment *environment, const struct reading *reading)
{
	const char *value = reading->value[OTEL_TRACES_SAMPLER], *root = value;
	bool parent_based = true;

	environment->sampler = (struct sampler){SAMPLER_ALWAYS_ON, true, 0};
	if (!value) {
		if (reading->value[OTEL_SAMPLING_RATE])
			read_sampler_ratio(environment, reading, OTEL_SAMPLING_RATE, true);
		return;
	}
	if (strlen(value) > strlen("parentbased_") &&
	    equals(value, strlen("parentbased_"), "parentbased_"))
		root += strlen("parentbased_");
	else
		parent_based = false;
	if (is(root, "always_on"))
		environment->sampler = (struct sampler){SAMPLER_ALWAYS_ON, parent_based, 0};
	else if (is(root, "always_off"))
		environment->sampler = (struct sampler){SAMPLER_ALWAYS_OFF, parent_based, 0};
	else if (is(root, "traceidratio"))
		read_sampler_ratio(environment, reading, OTEL_TRACES_SAMPLER_ARG, parent_based);
	else
		report(reading, OTEL_TRACES_SAMPLER,
		       "unknown sampler; parentbased_always_on is used");
}

static void read_limit(uint32_t *limit, const struct reading *reading, enum variable variable)
{
	const char *at = reading->value[variable];
	uint64_t number;

	if (!at)
		return;
	if (read_digits(&at, SPAN_LIMITS_NONE - 1, &number) < 0 || *at)
		report(reading, variable, "not a number; it is ignored");
	else
		*limit = (uint32_t)number;
}

static void read_limits(struct environment *environment, const struct reading *reading)
{
	struct span_limits *limits = &environment->limits;

	/* The spans' own variable beats the general one. */
	read_limit(&limits->attributes, reading, OTEL_ATTRIBUTE_COUNT_LIMIT);
	read_limit(&limits->attributes, reading, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT);
	read_limit(&limits->value_length, reading, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT);
	read_limit(&limits->value_length, reading, OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT);
	read_limit(&limits->events, reading, OTEL_SPAN_EVENT_COUNT_LIMIT);
	read_limit(&limits->links, reading, OTEL_SPAN_LINK_COUNT_LIMIT);
	read_limit(&limits->event_attributes, reading, OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT);
	read_limit(&limits->link_attributes, reading, OTEL_LINK_ATTRIBUTE_COUNT_LIMIT);
}

static const char *copy(struct reading *reading, enum variable variable)
{
	const char *value = reading->value[variable];
	char *to = reading->arena_at;
	size_t bytes;

	if (!value)
		return NULL;
	bytes = strlen(value) + 1;
	reading->arena_at += bytes;
	return memcpy(to, value, bytes);
}

static void read_resource(struct environment *environment, struct reading *reading)
{
	const char *value = reading->value[OTEL_RESOURCE_ATTRIBUTES];
	uint8_t *to = (uint8_t *)reading->arena_at;
	int64_t bytes;

	if (!value)
		return;
	bytes = resource_text_decode(value, strlen(value), to);
	if (bytes < 0) {
		report(reading, OTEL_RESOURCE_ATTRIBUTES,
		       "not key=value,... in percent encoding; all of it is ignored");
		return;
	}
	environment->resource_entries = to;
	environment->resource_entries_bytes = (size_t)bytes;
	reading->arena_at += bytes;
}

/* ---- the whole ----------------------------------------------------------- */

static void find_variables(struct reading *reading, char *const *envp)
{
	for (; envp && *envp; envp++) {
		size_t length = strcspn(*envp, "=");

		if ((*envp)[length] != '=' || (*envp)[length + 1] == '\0')
			continue;
		for (int i = 0; i < VARIABLE_COUNT; i++)
			if (!reading->value[i] && strlen(variable_names[i]) == length &&
			    !memcmp(*envp, variable_names[i], length))
				reading->value[i] = *envp + length + 1;
	}
}

static size_t arena_bytes_needed(const struct reading *reading)
{
	size_t bytes = 1;

	for (int i = 0; i < VARIABLE_COUNT; i++)
		if (reading->value[i])
			bytes += strlen(reading->value[i]) + 1;
	if (reading->value[OTEL_RESOURCE_ATTRIBUTES])
		bytes += resource_text_bytes_max(
			strlen(reading->value[OTEL_RESOURCE_ATTRIBUTES]));
	return bytes;
}

static int arena_map(struct environment *environment, struct reading *reading)
{
	size_t bytes = arena_bytes_needed(reading);
	void *arena =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (arena == MAP_FAILED)
		return -ENOMEM;
	environment->arena = arena;
	environment->arena_bytes = bytes;
	reading->arena_at = arena;
	return 0;
}

static const struct environment defaults = {
	.detectors = ENVIRONMENT_DETECT_ALL,
	.propagators = PROPAGATE_DEFAULT,
	.limits = SPAN_LIMITS_INIT,
};

int environment_read(struct environment *ret, char *const *envp, bool secure,
		     const struct environment_reporter *reporter)
{
	struct environment environment = defaults;
	struct reading reading = {.reporter = reporter};
	int error = errno, r;

	if (!secure)
		find_variables(&reading, envp);
	read_disabled(&environment, &reading);
	read_ring_max(&environment, &reading);
	read_wait(&environment, &reading);
	read_detectors(&environment, &reading);
	read_propagators(&environment, &reading);
	read_log(&environment, &reading);
	read_clock(&environment, &reading);
	read_sampler(&environment, &reading);
	read_limits(&environment, &reading);
	r = arena_map(&environment, &reading);
	if (r == 0) {
		environment.ring_directory = copy(&reading, SPANRING_DIR);
		environment.service_name = copy(&reading, OTEL_SERVICE_NAME);
		environment.deployment_environment = copy(&reading, ENVIRONMENT);
		read_resource(&environment, &reading);
	}
	*ret = environment;
	errno = error;
	return r;
}

void environment_fini(struct environment *environment)
{
	int error = errno;

	if (environment->arena)
		(void)munmap(environment->arena, environment->arena_bytes); /* ours, whole */
	*environment = defaults;
	errno = error;
}

/* ---- single variables, as they are now ----------------------------------- */

/* Stands alone: no other memory is published by it, so relaxed is enough. */
static _Atomic bool ignored;

bool environment_is_forbidden(void)
{
	int error = errno;
	bool secure = getauxval(AT_SECURE) != 0;

	errno = error; /* a kernel that does not tell is taken as "no" */
	return secure;
}

void environment_ignore(bool ignore)
{
	/* Relaxed: a word that stands alone. */
	atomic_store_explicit(&ignored, ignore, memory_order_relaxed);
}

const char *environment_get(const char *name)
{
	const char *value;

	if (environment_is_forbidden() || atomic_load_explicit(&ignored, memory_order_relaxed))
		return NULL;
	value = getenv(name);
	return value && *value ? value : NULL;
}
