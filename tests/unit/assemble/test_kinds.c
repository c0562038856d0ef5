/* Which kind a rule gives a span, and what the span is then. */
#include "assemble/kinds.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "otlp/pb.h"

enum { INTERNAL = 1, SERVER, CLIENT, PRODUCER, CONSUMER };

static struct buf span, scope, out;
static struct kind_rules rules;

static int set_up(void **state)
{
	(void)state;
	rules.count = 0;
	buf_reset(&span);
	buf_reset(&scope);
	buf_reset(&out);
	return 0;
}

static void attribute(struct buf *to, const char *key)
{
	struct pb_nested nested = pb_open(to, 9, 32);

	(void)pb_bytes(to, 1, bytes_of(key));
	(void)pb_bytes(to, 2, bytes_of("\x0a\x01x"));
	(void)pb_close(to, nested);
}

/* As the encoder writes it; 0: without a kind. */
static void write_span(struct buf *to, uint64_t kind)
{
	(void)pb_bytes(to, 1, bytes_of("0123456789abcdef"));
	(void)pb_bytes(to, 2, bytes_of("01234567"));
	(void)pb_bytes(to, 5, bytes_of("ModelWorker.generate"));
	if (kind)
		(void)pb_varint(to, 6, kind);
	(void)pb_fixed64(to, 7, 1000);
	attribute(to, "first");
	attribute(to, "gen_ai.request.model");
	(void)pb_fixed32(to, 16, 1);
}

static void add_rule(uint32_t kind, const char *name, const char *key, const char *in_scope)
{
	rules.rules[rules.count++] = (struct kind_rule){.kind = kind,
							.name = (char *)name,
							.attribute = (char *)key,
							.scope = (char *)in_scope};
}

/* What the rules make of a span of this kind, in the scope "web.server". */
static uint32_t chosen(uint64_t kind)
{
	struct finished_span finished = {0};

	buf_reset(&span);
	buf_reset(&scope);
	write_span(&span, kind);
	(void)pb_bytes(&scope, 1, bytes_of("web.server"));
	finished.span = buf_bytes(&span);
	finished.scope = buf_bytes(&scope);
	return kinds_choose(&rules, &finished);
}

static void without_rules_every_span_stays(void **state)
{
	(void)state;
	for (uint64_t kind = 0; kind <= CONSUMER; kind++)
		assert_int_equal(chosen(kind), 0);
}

static void a_rule_fits_by_how_name_key_or_scope_begins(void **state)
{
	static const char *const fits[][3] = {
		{"ModelWorker", NULL, NULL},
		{"ModelWorker.generate", NULL, NULL},
		{"", NULL, NULL},
		{NULL, "gen_ai.", NULL},
		{NULL, "gen_ai.request.model", NULL},
		{NULL, "first", NULL},
		{NULL, NULL, "web."},
		{"Model", "gen_ai", "web.server"},
	};
	static const char *const does_not[][3] = {
		{"modelworker", NULL, NULL}, {"ModelWorker.generate!", NULL, NULL},
		{"Worker", NULL, NULL},	     {NULL, "gen_ai.request.models", NULL},
		{NULL, "request", NULL},     {NULL, "x", NULL}, /* a value */
		{NULL, NULL, "server"},	     {"Model", "gen_ai", "db."},
		{"Model", "http.", "web."},  {"x", "gen_ai", "web."},
	};

	(void)state;
	for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++) {
		rules.count = 0;
		add_rule(CLIENT, fits[i][0], fits[i][1], fits[i][2]);
		assert_int_equal(chosen(INTERNAL), CLIENT);
		assert_int_equal(chosen(0), CLIENT);
	}
	for (size_t i = 0; i < sizeof does_not / sizeof does_not[0]; i++) {
		rules.count = 0;
		add_rule(CLIENT, does_not[i][0], does_not[i][1], does_not[i][2]);
		assert_int_equal(chosen(INTERNAL), 0);
	}
}

static void a_kind_that_was_said_stays(void **state)
{
	(void)state;
	add_rule(CLIENT, "", NULL, NULL);
	for (uint64_t kind = SERVER; kind <= CONSUMER; kind++)
		assert_int_equal(chosen(kind), 0);
	assert_int_equal(chosen(17), 0);
}

static void the_first_rule_that_fits_decides(void **state)
{
	(void)state;
	add_rule(SERVER, "GET ", NULL, NULL);
	add_rule(INTERNAL, "ModelWorker.gen", NULL, NULL);
	add_rule(CLIENT, "ModelWorker.", NULL, NULL);
	assert_int_equal(chosen(INTERNAL), 0); /* it is that already */
	assert_int_equal(chosen(0), INTERNAL);
	rules.rules[1].name = (char *)"ModelWorker.load";
	assert_int_equal(chosen(0), CLIENT);
}

static void a_span_without_scope_or_attributes_is_looked_at_too(void **state)
{
	struct finished_span empty = {0};

	(void)state;
	add_rule(CLIENT, NULL, "a", NULL);
	add_rule(CLIENT, NULL, NULL, "a");
	assert_int_equal(kinds_choose(&rules, &empty), 0);
	add_rule(CLIENT, "", NULL, NULL);
	assert_int_equal(kinds_choose(&rules, &empty), CLIENT);
}

static void the_span_is_the_same_but_for_its_kind(void **state)
{
	struct buf wanted = BUF_INIT;

	(void)state;
	write_span(&wanted, SERVER);
	for (uint64_t kind = 0; kind <= INTERNAL; kind++) {
		buf_reset(&span);
		buf_reset(&out);
		write_span(&span, kind);
		assert_int_equal(kinds_write(&out, buf_bytes(&span), SERVER), 0);
		assert_int_equal(out.len, wanted.len);
		assert_memory_equal(out.at, wanted.at, wanted.len);
	}
	buf_fini(&wanted);
}

static uint64_t count_kinds(struct bytes message, uint64_t *ret_last)
{
	struct pb_reader reader = pb_read(message);
	struct pb_field field;
	uint64_t count = 0;

	while (pb_next(&reader, &field) > 0)
		if (field.number == 6) {
			*ret_last = field.value;
			count++;
		}
	return count;
}

/* Senders may write fields in any order, and one more than once. */
static void whatever_the_order_there_is_one_kind_in_the_end(void **state)
{
	uint64_t last = 0;

	(void)state;
	(void)pb_varint(&span, 6, SERVER);
	write_span(&span, INTERNAL);
	(void)pb_varint(&span, 6, 0);
	assert_int_equal(kinds_write(&out, buf_bytes(&span), CLIENT), 0);
	assert_int_equal(count_kinds(buf_bytes(&out), &last), 1);
	assert_int_equal(last, CLIENT);
	buf_reset(&out);
	assert_int_equal(kinds_write(&out, (struct bytes){NULL, 0}, CLIENT), 0);
	assert_int_equal(count_kinds(buf_bytes(&out), &last), 1);
}

static void bytes_that_are_no_span_are_not_written(void **state)
{
	int refused = 0;

	(void)state;
	write_span(&span, INTERNAL);
	for (size_t len = 0; len < span.len; len++) {
		buf_reset(&out);
		refused += kinds_write(&out, (struct bytes){span.at, len}, CLIENT) == -EBADMSG;
	}
	assert_true(refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, set_up)
		T(without_rules_every_span_stays),
		T(a_rule_fits_by_how_name_key_or_scope_begins),
		T(a_kind_that_was_said_stays),
		T(the_first_rule_that_fits_decides),
		T(a_span_without_scope_or_attributes_is_looked_at_too),
		T(the_span_is_the_same_but_for_its_kind),
		T(whatever_the_order_there_is_one_kind_in_the_end),
		T(bytes_that_are_no_span_are_not_written),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	buf_fini(&span);
	buf_fini(&scope);
	buf_fini(&out);
	return r;
}
