#include "resource.h"

#include "resource_text.h"
#include "wire/record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define EXECUTABLE "test_resource"

struct built {
	uint8_t *entries;
	size_t bytes;
};

static struct built build(const struct resource_options *options)
{
	size_t size = resource_bytes_max(options);
	struct built built = {malloc(size), 0};
	int64_t r;

	assert_non_null(built.entries);
	errno = EXDEV;
	r = resource_build(options, built.entries, size);
	assert_true(r >= 0);
	assert_int_equal(errno, EXDEV);
	built.bytes = (size_t)r;
	return built;
}

/* How often the key is there; the last of them in *ret. */
static int lookup(const struct built *built, const char *key, struct record_entry *ret)
{
	const uint8_t *at = built->entries, *end = at + built->bytes;
	struct record_entry entry;
	int found = 0, r;

	while ((r = record_entry_next(&at, end, &entry)) > 0)
		if (entry.key_length == strlen(key) && !memcmp(entry.key, key, strlen(key))) {
			*ret = entry;
			found++;
		}
	assert_int_equal(r, 0);
	return found;
}

static void assert_text(const struct built *built, const char *key, const char *value)
{
	struct record_entry entry;

	if (lookup(built, key, &entry) != 1)
		fail_msg("%s is there %d times", key, lookup(built, key, &entry));
	assert_int_equal(entry.type, WIRE_STRING);
	assert_int_equal(entry.value_length, strlen(value));
	assert_memory_equal(entry.value, value, strlen(value));
}

static void assert_absent(const struct built *built, const char *key)
{
	struct record_entry entry;

	if (lookup(built, key, &entry))
		fail_msg("%s is there", key);
}

/* An environment that has only these resource attributes. */
static struct environment with_attributes(const char *text, uint8_t *storage)
{
	struct environment environment = {.resource_entries = storage};
	int64_t bytes = resource_text_decode(text, strlen(text), storage);

	assert_true(bytes >= 0);
	environment.resource_entries_bytes = (size_t)bytes;
	return environment;
}

static void a_process_that_says_nothing_is_still_described(void **state)
{
	struct resource_options options = {.detectors = ENVIRONMENT_DETECT_ALL};
	struct built built = build(&options);
	struct record_entry entry;
	char host[256];
	int64_t pid;

	(void)state;
	assert_text(&built, "service.name", "unknown_service:" EXECUTABLE);
	assert_text(&built, "unknown_service.module", EXECUTABLE);
	assert_text(&built, "process.executable.name", EXECUTABLE);
	assert_text(&built, "deployment.environment", "development");
	assert_text(&built, "deployment.environment.name", "development");
	assert_text(&built, "telemetry.sdk.name", "spanring");
	assert_text(&built, "telemetry.sdk.language", "c");
	assert_text(&built, "telemetry.sdk.version", SPANRING_VERSION);
	assert_int_equal(gethostname(host, sizeof host), 0);
	assert_text(&built, "host.name", host);
	assert_int_equal(lookup(&built, "service.instance.id", &entry), 1);
	assert_int_equal(entry.value_length, 36);
	assert_int_equal(entry.value[14], '4');
	assert_int_equal(lookup(&built, "process.pid", &entry), 1);
	assert_int_equal(entry.type, WIRE_INT);
	memcpy(&pid, entry.value, sizeof pid);
	assert_int_equal(pid, getpid());
	assert_absent(&built, "service.version");
	free(built.entries);
}

static void rule_64_the_service_name_has_an_order_of_precedence(void **state)
{
	uint8_t storage[256], given[256];
	struct environment environment = with_attributes("service.name=third", storage);
	struct resource_options options = {.environment = &environment};
	struct built built;

	(void)state;
	built = build(&options);
	assert_text(&built, "service.name", "third");
	assert_absent(&built, "third.module");
	free(built.entries);

	environment.service_name = "second";
	built = build(&options);
	assert_text(&built, "service.name", "second");
	free(built.entries);

	options.entries = given;
	options.entries_bytes = (size_t)resource_text_decode("service.name=listed", 19, given);
	built = build(&options);
	assert_text(&built, "service.name", "listed");
	free(built.entries);

	options.service_name = "first";
	built = build(&options);
	assert_text(&built, "service.name", "first");
	free(built.entries);
}

static void rule_64_every_key_is_there_once_and_the_last_of_a_list_counts(void **state)
{
	uint8_t storage[512];
	struct environment environment = with_attributes(
		"a=1,host.name=mine,a=2,process.pid=x,telemetry.sdk.name=y,a=3", storage);
	struct resource_options options = {
		.environment = &environment,
		.detectors = ENVIRONMENT_DETECT_ALL,
	};
	struct built built = build(&options);

	(void)state;
	assert_text(&built, "a", "3");
	assert_text(&built, "host.name", "mine");
	assert_text(&built, "process.pid", "x");
	assert_text(&built, "telemetry.sdk.name", "y");
	free(built.entries);
}

static void rule_65_what_is_said_replaces_what_is_found_even_with_nothing(void **state)
{
	uint8_t storage[128];
	struct environment environment =
		with_attributes("host.name=,process.executable.name=mine", storage);
	struct resource_options options = {
		.environment = &environment,
		.detectors = ENVIRONMENT_DETECT_ALL,
	};
	struct built built = build(&options);

	(void)state;
	assert_text(&built, "host.name", "");
	assert_text(&built, "process.executable.name", "mine");
	free(built.entries);
}

/* Under version 2 of control groups a process cannot be sure of its own. */
static void rule_67_a_container_has_the_id_that_is_said_or_none(void **state)
{
	uint8_t storage[128];
	struct environment environment = with_attributes("container.id=4f3c", storage);
	struct resource_options options = {.detectors = ENVIRONMENT_DETECT_ALL};
	struct built built = build(&options);

	(void)state;
	assert_absent(&built, "container.id");
	free(built.entries);
	options.environment = &environment;
	built = build(&options);
	assert_text(&built, "container.id", "4f3c");
	free(built.entries);
}

static void the_module_key_follows_the_service_and_can_be_chosen(void **state)
{
	struct resource_options options = {
		.service_name = "agento",
		.detectors = ENVIRONMENT_DETECT_ALL,
	};
	struct built built = build(&options);

	(void)state;
	assert_text(&built, "agento.module", EXECUTABLE);
	free(built.entries);

	options.module_name = "ingest_plan";
	built = build(&options);
	assert_text(&built, "agento.module", "ingest_plan");
	free(built.entries);

	options.module_key = "pipeline.step";
	built = build(&options);
	assert_text(&built, "pipeline.step", "ingest_plan");
	assert_absent(&built, "agento.module");
	free(built.entries);
}

static void rule_A17_both_names_of_the_deployment_say_the_same(void **state)
{
	uint8_t storage[128];
	struct environment environment =
		with_attributes("deployment.environment.name=staging", storage);
	struct resource_options options = {.environment = &environment};
	struct built built;

	(void)state;
	environment.deployment_environment = "production";
	built = build(&options);
	assert_text(&built, "deployment.environment", "staging");
	assert_text(&built, "deployment.environment.name", "staging");
	free(built.entries);

	environment.resource_entries_bytes = 0;
	built = build(&options);
	assert_text(&built, "deployment.environment", "production");
	assert_text(&built, "deployment.environment.name", "production");
	free(built.entries);

	options.deployment_environment = "test";
	built = build(&options);
	assert_text(&built, "deployment.environment", "test");
	free(built.entries);
}

static void rule_65_detectors_can_be_switched_off_one_by_one(void **state)
{
	struct resource_options options = {.service_name = "s", .detectors = 0};
	struct built built = build(&options);

	(void)state;
	assert_absent(&built, "host.name");
	assert_absent(&built, "process.pid");
	assert_absent(&built, "service.instance.id");
	assert_absent(&built, "s.module");
	assert_text(&built, "telemetry.sdk.name", "spanring");
	free(built.entries);
}

static void a_resource_given_whole_is_taken_as_it_is(void **state)
{
	uint8_t given[256];
	int64_t bytes = resource_text_decode("z=1,a=2,z=3", 11, given);
	struct resource_options options = {
		.service_name = "ignored",
		.entries = given,
		.entries_bytes = (size_t)bytes,
		.detectors = ENVIRONMENT_DETECT_ALL,
		.exact = true,
	};
	struct built built = build(&options);

	(void)state;
	assert_int_equal(built.bytes, bytes);
	assert_memory_equal(built.entries, given, built.bytes);
	free(built.entries);
}

static void a_resource_may_be_empty(void **state)
{
	struct resource_options options = {.detectors = ENVIRONMENT_DETECT_ALL, .exact = true};
	struct built built = build(&options);

	(void)state;
	assert_int_equal(built.bytes, 0);
	free(built.entries);
}

static void a_forked_child_has_another_instance_and_pid(void **state)
{
	struct resource_options options = {.detectors = ENVIRONMENT_DETECT_ALL};
	struct built parent = build(&options);
	struct record_entry ours, childs;
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		struct built built = build(&options);

		(void)lookup(&built, "service.instance.id", &childs);
		(void)lookup(&parent, "service.instance.id", &ours);
		if (!memcmp(childs.value, ours.value, 36))
			_exit(1);
		(void)lookup(&built, "process.pid", &childs);
		(void)lookup(&parent, "process.pid", &ours);
		_exit(memcmp(childs.value, ours.value, 8) ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	free(parent.entries);
}

static void a_buffer_too_small_is_refused_at_every_size(void **state)
{
	struct resource_options options = {
		.service_name = "agento",
		.detectors = ENVIRONMENT_DETECT_ALL,
	};
	struct built built = build(&options);

	(void)state;
	for (size_t size = 0; size < built.bytes; size++) {
		uint8_t *small = malloc(size + 1);

		assert_int_equal(resource_build(&options, small, size), -ENOBUFS);
		free(small);
	}
	free(built.entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_that_says_nothing_is_still_described),
		cmocka_unit_test(rule_64_the_service_name_has_an_order_of_precedence),
		cmocka_unit_test(rule_64_every_key_is_there_once_and_the_last_of_a_list_counts),
		cmocka_unit_test(rule_65_what_is_said_replaces_what_is_found_even_with_nothing),
		cmocka_unit_test(rule_67_a_container_has_the_id_that_is_said_or_none),
		cmocka_unit_test(the_module_key_follows_the_service_and_can_be_chosen),
		cmocka_unit_test(rule_A17_both_names_of_the_deployment_say_the_same),
		cmocka_unit_test(rule_65_detectors_can_be_switched_off_one_by_one),
		cmocka_unit_test(a_resource_given_whole_is_taken_as_it_is),
		cmocka_unit_test(a_resource_may_be_empty),
		cmocka_unit_test(a_forked_child_has_another_instance_and_pid),
		cmocka_unit_test(a_buffer_too_small_is_refused_at_every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
