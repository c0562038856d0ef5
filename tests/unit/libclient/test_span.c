/* What calls on spans leave in the ring. */
#include "client_fixture.h"
#include "span_limits.h"
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/time.h>

#include <cmocka.h>

static const uint8_t *record(const struct ring_view *view, enum wire_record_type type, size_t n)
{
	const struct ring_record *found = ring_view_nth(view, type, n);

	assert_non_null(found);
	return found->bytes;
}

static bool text_is(struct record_text text, const char *expected)
{
	return text.length == strlen(expected) && memcmp(text.at, expected, text.length) == 0;
}

static struct record_entry entry_at(struct record_text entries, size_t n)
{
	const uint8_t *at = entries.at;
	struct record_entry entry = {0};

	for (size_t i = 0; i <= n; i++)
		assert_int_equal(record_entry_next(&at, entries.at + entries.length, &entry),
				 1);
	return entry;
}

static bool entry_is(struct record_entry entry, const char *key, const char *value)
{
	return entry.type == WIRE_STRING && entry.key_length == strlen(key) &&
	       memcmp(entry.key, key, entry.key_length) == 0 &&
	       entry.value_length == strlen(value) &&
	       memcmp(entry.value, value, entry.value_length) == 0;
}

static struct record_start start_of(const struct ring_view *view, size_t n)
{
	return record_get_start(record(view, WIRE_START, n));
}

/* ---- start ----------------------------------------------------------------- */

static void a_start_says_all_it_was_told(void **state)
{
	static const uint8_t trace_id[16] = {1, 2, 3}, span_id[8] = {9, 8};
	struct spanring_start_options options = SPANRING_START_OPTIONS_INIT;
	struct client_fixture *fixture = *state;
	struct spanring_context linked;
	struct spanring_attribute attributes[] = {spanring_string("a", "b"),
						  spanring_int("n", -7)};
	struct spanring_link link = {&linked, attributes, 1};
	struct spanring_span span;
	struct record_start start;
	struct record_link seen;
	struct ring_view view;
	int scope;

	assert_int_equal(spanring_context_parse(
				 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
				 "x=y", &linked),
			 0);
	scope = spanring_scope_new("agento", "1.2");
	assert_true(scope > 0);
	client_fixture_init(fixture, 1 << 20);
	options.kind = SPANRING_KIND_CLIENT;
	options.root = true;
	options.trace_id = trace_id;
	options.span_id = span_id;
	options.time_unix_ns = 1752883515336810000;
	options.scope = (uint32_t)scope;
	options.attributes = attributes;
	options.attribute_count = 2;
	options.links = &link;
	options.link_count = 1;
	assert_int_equal(spanring_start(&span, "named", &options), 0);
	assert_int_equal(spanring_end_at(&span, 1752883528424715000), 0);
	client_fixture_read(fixture, &view);
	start = start_of(&view, 0);
	assert_true(text_is(start.name, "named"));
	assert_memory_equal(start.fixed.trace_id, trace_id, 16);
	assert_memory_equal(start.fixed.span_id, span_id, 8);
	assert_int_equal(start.fixed.head.aux, SPANRING_KIND_CLIENT);
	assert_int_equal(start.fixed.head.flags, WIRE_TIME_WALL);
	assert_true(start.fixed.ticks == 1752883515336810000);
	assert_int_equal(start.fixed.scope, scope);
	assert_int_equal(start.fixed.trace_flags, 0x101);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), 2);
	seen = record_get_link(record(&view, WIRE_LINK, 0));
	assert_memory_equal(seen.fixed.linked_trace_id, linked.trace_id, 16);
	assert_memory_equal(seen.fixed.linked_span_id, linked.span_id, 8);
	assert_int_equal(seen.fixed.trace_flags, 0x301);
	assert_true(text_is(seen.tracestate, "x=y"));
	assert_true(entry_is(entry_at(seen.entries, 0), "a", "b"));
	assert_true(record_get_end(record(&view, WIRE_END, 0)).ticks == 1752883528424715000);
	assert_int_equal(record_head(record(&view, WIRE_END, 0)).flags, WIRE_TIME_WALL);
	ring_view_close(&view);
}

static void a_parent_is_the_first_that_was_given(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_context remote;
	struct spanring_span root, current, by_handle, by_context, fresh, by_current;
	struct ring_view view;

	spanring_context_parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03",
			       "vendor=1", &remote);
	client_fixture_init(fixture, 1 << 20);
	spanring_start(&root, "root", NULL);
	spanring_enter(&current, "current", NULL);
	spanring_start_with(&by_handle, "by_handle", .parent = &root);
	spanring_start_with(&by_context, "by_context", .remote_parent = &remote);
	spanring_start_with(&fresh, "fresh", .root = true, .parent = &root);
	spanring_start(&by_current, "by_current", NULL);
	client_fixture_read(fixture, &view);
	assert_memory_equal(start_of(&view, 2).fixed.parent_span_id, root.span_id, 8);
	assert_memory_equal(start_of(&view, 2).fixed.trace_id, root.trace_id, 16);
	assert_memory_equal(start_of(&view, 3).fixed.parent_span_id, remote.span_id, 8);
	assert_int_equal(start_of(&view, 3).fixed.trace_flags, 0x303);
	assert_true(text_is(start_of(&view, 3).tracestate, "vendor=1"));
	assert_memory_equal(start_of(&view, 4).fixed.parent_span_id, "\0\0\0\0\0\0\0\0", 8);
	assert_memory_not_equal(fresh.trace_id, root.trace_id, 16);
	assert_memory_equal(start_of(&view, 5).fixed.parent_span_id, current.span_id, 8);
	assert_int_equal(start_of(&view, 5).fixed.trace_flags, 0x103);
	ring_view_close(&view);
	spanring_end(&current);
}

static void a_tracestate_reaches_the_grandchildren(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_context remote, seen;
	struct spanring_span child, grandchild;
	struct ring_view view;

	spanring_context_parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			       "a=1,b=2", &remote);
	client_fixture_init(fixture, 1 << 20);
	spanring_start_with(&child, "child", .remote_parent = &remote);
	spanring_attach(&child);
	spanring_start(&grandchild, "grandchild", NULL);
	assert_int_equal(spanring_span_context(&grandchild, &seen), 0);
	assert_string_equal(seen.tracestate, "a=1,b=2");
	assert_false(seen.is_remote);
	client_fixture_read(fixture, &view);
	assert_true(text_is(start_of(&view, 1).tracestate, "a=1,b=2"));
	ring_view_close(&view);
	spanring_end(&child);
}

static void
rules_46_and_47_what_is_not_sampled_writes_nothing_but_passes_its_context_on(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_context remote, seen;
	struct spanring_span span, child;
	struct ring_view view;

	spanring_context_parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", NULL,
			       &remote);
	client_fixture_init(fixture, 1 << 20);
	assert_int_equal(spanring_start_with(&span, "span", .remote_parent = &remote), 0);
	assert_false(spanring_is_recording(&span));
	assert_int_equal(spanring_start_with(&child, "child", .parent = &span), 0);
	assert_false(spanring_is_recording(&child));
	assert_int_equal(spanring_span_context(&child, &seen), 0);
	assert_memory_equal(seen.trace_id, remote.trace_id, 16);
	assert_memory_not_equal(seen.span_id, remote.span_id, 8);
	assert_int_equal(seen.trace_flags & 1, 0);
	spanring_end(&child);
	spanring_end(&span);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_START), 0);
	ring_view_close(&view);
}

static void rule_57_bad_arguments_are_refused_and_counted(void **state)
{
	static const uint8_t zero[16];
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	char *name = calloc(1, 70001);
	struct spanring_span span;

	memset(name, 'x', 70000);
	client_fixture_init(fixture, 1 << 20);
	assert_int_equal(spanring_start(&span, NULL, NULL), -EINVAL);
	assert_int_equal(spanring_start(&span, name, NULL), -EINVAL);
	assert_int_equal(spanring_start_with(&span, "x", .span_id = zero), -EINVAL);
	assert_int_equal(spanring_start_with(&span, "x", .kind = (enum spanring_kind)9),
			 -EINVAL);
	assert_int_equal(spanring_start_with(&span, "x", .attribute_count = 1), -EINVAL);
	assert_int_equal(spanring_start(&span, "", NULL), 0);
	assert_int_equal(spanring_set_attributes(&span, NULL, 1), -EINVAL);
	assert_int_equal(spanring_add_event(&span, "e", NULL, 1), -EINVAL);
	assert_int_equal(spanring_add_link(&span, NULL), -EINVAL);
	assert_int_equal(spanring_set_string(&span, NULL, "v"), -EINVAL);
	assert_int_equal(spanring_set_string(&span, "", "v"), -EINVAL);
	assert_int_equal(spanring_set_string(&span, "k", NULL), -EINVAL);
	assert_int_equal(spanring_set_string(&span, name, "v"), -EINVAL);
	assert_int_equal(spanring_add_event(&span, NULL, NULL, 0), -EINVAL);
	assert_int_equal(spanring_set_status(&span, (enum spanring_status)3, NULL), -EINVAL);
	assert_int_equal(spanring_update_name(&span, NULL), -EINVAL);
	spanring_state(&asked);
	assert_int_equal(asked.refused_invalid, 15);
	free(name);
}

/* ---- values ---------------------------------------------------------------- */

static void every_type_of_attribute_is_written_as_it_was_given(void **state)
{
	static const char *const strings[] = {"a", NULL, "ccc"};
	static const bool bools[] = {true, false};
	static const int64_t ints[] = {INT64_MIN, 5};
	static const double reals[] = {0.1};
	struct client_fixture *fixture = *state;
	struct spanring_attribute inner[] = {spanring_int("one", 1),
					     spanring_string("two", "2")};
	struct spanring_attribute all[] = {
		spanring_string_n("string", "a\0b", 3), spanring_bool("bool", true),
		spanring_int("int", INT64_MIN),		spanring_double("double", -0.0),
		spanring_bytes("bytes", "\xff\0", 2),	spanring_strings("strings", strings, 3),
		spanring_bools("bools", bools, 2),	spanring_ints("ints", ints, 2),
		spanring_doubles("doubles", reals, 1),	spanring_map("map", inner, 2),
		spanring_values("values", inner, 2),	spanring_strings("none", NULL, 0),
		spanring_bytes("empty", NULL, 0),
	};
	static const enum wire_value_type types[] = {
		WIRE_STRING, WIRE_BOOL,	 WIRE_INT,   WIRE_DOUBLE, WIRE_BYTES,
		WIRE_ARRAY,  WIRE_ARRAY, WIRE_ARRAY, WIRE_ARRAY,  WIRE_MAP,
		WIRE_ARRAY,  WIRE_ARRAY, WIRE_BYTES};
	size_t count = sizeof all / sizeof all[0];
	struct record_entry entry;
	struct spanring_span span;
	struct ring_view view;

	client_fixture_init(fixture, 1 << 20);
	spanring_start(&span, "span", NULL);
	assert_int_equal(spanring_set_attributes(&span, all, count), 0);
	assert_int_equal(spanring_add_event_at(&span, "event", 77, all, count), 0);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), count);
	for (size_t i = 0; i < count; i++) {
		struct record_event event = record_get_event(record(&view, WIRE_EVENT, 0));
		struct record_entry in_event = entry_at(event.entries, i);

		entry = record_get_attribute(record(&view, WIRE_ATTRIBUTE, i)).entry;
		assert_int_equal(entry.type, types[i]);
		assert_int_equal(entry.key_length, all[i].key_length);
		assert_memory_equal(entry.key, all[i].key, entry.key_length);
		assert_int_equal(in_event.type, types[i]);
		assert_int_equal(in_event.value_length, entry.value_length);
		if (entry.value_length)
			assert_memory_equal(in_event.value, entry.value, entry.value_length);
	}
	entry = record_get_attribute(record(&view, WIRE_ATTRIBUTE, 5)).entry;
	assert_true(entry_is(entry_at((struct record_text){entry.value, entry.value_length}, 2),
			     "", "ccc"));
	assert_int_equal(
		entry_at((struct record_text){entry.value, entry.value_length}, 1).type,
		WIRE_EMPTY);
	entry = record_get_attribute(record(&view, WIRE_ATTRIBUTE, 9)).entry;
	assert_true(entry_is(entry_at((struct record_text){entry.value, entry.value_length}, 1),
			     "two", "2"));
	ring_view_close(&view);
}

static void values_nest_to_the_limit_and_no_deeper(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_attribute nested[64];
	struct spanring_span span;
	struct ring_view view;

	nested[0] = spanring_string("leaf", "x");
	for (int i = 1; i < 64; i++)
		nested[i] = i % 2 ? spanring_map("m", &nested[i - 1], 1)
				  : spanring_values("v", &nested[i - 1], 1);
	client_fixture_init(fixture, 1 << 20);
	spanring_start(&span, "span", NULL);
	assert_int_equal(spanring_set_attribute(&span, &nested[60]), 0);
	assert_int_equal(spanring_add_event(&span, "event", &nested[60], 1), 0);
	assert_int_equal(spanring_set_attribute(&span, &nested[61]), -EINVAL);
	spanring_end(&span);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), 1);
	ring_view_close(&view);
}

static void rule_55_an_exception_is_an_event_an_attribute_and_a_status(void **state)
{
	struct client_fixture *fixture = *state;
	struct record_event event;
	struct spanring_span span;
	struct ring_view view;

	client_fixture_init(fixture, 1 << 20);
	spanring_start(&span, "span", NULL);
	assert_int_equal(spanring_record_exception(&span, "TimeoutError", "too slow", "at f()"),
			 0);
	assert_int_equal(spanring_update_name(&span, "renamed"), 0);
	spanring_end(&span);
	client_fixture_read(fixture, &view);
	event = record_get_event(record(&view, WIRE_EVENT, 0));
	assert_true(text_is(event.name, "exception"));
	assert_true(entry_is(entry_at(event.entries, 0), "exception.type", "TimeoutError"));
	assert_true(entry_is(entry_at(event.entries, 1), "exception.message", "too slow"));
	assert_true(entry_is(entry_at(event.entries, 2), "exception.stacktrace", "at f()"));
	assert_true(entry_is(record_get_attribute(record(&view, WIRE_ATTRIBUTE, 0)).entry,
			     "error.type", "TimeoutError"));
	assert_int_equal(record_head(record(&view, WIRE_STATUS, 0)).aux, SPANRING_STATUS_ERROR);
	assert_true(text_is(record_get_text(record(&view, WIRE_STATUS, 0)), "too slow"));
	assert_true(text_is(record_get_text(record(&view, WIRE_NAME, 0)), "renamed"));
	ring_view_close(&view);
}

/* ---- current --------------------------------------------------------------- */

static void rule_52_values_are_cut_by_characters_wherever_they_stand(void **state)
{
	const char *texts[] = {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "ab", NULL};
	struct spanring_attribute inner = spanring_string("k", "12345");
	struct spanring_attribute many[] = {
		spanring_strings("texts", texts, 3),
		spanring_map("map", &inner, 1),
		spanring_bytes("bytes", "\0\1\2\3", 4),
		spanring_int("int", 123456),
	};
	struct client_fixture *fixture = *state;
	struct record_entry entry;
	struct record_text list;
	struct spanring_span span;
	struct ring_view view;

	client_fixture_init(fixture, 0);
	client_limits.value_length = 3; /* until the next init */
	assert_int_equal(spanring_start(&span, "op", NULL), 0);
	assert_int_equal(spanring_set_string(&span, "short", "abc"), 0);
	assert_int_equal(spanring_set_string(&span, "long", "abcd"), 0);
	/* A character is never cut apart; what is no UTF-8 counts by bytes. */
	assert_int_equal(spanring_set_string(&span, "wide", "\xf0\x9f\x92\xa1x\xe2\x82\xacy"),
			 0);
	assert_int_equal(spanring_set_string(&span, "wild", "\xff\xff\xff\xff"), 0);
	assert_int_equal(spanring_set_attributes(&span, many, 4), 0);
	client_fixture_read(fixture, &view);
	assert_true(entry_is(record_get_attribute(record(&view, WIRE_ATTRIBUTE, 0)).entry,
			     "short", "abc"));
	assert_true(entry_is(record_get_attribute(record(&view, WIRE_ATTRIBUTE, 1)).entry,
			     "long", "abc"));
	assert_true(entry_is(record_get_attribute(record(&view, WIRE_ATTRIBUTE, 2)).entry,
			     "wide", "\xf0\x9f\x92\xa1x\xe2\x82\xac"));
	assert_true(entry_is(record_get_attribute(record(&view, WIRE_ATTRIBUTE, 3)).entry,
			     "wild", "\xff\xff\xff"));
	entry = record_get_attribute(record(&view, WIRE_ATTRIBUTE, 4)).entry;
	list = (struct record_text){entry.value, entry.value_length};
	assert_int_equal(entry_at(list, 0).value_length, 6);
	assert_int_equal(entry_at(list, 1).value_length, 2);
	entry = record_get_attribute(record(&view, WIRE_ATTRIBUTE, 5)).entry;
	list = (struct record_text){entry.value, entry.value_length};
	assert_true(entry_is(entry_at(list, 0), "k", "123"));
	entry = record_get_attribute(record(&view, WIRE_ATTRIBUTE, 6)).entry;
	assert_int_equal(entry.value_length, 3);
	ring_view_close(&view);
}

static void rule_52_attributes_of_events_and_links_have_limits_of_their_own(void **state)
{
	struct spanring_context context = {.trace_id = {1}, .span_id = {2}};
	struct spanring_attribute many[200];
	struct spanring_link link = {&context, many, 200};
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	struct ring_view view;

	for (int i = 0; i < 200; i++)
		many[i] = spanring_int("same", i);
	client_fixture_init(fixture, 0);
	assert_int_equal(spanring_start(&span, "op", NULL), 0);
	assert_int_equal(spanring_add_event(&span, "e", many, 128), 0);
	assert_int_equal(spanring_add_event(&span, "e", many, 200), 0);
	assert_int_equal(spanring_add_link(&span, &link), 0);
	client_fixture_read(fixture, &view);
	assert_int_equal(
		record_get_event(record(&view, WIRE_EVENT, 0)).fixed.dropped_attributes, 0);
	assert_int_equal(
		record_get_event(record(&view, WIRE_EVENT, 1)).fixed.dropped_attributes, 72);
	assert_int_equal(record_get_link(record(&view, WIRE_LINK, 0)).fixed.dropped_attributes,
			 72);
	assert_int_equal(ring_view_count(&view, WIRE_LIMITS), 1);
	ring_view_close(&view);
}

static int scoped(int how)
{
	struct spanring_span current;

	SPANRING_SPAN(outer, "outer");
	for (int i = 0; i < 2; i++) {
		SPANRING_SPAN(inner, "inner");
		assert_int_equal(spanring_current(&current), 0);
		assert_memory_equal(current.span_id, inner.span_id, 8);
		if (how == 1)
			return 1;
		if (how == 2)
			break;
		if (how == 3)
			continue;
	}
	assert_int_equal(spanring_current(&current), 0);
	assert_memory_equal(current.span_id, outer.span_id, 8);
	return 0;
}

static void a_scope_ends_its_span_on_every_way_out(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span current;
	struct ring_view view;

	client_fixture_init(fixture, 1 << 20);
	for (int how = 0; how < 4; how++) {
		scoped(how);
		assert_int_equal(spanring_current(&current), -ENOENT);
	}
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_START), 3 + 2 + 2 + 3);
	assert_int_equal(ring_view_count(&view, WIRE_END), 3 + 2 + 2 + 3);
	ring_view_close(&view);
}

static void detaching_takes_what_is_above_along(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span a, b, c, current;

	client_fixture_init(fixture, 1 << 20);
	spanring_enter(&a, "a", NULL);
	spanring_enter(&b, "b", NULL);
	spanring_enter(&c, "c", NULL);
	assert_int_equal(spanring_detach(&b), 0);
	assert_int_equal(spanring_current(&current), 0);
	assert_memory_equal(current.span_id, a.span_id, 8);
	assert_int_equal(spanring_detach(&c), -ENOENT);
	assert_int_equal(spanring_detach(&b), -ENOENT);
	spanring_end(&a);
	assert_int_equal(spanring_current(&current), -ENOENT);
	spanring_end(&b);
	spanring_end(&c);
}

static void a_stack_deeper_than_its_limit_comes_back_right(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span spans[400], current;

	client_fixture_init(fixture, 1 << 20);
	for (int i = 0; i < 400; i++)
		spanring_enter(&spans[i], "deep", NULL);
	assert_int_equal(spanring_current(&current), 0);
	assert_memory_equal(current.span_id, spans[63].span_id, 8);
	for (int i = 399; i >= 64; i--)
		assert_int_equal(spanring_end(&spans[i]), 0);
	for (int i = 63; i >= 0; i--) {
		assert_int_equal(spanring_current(&current), 0);
		assert_memory_equal(current.span_id, spans[i].span_id, 8);
		assert_int_equal(spanring_end(&spans[i]), 0);
	}
	assert_int_equal(spanring_current(&current), -ENOENT);
}

static void rule_53_an_ended_span_is_silent_but_still_a_parent(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span parent, child;
	struct ring_view view;

	client_fixture_init(fixture, 1 << 20);
	spanring_start(&parent, "parent", NULL);
	spanring_end(&parent);
	assert_int_equal(spanring_end(&parent), 0);
	assert_int_equal(spanring_set_int(&parent, "k", 1), 0);
	assert_false(spanring_is_recording(&parent));
	spanring_start_with(&child, "child", .parent = &parent);
	client_fixture_read(fixture, &view);
	assert_memory_equal(start_of(&view, 1).fixed.parent_span_id, parent.span_id, 8);
	assert_int_equal(ring_view_count(&view, WIRE_END), 1);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), 0);
	ring_view_close(&view);
}

static void a_remote_context_may_be_made_current(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_context remote;
	struct spanring_span far, child;

	spanring_context_parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", NULL,
			       &remote);
	client_fixture_init(fixture, 1 << 20);
	assert_int_equal(spanring_span_from_context(&far, &remote), 0);
	spanring_attach(&far);
	spanring_start(&child, "child", NULL);
	assert_memory_equal(child.trace_id, remote.trace_id, 16);
	spanring_end(&child);
	spanring_end(&far);
	assert_int_equal(spanring_current(&far), -ENOENT);
}

/* ---- scopes, handlers ------------------------------------------------------ */

static void a_scope_has_one_number_and_is_in_every_ring(void **state)
{
	struct client_fixture *fixture = *state;
	struct ring_view view;
	int one = spanring_scope_new("one", "1"), other;
	size_t before;

	client_fixture_init(fixture, 1 << 20);
	client_fixture_read(fixture, &view);
	before = ring_view_count(&view, WIRE_SCOPE);
	assert_true(before > 0);
	ring_view_close(&view);
	other = spanring_scope_new("one", "2");
	assert_true(other > one);
	assert_int_equal(spanring_scope_new("one", "1"), one);
	assert_int_equal(spanring_scope_new(NULL, NULL), -EINVAL);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_SCOPE), before + 1);
	assert_true(text_is(record_get_scope(record(&view, WIRE_SCOPE, before)).version, "2"));
	ring_view_close(&view);
}

static volatile sig_atomic_t handled;

static void write_in_handler(int signal)
{
	struct spanring_span span;

	(void)signal;
	if (spanring_start(&span, "handler", NULL) == 0) {
		spanring_set_int(&span, "k", 1);
		spanring_end(&span);
		handled++;
	}
}

static void a_handler_that_writes_spans_disturbs_nothing(void **state)
{
	struct itimerval every = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct sigaction action = {.sa_handler = write_in_handler, .sa_flags = SA_RESTART};
	struct spanring_span span;
	struct ring_view view;
	size_t begun = 0;

	client_fixture_init(fixture, 64 << 20);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	while (handled < 200 && begun < 200000) {
		assert_int_equal(spanring_start(&span, "main", NULL), 0);
		assert_int_equal(spanring_set_string(&span, "key", "value"), 0);
		assert_int_equal(spanring_end(&span), 0);
		begun++;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	spanring_state(&asked);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_START), begun + (size_t)handled);
	assert_int_equal(ring_view_count(&view, WIRE_END), begun + (size_t)handled);
	ring_view_close(&view);
}

/* As a handler's calls find it that interrupted one. */
static void a_call_in_the_middle_of_a_write_is_refused_and_counted(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct spanring_span span, other;
	struct ring_view view;

	client_fixture_init(fixture, 1 << 20);
	assert_int_equal(spanring_start(&span, "span", NULL), 0);
	thread_write_begin(thread_self);
	assert_int_equal(spanring_start(&other, "other", NULL), -EBUSY);
	assert_int_equal(spanring_set_int(&span, "k", 1), -EBUSY);
	assert_int_equal(spanring_flush(0), -EBUSY);
	thread_write_end(thread_self);
	spanring_state(&asked);
	assert_int_equal(asked.refused_reentrant, 2);
	assert_int_equal(spanring_set_int(&span, "k", 2), 0);
	assert_int_equal(spanring_end(&span), 0);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_START), 1);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), 1);
	ring_view_close(&view);
}

/* More often than a write that was left for good is met, but each time another. */
static void handlers_that_interrupt_many_writes_do_not_end_any(void **state)
{
	struct client_fixture *fixture = *state;
	struct thread *mine;
	struct spanring_span span, other;

	client_fixture_init(fixture, 1 << 20);
	assert_int_equal(spanring_start(&span, "span", NULL), 0);
	mine = thread_self;
	for (unsigned i = 0; i < 2 * THREAD_NESTED_MAX; i++) {
		thread_write_begin(mine);
		assert_int_equal(spanring_start(&other, "other", NULL), -EBUSY);
		thread_write_end(mine);
		assert_int_equal(spanring_set_int(&span, "k", i), 0);
	}
	assert_ptr_equal(thread_self, mine);
}

static void told(int error, const char *message, void *user)
{
	(void)error;
	(void)message;
	++*(int *)user;
}

static void rule_57_the_error_handler_hears_of_each_trouble_once(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	int times = 0;

	client_fixture_init(fixture, 1 << 20);
	spanring_set_error_handler(told, &times);
	errno = 1234;
	spanring_start(&span, "x", NULL);
	for (int i = 0; i < 5; i++)
		assert_int_equal(spanring_set_string_n(&span, "k", "", (size_t)1 << 33),
				 -EMSGSIZE);
	assert_int_equal(times, 1);
	assert_int_equal(errno, 1234);
	spanring_set_error_handler(NULL, NULL);
}

static void *set_an_attribute(void *span)
{
	assert_int_equal(spanring_set_int(span, "from", 2), 0);
	return NULL;
}

static uint32_t shared(const char *directory)
{
	struct ring_view view;
	uint32_t word;

	assert_int_equal(ring_view_open(&view, directory), 0);
	word = ring_view_header(&view)->shared;
	ring_view_close(&view);
	return word;
}

static void the_ring_says_when_a_thread_wrote_of_anothers_span(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span own, handed;
	pthread_t thread;

	client_fixture_init(fixture, 1 << 20);
	spanring_start(&own, "own", NULL);
	spanring_set_int(&own, "from", 1);
	spanring_end(&own);
	assert_int_equal(shared(fixture->directory), 0);

	spanring_start(&handed, "handed", NULL);
	assert_int_equal(pthread_create(&thread, NULL, set_an_attribute, &handed), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(shared(fixture->directory), 1);
	assert_true(spanring_is_recording(&handed));
	spanring_end(&handed);
}

#define IN_DIRECTORY(test) \
	cmocka_unit_test_setup_teardown(test, client_fixture_setup, client_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(a_start_says_all_it_was_told),
		IN_DIRECTORY(a_parent_is_the_first_that_was_given),
		IN_DIRECTORY(a_tracestate_reaches_the_grandchildren),
		IN_DIRECTORY(
			rules_46_and_47_what_is_not_sampled_writes_nothing_but_passes_its_context_on),
		IN_DIRECTORY(rule_57_bad_arguments_are_refused_and_counted),
		IN_DIRECTORY(every_type_of_attribute_is_written_as_it_was_given),
		IN_DIRECTORY(values_nest_to_the_limit_and_no_deeper),
		IN_DIRECTORY(rule_55_an_exception_is_an_event_an_attribute_and_a_status),
		IN_DIRECTORY(rule_52_values_are_cut_by_characters_wherever_they_stand),
		IN_DIRECTORY(rule_52_attributes_of_events_and_links_have_limits_of_their_own),
		IN_DIRECTORY(a_scope_ends_its_span_on_every_way_out),
		IN_DIRECTORY(detaching_takes_what_is_above_along),
		IN_DIRECTORY(a_stack_deeper_than_its_limit_comes_back_right),
		IN_DIRECTORY(rule_53_an_ended_span_is_silent_but_still_a_parent),
		IN_DIRECTORY(a_remote_context_may_be_made_current),
		IN_DIRECTORY(a_scope_has_one_number_and_is_in_every_ring),
		IN_DIRECTORY(a_handler_that_writes_spans_disturbs_nothing),
		IN_DIRECTORY(a_call_in_the_middle_of_a_write_is_refused_and_counted),
		IN_DIRECTORY(handlers_that_interrupt_many_writes_do_not_end_any),
		IN_DIRECTORY(the_ring_says_when_a_thread_wrote_of_anothers_span),
		IN_DIRECTORY(rule_57_the_error_handler_hears_of_each_trouble_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
