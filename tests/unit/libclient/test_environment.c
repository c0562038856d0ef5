#include "environment.h"

#include "wire/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct reports {
	int count;
	char variable[64];
};

static void note(void *owner, const char *variable, const char *problem)
{
	struct reports *reports = owner;

	assert_non_null(problem);
	reports->count++;
	snprintf(reports->variable, sizeof reports->variable, "%s", variable);
}

/* Reads the given strings and returns how many problems were reported. */
static int read_all(struct environment *environment, const char *const *envp)
{
	struct reports reports = {0};
	struct environment_reporter reporter = {note, &reports};

	assert_int_equal(environment_read(environment, (char *const *)envp, false, &reporter),
			 0);
	return reports.count;
}

static int read_one(struct environment *environment, const char *string)
{
	const char *envp[] = {string, NULL};

	return read_all(environment, envp);
}

static void an_empty_environment_gives_the_defaults(void **state)
{
	struct environment environment;
	const char *empty[] = {NULL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(read_all(&environment, i ? empty : NULL), 0);
		assert_false(environment.disabled);
		assert_false(environment.log_stderr);
		assert_int_equal(environment.clock, ENVIRONMENT_CLOCK_AUTO);
		assert_int_equal(environment.detectors, ENVIRONMENT_DETECT_ALL);
		assert_int_equal(environment.wait_ms, 0);
		assert_int_equal(environment.ring_bytes_max, 0);
		assert_int_equal(environment.sampler.root, SAMPLER_ALWAYS_ON);
		assert_true(environment.sampler.parent_based);
		assert_null(environment.ring_directory);
		assert_null(environment.service_name);
		assert_int_equal(environment.resource_entries_bytes, 0);
		environment_fini(&environment);
	}
}

static void texts_are_copied(void **state)
{
	char service[] = "OTEL_SERVICE_NAME=agento", place[] = "ENVIRONMENT=production";
	char directory[] = "SPANRING_DIR=/run/r";
	const char *envp[] = {service, place, directory, NULL};
	struct environment environment;

	(void)state;
	assert_int_equal(read_all(&environment, envp), 0);
	memset(strchr(service, '=') + 1, 'X', 6);
	assert_string_equal(environment.service_name, "agento");
	assert_string_equal(environment.deployment_environment, "production");
	assert_string_equal(environment.ring_directory, "/run/r");
	environment_fini(&environment);
}

static void an_empty_value_is_no_value_and_the_first_of_a_name_counts(void **state)
{
	const char *envp[] = {"OTEL_SERVICE_NAME=", "OTEL_SDK_DISABLED=",
			      "SPANRING_RING_MAX=", "SPANRING_CLOCK=",
			      "ENVIRONMENT=a",	    "ENVIRONMENT=b",
			      "NOT_A_VARIABLE",	    NULL};
	struct environment environment;

	(void)state;
	assert_int_equal(read_all(&environment, envp), 0);
	assert_null(environment.service_name);
	assert_false(environment.disabled);
	assert_string_equal(environment.deployment_environment, "a");
	environment_fini(&environment);
}

static void nothing_is_read_in_a_secure_program(void **state)
{
	const char *envp[] = {"SPANRING_DIR=/tmp/evil", "OTEL_SDK_DISABLED=true",
			      "SPANRING_CLOCK=bad", NULL};
	struct reports reports = {0};
	struct environment_reporter reporter = {note, &reports};
	struct environment environment;

	(void)state;
	assert_int_equal(environment_read(&environment, (char *const *)envp, true, &reporter),
			 0);
	assert_null(environment.ring_directory);
	assert_false(environment.disabled);
	assert_int_equal(reports.count, 0);
	environment_fini(&environment);
}

static void assert_disabled(const char *first, const char *second, bool disabled, int problems)
{
	const char *envp[] = {first, second, NULL};
	struct environment environment;

	assert_int_equal(read_all(&environment, envp), problems);
	assert_int_equal(environment.disabled, disabled);
	environment_fini(&environment);
}

static void the_standard_switch_beats_its_alias(void **state)
{
	(void)state;
	assert_disabled("OTEL_SDK_DISABLED=true", NULL, true, 0);
	assert_disabled("OTEL_SDK_DISABLED=TRUE", NULL, true, 0);
	assert_disabled("OTEL_SDK_DISABLED=False", NULL, false, 0);
	assert_disabled("OTEL_SDK_DISABLED=1", NULL, false, 1);
	assert_disabled("OTEL_ENABLED=false", NULL, true, 0);
	assert_disabled("OTEL_ENABLED=0", NULL, true, 0);
	assert_disabled("OTEL_ENABLED=true", NULL, false, 0);
	assert_disabled("OTEL_ENABLED=perhaps", NULL, false, 1);
	assert_disabled("OTEL_ENABLED=true", "OTEL_SDK_DISABLED=true", true, 0);
	assert_disabled("OTEL_ENABLED=false", "OTEL_SDK_DISABLED=false", false, 0);
}

static void assert_ring_max(const char *value, uint64_t bytes, int problems)
{
	struct environment environment;
	char string[128];

	snprintf(string, sizeof string, "SPANRING_RING_MAX=%s", value);
	assert_int_equal(read_one(&environment, string), problems);
	assert_int_equal(environment.ring_bytes_max, bytes);
	environment_fini(&environment);
}

static void ring_sizes_take_suffixes_and_have_bounds(void **state)
{
	(void)state;
	assert_ring_max("512M", UINT64_C(512) << 20, 0);
	assert_ring_max("2g", UINT64_C(2) << 30, 0);
	assert_ring_max("16G", UINT64_C(16) << 30, 0);
	assert_ring_max("4096K", UINT64_C(4) << 20, 0);
	assert_ring_max("1048576", 1 << 20, 0);
	assert_ring_max("1048575", 0, 1);
	assert_ring_max("17G", 0, 1);
	assert_ring_max("99999999999999999999999G", 0, 1);
	assert_ring_max("18446744073709551615", 0, 1);
	assert_ring_max("0", 0, 1);
	assert_ring_max("-1M", 0, 1);
	assert_ring_max("1MB", 0, 1);
	assert_ring_max("1 M", 0, 1);
	assert_ring_max("M", 0, 1);
}

static void a_wait_is_milliseconds(void **state)
{
	struct environment environment;

	(void)state;
	assert_int_equal(read_one(&environment, "SPANRING_WAIT_MS=250"), 0);
	assert_int_equal(environment.wait_ms, 250);
	environment_fini(&environment);
	assert_int_equal(read_one(&environment, "SPANRING_WAIT_MS=1s"), 1);
	assert_int_equal(environment.wait_ms, 0);
	environment_fini(&environment);
	assert_int_equal(read_one(&environment, "SPANRING_WAIT_MS=3600001"), 1);
	assert_int_equal(environment.wait_ms, 0);
	environment_fini(&environment);
}

static void assert_detectors(const char *string, unsigned detectors, int problems)
{
	struct environment environment;

	assert_int_equal(read_one(&environment, string), problems);
	assert_int_equal(environment.detectors, detectors);
	environment_fini(&environment);
}

static void rule_65_detectors_are_named_by_a_list(void **state)
{
	(void)state;
	assert_detectors("SPANRING_DETECTORS=none", 0, 0);
	assert_detectors("SPANRING_DETECTORS=all", ENVIRONMENT_DETECT_ALL, 0);
	assert_detectors("SPANRING_DETECTORS=host, Process",
			 ENVIRONMENT_DETECT_HOST | ENVIRONMENT_DETECT_PROCESS, 0);
	assert_detectors("SPANRING_DETECTORS=service,container,gpu", ENVIRONMENT_DETECT_SERVICE,
			 1);
}

static void log_and_clock_know_their_words(void **state)
{
	struct environment environment;

	(void)state;
	assert_int_equal(read_one(&environment, "SPANRING_LOG=stderr"), 0);
	assert_true(environment.log_stderr);
	environment_fini(&environment);
	assert_int_equal(read_one(&environment, "SPANRING_LOG=/var/log/x"), 1);
	assert_false(environment.log_stderr);
	environment_fini(&environment);
	assert_int_equal(read_one(&environment, "SPANRING_CLOCK=Monotonic"), 0);
	assert_int_equal(environment.clock, ENVIRONMENT_CLOCK_MONOTONIC);
	environment_fini(&environment);
	assert_int_equal(read_one(&environment, "SPANRING_CLOCK=tsc"), 0);
	assert_int_equal(environment.clock, ENVIRONMENT_CLOCK_TSC);
	environment_fini(&environment);
	assert_int_equal(read_one(&environment, "SPANRING_CLOCK=sundial"), 1);
	assert_int_equal(environment.clock, ENVIRONMENT_CLOCK_AUTO);
	environment_fini(&environment);
}

static void assert_sampler(const char *sampler, const char *argument, struct sampler expected,
			   int problems)
{
	const char *envp[] = {sampler, argument, NULL};
	struct environment environment;

	assert_int_equal(read_all(&environment, envp), problems);
	assert_int_equal(environment.sampler.root, expected.root);
	assert_int_equal(environment.sampler.parent_based, expected.parent_based);
	assert_int_equal(environment.sampler.threshold, expected.threshold);
	environment_fini(&environment);
}

static void rule_48_samplers_are_named_by_the_environment(void **state)
{
	const uint64_t half = UINT64_C(1) << 63;

	(void)state;
	assert_sampler("OTEL_TRACES_SAMPLER=always_on", NULL,
		       (struct sampler){SAMPLER_ALWAYS_ON, false, 0}, 0);
	assert_sampler("OTEL_TRACES_SAMPLER=ALWAYS_OFF", NULL,
		       (struct sampler){SAMPLER_ALWAYS_OFF, false, 0}, 0);
	assert_sampler("OTEL_TRACES_SAMPLER=parentbased_always_off", NULL,
		       (struct sampler){SAMPLER_ALWAYS_OFF, true, 0}, 0);
	assert_sampler("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5",
		       (struct sampler){SAMPLER_RATIO, false, half}, 0);
	assert_sampler("OTEL_TRACES_SAMPLER=parentbased_traceidratio",
		       "OTEL_TRACES_SAMPLER_ARG=.25",
		       (struct sampler){SAMPLER_RATIO, true, half / 2}, 0);
	assert_sampler("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=1.5",
		       (struct sampler){SAMPLER_ALWAYS_ON, false, 0}, 1);
	assert_sampler("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0,5",
		       (struct sampler){SAMPLER_ALWAYS_ON, false, 0}, 1);
	assert_sampler("OTEL_TRACES_SAMPLER=traceidratio", NULL,
		       (struct sampler){SAMPLER_ALWAYS_ON, false, 0}, 0);
	assert_sampler("OTEL_TRACES_SAMPLER=jaeger_remote", NULL,
		       (struct sampler){SAMPLER_ALWAYS_ON, true, 0}, 1);
	assert_sampler("OTEL_SAMPLING_RATE=0", NULL, (struct sampler){SAMPLER_RATIO, true, 0},
		       0);
	assert_sampler("OTEL_SAMPLING_RATE=5", NULL,
		       (struct sampler){SAMPLER_ALWAYS_ON, true, 0}, 1);
	assert_sampler("OTEL_TRACES_SAMPLER=always_on", "OTEL_SAMPLING_RATE=0",
		       (struct sampler){SAMPLER_ALWAYS_ON, false, 0}, 0);
}

static void rule_52_limits_are_the_specifications(void **state)
{
	struct environment environment;

	(void)state;
	assert_int_equal(read_all(&environment, NULL), 0);
	assert_int_equal(environment.limits.attributes, 128);
	assert_int_equal(environment.limits.events, 128);
	assert_int_equal(environment.limits.links, 128);
	assert_int_equal(environment.limits.event_attributes, 128);
	assert_int_equal(environment.limits.link_attributes, 128);
	assert_int_equal(environment.limits.value_length, SPAN_LIMITS_NONE);
	environment_fini(&environment);
}

static void rule_52_the_spans_own_limit_beats_the_general_one(void **state)
{
	const char *envp[] = {
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=300",	  "OTEL_ATTRIBUTE_COUNT_LIMIT=7",
		"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=1000", "OTEL_SPAN_EVENT_COUNT_LIMIT=0",
		"OTEL_SPAN_LINK_COUNT_LIMIT=2",		  "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT=3",
		"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT=4",	  NULL};
	struct environment environment;

	(void)state;
	assert_int_equal(read_all(&environment, envp), 0);
	assert_int_equal(environment.limits.attributes, 300);
	assert_int_equal(environment.limits.value_length, 1000);
	assert_int_equal(environment.limits.events, 0);
	assert_int_equal(environment.limits.links, 2);
	assert_int_equal(environment.limits.event_attributes, 3);
	assert_int_equal(environment.limits.link_attributes, 4);
	environment_fini(&environment);
}

static void rule_52_values_of_spans_have_a_length_of_their_own(void **state)
{
	const char *envp[] = {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=1000",
			      "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=5",
			      "OTEL_ATTRIBUTE_COUNT_LIMIT=7", NULL};
	struct environment environment;

	(void)state;
	assert_int_equal(read_all(&environment, envp), 0);
	assert_int_equal(environment.limits.value_length, 5);
	assert_int_equal(environment.limits.attributes, 7);
	environment_fini(&environment);
}

static void rule_52_a_limit_that_is_no_number_is_reported_and_ignored(void **state)
{
	const char *envp[] = {
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=-1", "OTEL_ATTRIBUTE_COUNT_LIMIT=9",
		"OTEL_SPAN_EVENT_COUNT_LIMIT=many",   "OTEL_SPAN_LINK_COUNT_LIMIT=4294967296",
		"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT=",  NULL};
	struct environment environment;

	(void)state;
	assert_int_equal(read_all(&environment, envp), 3);
	assert_int_equal(environment.limits.attributes, 9);
	assert_int_equal(environment.limits.events, 128);
	assert_int_equal(environment.limits.links, 128);
	assert_int_equal(environment.limits.event_attributes, 128);
	environment_fini(&environment);
}

static void propagators_are_named_by_the_environment(void **state)
{
	struct environment environment;

	(void)state;
	assert_int_equal(read_all(&environment, NULL), 0);
	assert_int_equal(environment.propagators, PROPAGATE_DEFAULT);
	environment_fini(&environment);
	assert_int_equal(read_one(&environment, "OTEL_PROPAGATORS=B3, b3multi,b3"), 0);
	assert_int_equal(environment.propagators, PROPAGATE_B3 | PROPAGATE_B3MULTI);
	environment_fini(&environment);
	assert_int_equal(read_one(&environment, "OTEL_PROPAGATORS=none"), 0);
	assert_int_equal(environment.propagators, 0);
	environment_fini(&environment);
	assert_int_equal(read_one(&environment, "OTEL_PROPAGATORS=jaeger,baggage"), 1);
	assert_int_equal(environment.propagators, PROPAGATE_BAGGAGE);
	environment_fini(&environment);
}

static void rule_48_a_parent_based_sampler_follows_the_parent(void **state)
{
	struct sampler on = {SAMPLER_ALWAYS_ON, true, 0}, off = {SAMPLER_ALWAYS_OFF, true, 0};
	struct sampler stubborn = {SAMPLER_ALWAYS_ON, false, 0};
	uint8_t id[16] = {1};

	(void)state;
	assert_true(sampler_decides(&on, id, false, false));
	assert_false(sampler_decides(&on, id, true, false));
	assert_false(sampler_decides(&off, id, false, false));
	assert_true(sampler_decides(&off, id, true, true));
	assert_true(sampler_decides(&stubborn, id, true, false));
}

static void rule_49_a_ratio_looks_at_the_rightmost_eight_bytes(void **state)
{
	struct sampler half = sampler_make_ratio(0.5, true);
	uint8_t low[16] = {0xff, [8] = 0x7f, [15] = 0xff}, high[16] = {0, [8] = 0x80};

	(void)state;
	assert_true(sampler_decides(&half, low, false, false));
	assert_false(sampler_decides(&half, high, false, false));
}

static void next_is(const uint8_t **at, const uint8_t *end, const char *key, const char *value)
{
	struct record_entry entry;

	assert_int_equal(record_entry_next(at, end, &entry), 1);
	assert_int_equal(entry.type, WIRE_STRING);
	assert_int_equal(entry.key_length, strlen(key));
	assert_memory_equal(entry.key, key, strlen(key));
	assert_int_equal(entry.value_length, strlen(value));
	assert_memory_equal(entry.value, value, strlen(value));
}

static void rule_64_resource_attributes_are_percent_decoded(void **state)
{
	struct environment environment;
	const uint8_t *at, *end;

	(void)state;
	assert_int_equal(read_one(&environment,
				  "OTEL_RESOURCE_ATTRIBUTES=service.version=1.2 , "
				  "a%2Cb=c%3Dd%20e,empty=,eq=x=y,caf%C3%A9=\xc3\xa9,"),
			 0);
	at = environment.resource_entries;
	end = at + environment.resource_entries_bytes;
	next_is(&at, end, "service.version", "1.2");
	next_is(&at, end, "a,b", "c=d e");
	next_is(&at, end, "empty", "");
	next_is(&at, end, "eq", "x=y");
	next_is(&at, end, "caf\xc3\xa9", "\xc3\xa9");
	assert_ptr_equal(at, end);
	environment_fini(&environment);
}

static void rule_64_any_error_discards_the_whole_variable(void **state)
{
	static const char *const bad[] = {
		"OTEL_RESOURCE_ATTRIBUTES=a=1,b",      "OTEL_RESOURCE_ATTRIBUTES=a=1,=2",
		"OTEL_RESOURCE_ATTRIBUTES=a=1,b=%2",   "OTEL_RESOURCE_ATTRIBUTES=a=1,b=%zz",
		"OTEL_RESOURCE_ATTRIBUTES=a=1,b=100%", "OTEL_RESOURCE_ATTRIBUTES=a=1,%=2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct environment environment;

		assert_int_equal(read_one(&environment, bad[i]), 1);
		assert_int_equal(environment.resource_entries_bytes, 0);
		environment_fini(&environment);
	}
}

static void the_densest_resource_fits_its_arena(void **state)
{
	static char string[100000] = "OTEL_RESOURCE_ATTRIBUTES=";
	size_t length = strlen(string);
	struct environment environment;

	(void)state;
	while (length + 3 < sizeof string) {
		memcpy(string + length, "k=,", 3);
		length += 3;
	}
	assert_int_equal(read_one(&environment, string), 0);
	assert_true(environment.resource_entries_bytes > 0);
	assert_true(environment.resource_entries + environment.resource_entries_bytes <=
		    (uint8_t *)environment.arena + environment.arena_bytes);
	environment_fini(&environment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_environment_gives_the_defaults),
		cmocka_unit_test(texts_are_copied),
		cmocka_unit_test(an_empty_value_is_no_value_and_the_first_of_a_name_counts),
		cmocka_unit_test(nothing_is_read_in_a_secure_program),
		cmocka_unit_test(the_standard_switch_beats_its_alias),
		cmocka_unit_test(ring_sizes_take_suffixes_and_have_bounds),
		cmocka_unit_test(a_wait_is_milliseconds),
		cmocka_unit_test(rule_65_detectors_are_named_by_a_list),
		cmocka_unit_test(log_and_clock_know_their_words),
		cmocka_unit_test(rule_48_samplers_are_named_by_the_environment),
		cmocka_unit_test(rule_52_limits_are_the_specifications),
		cmocka_unit_test(rule_52_the_spans_own_limit_beats_the_general_one),
		cmocka_unit_test(rule_52_values_of_spans_have_a_length_of_their_own),
		cmocka_unit_test(rule_52_a_limit_that_is_no_number_is_reported_and_ignored),
		cmocka_unit_test(propagators_are_named_by_the_environment),
		cmocka_unit_test(rule_48_a_parent_based_sampler_follows_the_parent),
		cmocka_unit_test(rule_49_a_ratio_looks_at_the_rightmost_eight_bytes),
		cmocka_unit_test(rule_64_resource_attributes_are_percent_decoded),
		cmocka_unit_test(rule_64_any_error_discards_the_whole_variable),
		cmocka_unit_test(the_densest_resource_fits_its_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
