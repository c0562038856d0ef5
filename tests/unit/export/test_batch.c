#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/batch.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"

#define request_unpack \
	opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack
#define request_free \
	opentelemetry__proto__collector__trace__v1__export_trace_service_request__free_unpacked

#define request_message Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest

/* A message whose field 5 is text: a Span's name; or field 1: a scope's name,
 * or (as an attribute without a key's tag) part of a resource. */
static struct bytes text_message(uint8_t *at, uint8_t tag, const char *text)
{
	size_t len = strlen(text);

	at[0] = tag;
	at[1] = (uint8_t)len;
	memcpy(at + 2, text, len);
	return (struct bytes){at, len + 2};
}

struct maker {
	uint8_t resource[128], scope[128], span[128];
	uint64_t number;
};

/* A resource with one attribute of that key; NULL gives an empty message. */
static struct finished_span make(struct maker *maker, const char *resource, const char *scope,
				 const char *name)
{
	struct finished_span span = {.number = ++maker->number};
	struct bytes key;

	if (resource) {
		key = text_message(maker->resource + 2, 0x0a, resource);
		maker->resource[0] = 0x0a;
		maker->resource[1] = (uint8_t)key.len;
		span.resource = (struct bytes){maker->resource, key.len + 2};
	}
	if (scope)
		span.scope = text_message(maker->scope, 0x0a, scope);
	span.span = text_message(maker->span, 0x2a, name);
	return span;
}

static void add(struct batch *batch, struct maker *maker, const char *resource,
		const char *scope, const char *name)
{
	struct finished_span span = make(maker, resource, scope, name);

	assert_int_equal(batch_add(batch, &span, SIZE_MAX), 0);
}

/* Writes "resource{scope[span,span]}" for everything in the framed request. */
static void describe_framed(const struct batch *batch, struct bytes framed, char *text)
{
	request_message *request;

	assert_int_equal(framed.at[0], 0);
	assert_int_equal(framed.at[1] << 24 | framed.at[2] << 16 | framed.at[3] << 8 |
				 framed.at[4],
			 framed.len - TRANSPORT_FRAMING);
	assert_true(framed.len - TRANSPORT_FRAMING <= batch->size_bound);
	request = request_unpack(NULL, framed.len - TRANSPORT_FRAMING,
				 framed.at + TRANSPORT_FRAMING);
	assert_non_null(request);
	for (size_t i = 0; i < request->n_resource_spans; i++) {
		const Opentelemetry__Proto__Trace__V1__ResourceSpans *rs =
			request->resource_spans[i];

		text += sprintf(text, "%s%s{",
				rs->resource ? rs->resource->attributes[0]->key : "-",
				rs->schema_url);
		assert_true(rs->n_scope_spans > 0);
		for (size_t j = 0; j < rs->n_scope_spans; j++) {
			const Opentelemetry__Proto__Trace__V1__ScopeSpans *ss =
				rs->scope_spans[j];

			text += sprintf(text, "%s%s[", ss->scope ? ss->scope->name : "-",
					ss->schema_url);
			assert_true(ss->n_spans > 0);
			for (size_t k = 0; k < ss->n_spans; k++)
				text += sprintf(text, k ? ",%s" : "%s", ss->spans[k]->name);
			text += sprintf(text, "]");
		}
		text += sprintf(text, "}");
	}
	request_free(request, NULL);
}

static void describe(const struct batch *batch, char *text)
{
	describe_framed(batch, batch->framed, text);
}

static void one_resource_and_scope_make_one_envelope(void **state)
{
	struct buf spare = BUF_INIT;
	struct maker maker = {0};
	struct batch batch;
	char text[1024];

	(void)state;
	assert_int_equal(batch_init(&batch, 10), 0);
	for (int round = 0; round < 2; round++) {
		add(&batch, &maker, "r", "s", "a");
		add(&batch, &maker, "r", "s", "b");
		add(&batch, &maker, "r", "s", "c");
		assert_int_equal(batch_seal(&batch, &spare), 0);
		describe(&batch, text);
		assert_string_equal(text, "r{s[a,b,c]}");
		assert_int_equal(batch.first_number, 1 + 3 * round);
		assert_int_equal(batch.last_number, 3 + 3 * round);
		batch_reset(&batch, round ? 0 : 1 << 20);
	}
	assert_int_equal(batch.store.cap, 0);
	batch_fini(&batch);
	buf_fini(&spare);
}

static void spans_are_grouped_by_resource_then_scope(void **state)
{
	struct buf spare = BUF_INIT;
	struct maker maker = {0};
	struct batch batch;
	char text[1024];

	(void)state;
	assert_int_equal(batch_init(&batch, 20), 0);
	add(&batch, &maker, "r1", "s1", "a");
	add(&batch, &maker, "r2", "s1", "b");
	add(&batch, &maker, "r1", "s2", "c");
	add(&batch, &maker, "r1", "s1", "d");
	add(&batch, &maker, "r2", "s1", "e");
	add(&batch, &maker, NULL, NULL, "f");
	add(&batch, &maker, "r1", "s2", "g");
	add(&batch, &maker, "r1", NULL, "h");
	assert_int_equal(batch_seal(&batch, &spare), 0);
	describe(&batch, text);
	assert_string_equal(text, "r1{s1[a,d]s2[c,g]-[h]}r2{s1[b,e]}-{-[f]}");
	batch_fini(&batch);
	buf_fini(&spare);
}

static void schema_urls_are_part_of_what_groups(void **state)
{
	struct buf spare = BUF_INIT;
	struct maker maker = {0};
	struct finished_span span;
	struct batch batch;
	char text[1024];

	(void)state;
	assert_int_equal(batch_init(&batch, 20), 0);
	for (int i = 0; i < 8; i++) {
		const char name[] = {(char)('a' + i), 0};

		span = make(&maker, "r", "s", name);
		if (i & 1)
			span.resource_schema_url = bytes_of("+R");
		if (i & 2)
			span.scope_schema_url = bytes_of("+S");
		assert_int_equal(batch_add(&batch, &span, SIZE_MAX), 0);
	}
	assert_int_equal(batch_seal(&batch, &spare), 0);
	describe(&batch, text);
	assert_string_equal(text, "r{s[a,e]s+S[c,g]}r+R{s[b,f]s+S[d,h]}");
	batch_fini(&batch);
	buf_fini(&spare);
}

static void an_equal_address_is_not_an_equal_resource(void **state)
{
	struct buf spare = BUF_INIT;
	struct maker maker = {0};
	struct batch batch;
	char text[1024];

	(void)state;
	/* `make` writes every resource to the same place, as a reader of the
	 * log does: same address, same length, other bytes. */
	assert_int_equal(batch_init(&batch, 20), 0);
	add(&batch, &maker, "r1", "s", "a");
	add(&batch, &maker, "r2", "s", "b");
	assert_int_equal(batch_seal(&batch, &spare), 0);
	describe(&batch, text);
	assert_string_equal(text, "r1{s[a]}r2{s[b]}");
	batch_fini(&batch);
	buf_fini(&spare);
}

static void hundreds_of_resources_keep_their_spans(void **state)
{
	char name[16], *text = malloc(65536), *at;
	struct buf spare = BUF_INIT;
	struct maker maker = {0};
	struct batch batch;

	(void)state;
	assert_int_equal(batch_init(&batch, 1500), 0);
	for (int i = 0; i < 1500; i++) {
		(void)snprintf(name, sizeof(name), "r%d", i % 500);
		add(&batch, &maker, name, "s", name);
	}
	assert_int_equal(batch_seal(&batch, &spare), 0);
	describe(&batch, text);
	at = text;
	for (int i = 0; i < 500; i++) {
		char expect[64];
		int n = snprintf(expect, sizeof(expect), "r%d{s[r%d,r%d,r%d]}", i, i, i, i);

		assert_int_equal(strncmp(at, expect, (size_t)n), 0);
		at += n;
	}
	batch_fini(&batch);
	buf_fini(&spare);
	free(text);
}

static void a_batch_takes_no_more_spans_than_its_count(void **state)
{
	struct maker maker = {0};
	struct finished_span span;
	struct batch batch;

	(void)state;
	assert_int_equal(batch_init(&batch, 2), 0);
	add(&batch, &maker, "r", "s", "a");
	assert_false(batch_full(&batch));
	add(&batch, &maker, "r", "s", "b");
	assert_true(batch_full(&batch));
	span = make(&maker, "r", "s", "c");
	assert_int_equal(batch_add(&batch, &span, SIZE_MAX), -ENOSPC);
	assert_int_equal(batch.last_number, 2);
	batch_fini(&batch);
	assert_int_equal(batch_init(&batch, 0), -EINVAL);
	assert_int_equal(batch_init(&batch, BATCH_SPANS_LIMIT + 1), -EINVAL);
}

static void a_batch_stays_below_its_size_but_takes_one_span_of_any(void **state)
{
	struct buf spare = BUF_INIT;
	struct maker maker = {0};
	struct finished_span span;
	struct batch batch;
	size_t n = 0;

	(void)state;
	assert_int_equal(batch_init(&batch, 1000), 0);
	for (;; n++) {
		span = make(&maker, n & 1 ? "r1" : "r2", "s", "0123456789");
		if (batch_add(&batch, &span, 500) < 0)
			break;
	}
	assert_in_range(n, 25, 40);
	assert_int_equal(batch_seal(&batch, &spare), 0);
	assert_in_range(batch.framed.len, 400, 500 + TRANSPORT_FRAMING);
	batch_reset(&batch, 0);
	span.span = (struct bytes){(const uint8_t *)&maker, sizeof(maker)};
	assert_int_equal(batch_add(&batch, &span, 10), 0);
	assert_int_equal(batch_add(&batch, &span, 10), -ENOSPC);
	assert_true(batch_size_alone(&span) >= batch.size_bound);
	batch_fini(&batch);
	buf_fini(&spare);
}

static void an_empty_span_message_is_still_a_span(void **state)
{
	struct finished_span span = {.number = 1};
	struct buf spare = BUF_INIT;
	struct batch batch;

	(void)state;
	assert_int_equal(batch_init(&batch, 3), 0);
	assert_int_equal(batch_add(&batch, &span, 100), 0);
	assert_int_equal(batch_seal(&batch, &spare), 0);
	assert_int_equal(batch.framed.len, TRANSPORT_FRAMING + 6);
	assert_memory_equal(batch.framed.at, "\0\0\0\0\6\x0a\4\x12\2\x12\0", 11);
	batch_fini(&batch);
	buf_fini(&spare);
}

static void add_nth(struct batch *batch, struct maker *maker, uint32_t i, bool mixed)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "s%u", i);
	add(batch, maker, mixed && i % 3 == 1 ? "b" : "a", mixed && i % 2 ? "y" : "x", name);
}

static void a_part_is_what_a_batch_of_these_spans_would_be(void **state)
{
	enum { SPANS = 11 };
	struct buf spare = BUF_INIT, part = BUF_INIT;
	char of_part[1024], alone[1024];

	(void)state;
	for (uint32_t first = 0; first < SPANS; first++) {
		for (uint32_t n = 1; first + n <= SPANS; n++) {
			struct maker maker = {0}, other_maker = {0};
			struct batch batch, other;
			bool mixed = (first + n) % 2;

			assert_int_equal(batch_init(&batch, SPANS), 0);
			assert_int_equal(batch_init(&other, SPANS), 0);
			for (uint32_t i = 0; i < SPANS; i++)
				add_nth(&batch, &maker, i, mixed);
			for (uint32_t i = first; i < first + n; i++)
				add_nth(&other, &other_maker, i, mixed);
			assert_int_equal(batch_seal(&batch, &spare), 0);
			assert_int_equal(batch_seal(&other, &spare), 0);
			assert_int_equal(batch_part(&batch, first, n, &part), 0);
			describe_framed(&batch, buf_bytes(&part), of_part);
			describe(&other, alone);
			/* Groups keep the order of the whole. */
			assert_int_equal(strlen(of_part), strlen(alone));
			if (!mixed)
				assert_string_equal(of_part, alone);
			for (uint32_t i = first; i < first + n; i++) {
				char name[16];

				(void)snprintf(name, sizeof(name), "s%u", i);
				assert_non_null(strstr(of_part, name));
			}
			batch_fini(&batch);
			batch_fini(&other);
		}
	}
	buf_fini(&part);
	buf_fini(&spare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_resource_and_scope_make_one_envelope),
		cmocka_unit_test(spans_are_grouped_by_resource_then_scope),
		cmocka_unit_test(schema_urls_are_part_of_what_groups),
		cmocka_unit_test(an_equal_address_is_not_an_equal_resource),
		cmocka_unit_test(hundreds_of_resources_keep_their_spans),
		cmocka_unit_test(a_batch_takes_no_more_spans_than_its_count),
		cmocka_unit_test(a_batch_stays_below_its_size_but_takes_one_span_of_any),
		cmocka_unit_test(an_empty_span_message_is_still_a_span),
		cmocka_unit_test(a_part_is_what_a_batch_of_these_spans_would_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
