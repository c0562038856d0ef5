/* What redaction costs: nanoseconds of CPU time for each span with 3 strings (16-byte
 * keys, 24-byte values) and 1 integer, as the drain hands them on; and for each byte of
 * values of 800 KB. One line each: what, the number; the least of several rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "redact/redact.h"
#include "wire/record.h"

#define SPANS 20000
#define ROUNDS 7
#define VALUE_BYTES 800000

static double cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void pad(struct buf *out)
{
	static const uint8_t zeros[WIRE_RECORD_ALIGN];

	(void)buf_append(out, zeros, record_padded((uint32_t)out->len) - out->len);
}

static void put_attribute(struct buf *out, const char *key, enum wire_value_type type,
			  const void *value, size_t len)
{
	uint8_t fixed[sizeof(struct wire_attribute)];
	static const uint8_t span_id[8] = {1};

	(void)record_put_attribute(fixed, span_id, type, (uint32_t)strlen(key), (uint32_t)len);
	(void)buf_append(out, fixed, sizeof fixed);
	(void)buf_append_text(out, key);
	(void)buf_append(out, value, len);
	pad(out);
}

static void put_span(struct buf *out, uint64_t number)
{
	static const char *const keys[] = {"pipeline.stage.a", "pipeline.stage.b",
					   "pipeline.stage.c"};
	struct wire_start start = {
		.head = record_make_head(WIRE_START, sizeof start + 9, 0, 1),
		.trace_id = {1},
		.span_id = {1},
		.name_length = 9,
	};
	uint8_t end[sizeof(struct wire_end)];
	char value[32];

	(void)buf_append(out, &start, sizeof start);
	(void)buf_append_text(out, "operation");
	pad(out);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(value, sizeof value, "some value of %010llu",
			       (unsigned long long)number + (unsigned)i);
		put_attribute(out, keys[i], WIRE_STRING, value, 24);
	}
	put_attribute(out, "pipeline.numbers", WIRE_INT, &number, sizeof number);
	(void)record_put_end(end, start.span_id, 1, 0);
	(void)buf_append(out, end, sizeof end);
}

static struct redact make(bool enabled)
{
	struct redact_settings settings = {
		.enabled = enabled, .match_limit = 100000, .value_bytes_max = 1 << 26};
	struct redact_fault fault;
	struct redact redact;

	if (redact_init(&redact, &settings, &fault) < 0)
		exit(1);
	return redact;
}

/* By slices of a block's size, as they come. */
static double push_ns(struct redact *redact, struct bytes records, size_t span_bytes)
{
	size_t block = 16384 / span_bytes * span_bytes;
	double least = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_ns(), took;

		for (size_t at = 0; at < records.len; at += block) {
			size_t left = records.len - at;
			struct slice slice = {
				.record_count = 1,
				.records = {records.at + at, left < block ? left : block}};

			if (redact_push(redact, &slice, 1) < 0)
				exit(1);
			redact_taken(redact);
		}
		took = cpu_ns() - began;
		if (took < least)
			least = took;
	}
	return least;
}

static void measure_spans(void)
{
	struct redact on = make(true), off = make(false);
	struct buf records = BUF_INIT;
	size_t span_bytes;

	put_span(&records, 0);
	span_bytes = records.len;
	for (uint64_t i = 1; i < SPANS; i++)
		put_span(&records, i);
	if (buf_failed(&records))
		exit(1);
	printf("span off %.1f\n", push_ns(&off, buf_bytes(&records), span_bytes) / SPANS);
	printf("span on %.1f\n", push_ns(&on, buf_bytes(&records), span_bytes) / SPANS);
	buf_fini(&records);
	redact_fini(&on);
	redact_fini(&off);
}

static void measure_text(const char *what, const char *piece)
{
	struct redact redact = make(true);
	struct redactor *redactor = redact.redactor;
	struct buf text = BUF_INIT, out = BUF_INIT;
	double least = 1e18;

	while (text.len < VALUE_BYTES)
		if (buf_append_text(&text, piece) < 0)
			exit(1);
	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_ns(), took;

		buf_reset(&out);
		if (redactor_find(redactor, redactor_plain(redactor), buf_bytes(&text)) ==
			    REDACT_CHANGES &&
		    redactor_write(redactor, &out, buf_bytes(&text)) < 0)
			exit(1);
		took = cpu_ns() - began;
		if (took < least)
			least = took;
	}
	printf("%s %.2f\n", what, least / (double)text.len);
	buf_fini(&text);
	buf_fini(&out);
	redact_fini(&redact);
}

int main(void)
{
	measure_spans();
	measure_text("prose",
		     "The plan for the garden begins with the soil, which was tested in "
		     "March; what grows there is decided by the light. ");
	measure_text("code", "for key, value in sorted(items, key=lambda item: item.name):\n"
			     "    task_id = self.client.get(f\"{base}/v1/tasks?sort=name\", "
			     "timeout=30)\n");
	measure_text("secrets", "and then use sk-"
				"proj-aB3dE6gH9jK2mN5pQ8rTaB3dE6gH9jK2 for "
				"https://me:hunter2@host/?token=abcdefgh, please. ");
	return 0;
}
