#include "assemble/kinds.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "assemble/stage.h"
#include "otlp/keys.h"
#include "otlp/pb.h"

/* Field numbers of Span and InstrumentationScope. */
enum { SPAN_NAME = 5, SPAN_KIND = 6, SPAN_ATTRIBUTES = 9, SCOPE_NAME = 1 };

#define KIND_UNSPECIFIED 0
#define KIND_INTERNAL 1

const char *const kind_words[KIND_WORDS] = {"unspecified", "internal", "server",
					    "client",	   "producer", "consumer"};

static uint64_t kind_of(struct bytes span)
{
	struct pb_reader reader = pb_read(span);
	uint64_t kind = KIND_UNSPECIFIED;
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == SPAN_KIND && field.wire == PB_VARINT)
			kind = field.value;
	return kind;
}

static bool begins(struct bytes text, const char *with)
{
	size_t len = strlen(with);

	return text.len >= len && (len == 0 || memcmp(text.at, with, len) == 0);
}

static bool has_attribute(struct bytes span, const char *with)
{
	struct pb_reader reader = pb_read(span);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == SPAN_ATTRIBUTES && field.wire == PB_BYTES &&
		    begins(key_of(field.bytes), with))
			return true;
	return false;
}

static bool fits(const struct kind_rule *rule, const struct finished_span *span)
{
	if (rule->name && !begins(pb_last_bytes(span->span, SPAN_NAME), rule->name))
		return false;
	if (rule->scope && !begins(pb_last_bytes(span->scope, SCOPE_NAME), rule->scope))
		return false;
	return !rule->attribute || has_attribute(span->span, rule->attribute);
}

uint32_t kinds_choose(const struct kind_rules *rules, const struct finished_span *span)
{
	uint64_t kind;

	if (rules->count == 0)
		return 0;
	kind = kind_of(span->span);
	if (kind != KIND_UNSPECIFIED && kind != KIND_INTERNAL)
		return 0;
	for (uint32_t i = 0; i < rules->count; i++)
		if (fits(&rules->rules[i], span))
			return rules->rules[i].kind == kind ? 0 : rules->rules[i].kind;
	return 0;
}

/* The kind goes where our own encoder has it: in front of the first later field. */
int kinds_write(struct buf *out, struct bytes span, uint32_t kind)
{
	struct pb_reader reader = pb_read(span);
	const uint8_t *from = span.at;
	struct pb_field field;
	bool written = false;
	int r;

	while ((r = pb_next(&reader, &field)) > 0) {
		if (field.number > SPAN_KIND && !written) {
			(void)pb_varint(out, SPAN_KIND, kind); /* asked below */
			written = true;
		}
		if (field.number != SPAN_KIND)
			(void)buf_append(out, from, (size_t)(reader.at - from));
		from = reader.at;
	}
	if (r < 0)
		return r;
	if (!written)
		(void)pb_varint(out, SPAN_KIND, kind);
	return buf_failed(out) ? -ENOMEM : 0;
}

/* ---- the stage's ------------------------------------------------------------- */

/* A buffer that grew for one giant span is given back. */
#define KEEP_BYTES_MAX (1u << 20)

int assemble_map_kind(struct assemble *a, struct finished_span *span)
{
	const struct kind_rules *rules = a->options.kinds;
	uint32_t kind = rules ? kinds_choose(rules, span) : 0;
	int r;

	span->kind_mapped = false;
	if (!kind)
		return 0;
	if (a->mapped.cap > KEEP_BYTES_MAX)
		buf_fini(&a->mapped);
	buf_reset(&a->mapped);
	r = kinds_write(&a->mapped, span->span, kind);
	if (r == -EBADMSG)
		return 0; /* whoever reads it says so */
	if (r < 0)
		return r;
	span->span = buf_bytes(&a->mapped);
	span->kind_mapped = true;
	return 0;
}
