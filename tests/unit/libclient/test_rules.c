/* What the specification asks of a tracer, where no other test is about it. */
#include "client_fixture.h"
#include "spanring/propagation.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "00-" TRACE "-b7ad6b7169203331-01"
#define RANDOM_PARENT "00-" TRACE "-b7ad6b7169203331-03"

static struct record_start start_of(const struct ring_view *view, const char *name)
{
	const struct ring_record *found = ring_view_start(view, name);

	assert_non_null(found);
	return record_get_start(found->bytes);
}

static bool text_is(struct record_text text, const char *expected)
{
	return text.length == strlen(expected) && memcmp(text.at, expected, text.length) == 0;
}

static size_t count(struct client_fixture *fixture, enum wire_record_type type)
{
	struct ring_view view;
	size_t found;

	client_fixture_read(fixture, &view);
	found = ring_view_count(&view, type);
	ring_view_close(&view);
	return found;
}

/* ---- ids and flags --------------------------------------------------------- */

static void rule_43_flags_say_whether_parent_and_link_are_remote(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_context far, near;
	struct spanring_link links[] = {{&far, NULL, 0}, {&near, NULL, 0}};
	struct spanring_span root, child, remote;
	struct ring_view view;

	assert_int_equal(spanring_context_parse(PARENT, NULL, &far), 0);
	client_fixture_init(fixture, 0);
	spanring_start(&root, "root", NULL);
	assert_int_equal(spanring_span_context(&root, &near), 0);
	spanring_start_with(&child, "child", .parent = &root, .links = links, .link_count = 2);
	spanring_start_with(&remote, "remote", .remote_parent = &far);
	client_fixture_read(fixture, &view);
	assert_int_equal(start_of(&view, "root").fixed.trace_flags, 0x103);
	assert_int_equal(start_of(&view, "child").fixed.trace_flags, 0x103);
	assert_int_equal(start_of(&view, "remote").fixed.trace_flags, 0x301);
	assert_int_equal(
		record_get_link(ring_view_nth(&view, WIRE_LINK, 0)->bytes).fixed.trace_flags,
		0x301);
	assert_int_equal(
		record_get_link(ring_view_nth(&view, WIRE_LINK, 1)->bytes).fixed.trace_flags,
		0x103);
	ring_view_close(&view);
}

static void rule_51_only_a_trace_id_of_our_own_is_called_random(void **state)
{
	static const uint8_t given[16] = {1, 2, 3};
	struct client_fixture *fixture = *state;
	struct spanring_context plain, random;
	struct spanring_span span;

	assert_int_equal(spanring_context_parse(PARENT, NULL, &plain), 0);
	assert_int_equal(spanring_context_parse(RANDOM_PARENT, NULL, &random), 0);
	client_fixture_init(fixture, 0);
	spanring_start_with(&span, "ours", .root = true);
	assert_int_equal(span.trace_flags, 3);
	spanring_start_with(&span, "given", .root = true, .trace_id = given);
	assert_int_equal(span.trace_flags, 1);
	spanring_start_with(&span, "below one that is not", .remote_parent = &plain);
	assert_int_equal(span.trace_flags, 1);
	spanring_start_with(&span, "below one that is", .remote_parent = &random);
	assert_int_equal(span.trace_flags, 3);
}

static void rule_58_a_context_is_valid_with_both_ids(void **state)
{
	struct spanring_context context, without;

	(void)state;
	assert_int_equal(spanring_context_parse(PARENT, NULL, &context), 0);
	assert_true(spanring_context_is_valid(&context));
	without = context;
	memset(without.trace_id, 0, sizeof without.trace_id);
	assert_false(spanring_context_is_valid(&without));
	without = context;
	memset(without.span_id, 0, sizeof without.span_id);
	assert_false(spanring_context_is_valid(&without));
	without.span_id[7] = 1;
	assert_true(spanring_context_is_valid(&without));
}

static void rule_58_only_an_extracted_context_is_remote(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_context far, seen;
	struct spanring_span handle, child;

	assert_int_equal(spanring_context_parse(PARENT, NULL, &far), 0);
	assert_true(far.is_remote);
	client_fixture_init(fixture, 0);
	assert_int_equal(spanring_span_from_context(&handle, &far), 0);
	assert_int_equal(spanring_span_context(&handle, &seen), 0);
	assert_true(seen.is_remote);
	spanring_start_with(&child, "child", .remote_parent = &far);
	assert_int_equal(spanring_span_context(&child, &seen), 0);
	assert_false(seen.is_remote);
}

static void rule_50_the_list_of_opentelemetry_is_passed_on_untouched(void **state)
{
	static const char text[] = "vendor=1,ot=th:c;rv:0123456789abcd,last=2";
	struct client_fixture *fixture = *state;
	struct spanring_context far, seen;
	struct spanring_span child;
	struct ring_view view;

	assert_int_equal(spanring_context_parse(RANDOM_PARENT, text, &far), 0);
	client_fixture_init(fixture, 0);
	spanring_start_with(&child, "child", .remote_parent = &far);
	assert_int_equal(spanring_span_context(&child, &seen), 0);
	assert_string_equal(seen.tracestate, text);
	client_fixture_read(fixture, &view);
	assert_true(text_is(start_of(&view, "child").tracestate, text));
	ring_view_close(&view);
}

/* ---- a span's life --------------------------------------------------------- */

static void a_root_has_no_parent_although_one_is_current(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span current, root;
	struct ring_view view;

	client_fixture_init(fixture, 0);
	spanring_enter(&current, "current", NULL);
	spanring_start_with(&root, "root", .root = true);
	assert_memory_not_equal(root.trace_id, current.trace_id, 16);
	client_fixture_read(fixture, &view);
	assert_memory_equal(start_of(&view, "root").fixed.parent_span_id, "\0\0\0\0\0\0\0\0",
			    8);
	ring_view_close(&view);
	spanring_end(&current);
}

static void rule_53_after_the_end_nothing_is_recorded_and_children_go_on(void **state)
{
	struct spanring_context far;
	struct spanring_link link = {&far, NULL, 0};
	struct client_fixture *fixture = *state;
	struct spanring_span parent, child;
	struct ring_view view;

	assert_int_equal(spanring_context_parse(PARENT, NULL, &far), 0);
	client_fixture_init(fixture, 0);
	spanring_start(&parent, "parent", NULL);
	spanring_start_with(&child, "child", .parent = &parent);
	assert_true(spanring_is_recording(&parent));
	assert_int_equal(spanring_end(&parent), 0);
	assert_false(spanring_is_recording(&parent));
	assert_int_equal(spanring_set_string(&parent, "k", "v"), 0);
	assert_int_equal(spanring_add_event(&parent, "e", NULL, 0), 0);
	assert_int_equal(spanring_add_link(&parent, &link), 0);
	assert_int_equal(spanring_set_status(&parent, SPANRING_STATUS_OK, NULL), 0);
	assert_int_equal(spanring_update_name(&parent, "other"), 0);
	assert_int_equal(spanring_record_exception(&parent, "E", NULL, NULL), 0);
	assert_int_equal(spanring_end_at(&parent, 1), 0);
	assert_true(spanring_is_recording(&child));
	assert_int_equal(spanring_set_string(&child, "k", "v"), 0);
	assert_int_equal(spanring_end(&child), 0);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), 1);
	assert_int_equal(ring_view_count(&view, WIRE_EVENT), 0);
	assert_int_equal(ring_view_count(&view, WIRE_LINK), 0);
	assert_int_equal(ring_view_count(&view, WIRE_STATUS), 0);
	assert_int_equal(ring_view_count(&view, WIRE_NAME), 0);
	assert_int_equal(ring_view_count(&view, WIRE_END), 2);
	ring_view_close(&view);
}

static void a_status_has_one_of_three_codes(void **state)
{
	static const enum spanring_status codes[] = {SPANRING_STATUS_UNSET, SPANRING_STATUS_OK,
						     SPANRING_STATUS_ERROR};
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	struct ring_view view;

	client_fixture_init(fixture, 0);
	spanring_start(&span, "span", NULL);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(spanring_set_status(&span, codes[i], "why"), 0);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_STATUS), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(record_head(ring_view_nth(&view, WIRE_STATUS, i)->bytes).aux,
				 codes[i]);
	assert_true(
		text_is(record_get_text(ring_view_nth(&view, WIRE_STATUS, 2)->bytes), "why"));
	ring_view_close(&view);
}

static void links_and_events_stand_in_the_order_of_the_calls(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_context far[3];
	struct spanring_link links[3];
	struct spanring_span span;
	struct ring_view view;
	char name[] = "e0";

	client_fixture_init(fixture, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(spanring_context_parse(PARENT, NULL, &far[i]), 0);
		far[i].span_id[7] = (uint8_t)i;
		links[i] = (struct spanring_link){&far[i], NULL, 0};
	}
	spanring_start_with(&span, "span", .links = links, .link_count = 2);
	assert_int_equal(spanring_add_link(&span, &links[2]), 0);
	for (int i = 0; i < 3; i++) {
		name[1] = (char)('0' + i);
		assert_int_equal(spanring_add_event(&span, name, NULL, 0), 0);
	}
	client_fixture_read(fixture, &view);
	for (size_t i = 0; i < 3; i++) {
		name[1] = (char)('0' + (int)i);
		assert_int_equal(record_get_link(ring_view_nth(&view, WIRE_LINK, i)->bytes)
					 .fixed.linked_span_id[7],
				 i);
		assert_true(text_is(
			record_get_event(ring_view_nth(&view, WIRE_EVENT, i)->bytes).name,
			name));
	}
	ring_view_close(&view);
}

static void keys_and_values_may_be_any_unicode(void **state)
{
	static const char text[] = "\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x9c\x9a";
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	struct record_text seen;
	struct ring_view view;

	client_fixture_init(fixture, 0);
	spanring_start(&span, text, NULL);
	assert_int_equal(spanring_set_string(&span, text, text), 0);
	client_fixture_read(fixture, &view);
	assert_true(text_is(start_of(&view, text).name, text));
	seen = ring_view_text(&view, span.span_id, text);
	assert_true(text_is(seen, text));
	ring_view_close(&view);
}

static void a_scope_has_a_version_attributes_and_a_schema_url(void **state)
{
	struct spanring_attribute attribute = spanring_string("k", "v");
	struct client_fixture *fixture = *state;
	struct record_scope scope;
	struct spanring_span span;
	struct ring_view view;
	int number;

	client_fixture_init(fixture, 0);
	number = spanring_scope_new_with("lib", "1.2", "https://schema", &attribute, 1);
	assert_true(number > 0);
	spanring_start_with(&span, "span", .scope = (uint32_t)number);
	client_fixture_read(fixture, &view);
	scope = record_get_scope(
		ring_view_nth(&view, WIRE_SCOPE, ring_view_count(&view, WIRE_SCOPE) - 1)
			->bytes);
	assert_int_equal(scope.fixed.number, number);
	assert_true(text_is(scope.name, "lib"));
	assert_true(text_is(scope.version, "1.2"));
	assert_true(text_is(scope.schema_url, "https://schema"));
	assert_true(scope.entries.length > 0);
	assert_int_equal(start_of(&view, "span").fixed.scope, number);
	ring_view_close(&view);
}

/* ---- contexts, threads ------------------------------------------------------ */

static void what_is_attached_is_current_until_it_is_detached(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span first, second, current;

	client_fixture_init(fixture, 0);
	assert_int_equal(spanring_current(&current), -ENOENT);
	spanring_start(&first, "first", NULL);
	spanring_start(&second, "second", NULL);
	assert_int_equal(spanring_current(&current), -ENOENT);
	assert_int_equal(spanring_attach(&first), 0);
	assert_int_equal(spanring_current(&current), 0);
	assert_memory_equal(current.span_id, first.span_id, 8);
	assert_int_equal(spanring_attach(&second), 0);
	assert_int_equal(spanring_current(&current), 0);
	assert_memory_equal(current.span_id, second.span_id, 8);
	assert_int_equal(spanring_detach(&second), 0);
	assert_int_equal(spanring_current(&current), 0);
	assert_memory_equal(current.span_id, first.span_id, 8);
	assert_int_equal(spanring_detach(&first), 0);
	assert_int_equal(spanring_current(&current), -ENOENT);
}

#define THREADS 4
#define ROUNDS 500

static void *write_of(void *argument)
{
	struct spanring_span shared = *(struct spanring_span *)argument, own;
	char name[] = "scope0";

	for (int i = 0; i < ROUNDS; i++) {
		name[5] = (char)('0' + i % 8);
		if (spanring_start(&own, "own", NULL) || spanring_set_int(&own, "i", i) ||
		    spanring_end(&own) || spanring_set_int(&shared, "i", i) ||
		    spanring_add_event(&shared, "e", NULL, 0) ||
		    spanring_scope_new(name, NULL) <= 0)
			return argument;
	}
	return NULL;
}

static void many_threads_write_spans_of_their_own_and_of_one_another(void **state)
{
	struct client_fixture *fixture = *state;
	pthread_t threads[THREADS];
	struct spanring_span shared;
	size_t scopes;
	void *failed;

	client_fixture_init(fixture, 16 << 20);
	scopes = count(fixture, WIRE_SCOPE); /* of the tests before */
	spanring_start(&shared, "shared", NULL);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_of, &shared), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(spanring_end(&shared), 0);
	assert_int_equal(count(fixture, WIRE_START), 1 + THREADS * ROUNDS);
	assert_int_equal(count(fixture, WIRE_END), 1 + THREADS * ROUNDS);
	assert_int_equal(count(fixture, WIRE_ATTRIBUTE), 2 * THREADS * ROUNDS);
	assert_int_equal(count(fixture, WIRE_EVENT), THREADS * ROUNDS);
	assert_int_equal(count(fixture, WIRE_SCOPE), scopes + 8);
}

/* ---- the environment --------------------------------------------------------- */

struct variables {
	const char *pairs[8]; /* name, value, ..., NULL */
	void (*then)(void);
};

/* In a child, for the library reads them once in a process's life. */
static void with_variables(void *argument)
{
	const struct variables *variables = argument;
	struct spanring_options options = SPANRING_OPTIONS_INIT;

	for (const char *const *pair = variables->pairs; *pair; pair += 2)
		(void)setenv(pair[0], pair[1], 1);
	(void)spanring_init(&options);
	variables->then();
}

static void is_off(void)
{
	struct spanring_report report = SPANRING_REPORT_INIT;
	struct spanring_span span;

	if (spanring_state(&report) || report.reason != SPANRING_REASON_DISABLED ||
	    spanring_start(&span, "x", NULL) || spanring_is_recording(&span))
		exit(1);
}

static void is_sampled_by_none(void)
{
	struct spanring_span span;

	if (!spanring_state(NULL) || spanring_start(&span, "x", NULL) ||
	    spanring_is_recording(&span))
		exit(1);
}

static void speaks_b3(void)
{
	char head[SPANRING_HEADERS_SIZE];
	struct spanring_span span;

	if (spanring_start(&span, "x", NULL) ||
	    spanring_inject_headers(&span, head, sizeof head) <= 0 ||
	    strncmp(head, "b3: ", 4) != 0 || strstr(head, "traceparent"))
		exit(1);
}

static void obeys(struct client_fixture *fixture, struct variables variables)
{
	const char **end = variables.pairs;

	while (*end)
		end += 2;
	end[0] = "SPANRING_DIR";
	end[1] = fixture->directory;
	assert_int_equal(client_fixture_fork(with_variables, &variables), 0);
}

static void a_process_obeys_the_variables_of_opentelemetry(void **state)
{
	struct client_fixture *fixture = *state;

	obeys(fixture, (struct variables){{"OTEL_SDK_DISABLED", "true"}, is_off});
	obeys(fixture,
	      (struct variables){{"OTEL_TRACES_SAMPLER", "always_off"}, is_sampled_by_none});
	obeys(fixture, (struct variables){{"OTEL_TRACES_SAMPLER", "traceidratio",
					   "OTEL_TRACES_SAMPLER_ARG", "0"},
					  is_sampled_by_none});
	obeys(fixture, (struct variables){{"OTEL_PROPAGATORS", "b3"}, speaks_b3});
}

#define IN_DIRECTORY(test) \
	cmocka_unit_test_setup_teardown(test, client_fixture_setup, client_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(rule_43_flags_say_whether_parent_and_link_are_remote),
		IN_DIRECTORY(rule_51_only_a_trace_id_of_our_own_is_called_random),
		cmocka_unit_test(rule_58_a_context_is_valid_with_both_ids),
		IN_DIRECTORY(rule_58_only_an_extracted_context_is_remote),
		IN_DIRECTORY(rule_50_the_list_of_opentelemetry_is_passed_on_untouched),
		IN_DIRECTORY(a_root_has_no_parent_although_one_is_current),
		IN_DIRECTORY(rule_53_after_the_end_nothing_is_recorded_and_children_go_on),
		IN_DIRECTORY(a_status_has_one_of_three_codes),
		IN_DIRECTORY(links_and_events_stand_in_the_order_of_the_calls),
		IN_DIRECTORY(keys_and_values_may_be_any_unicode),
		IN_DIRECTORY(a_scope_has_a_version_attributes_and_a_schema_url),
		IN_DIRECTORY(what_is_attached_is_current_until_it_is_detached),
		IN_DIRECTORY(many_threads_write_spans_of_their_own_and_of_one_another),
		IN_DIRECTORY(a_process_obeys_the_variables_of_opentelemetry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
