#include "archive/tokens.h"

#include "otlp/pb.h"

#include <math.h>

enum {
	ANY_VALUE_INT = 3,
	ANY_VALUE_DOUBLE = 4,
};

struct name {
	const char *at;
	size_t len;
};
#define NAME(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}

static const struct name names[TOKENS_FAMILIES][2] = {
	{NAME("gen_ai.usage.input_tokens"), NAME("gen_ai.usage.output_tokens")},
	{NAME("gen_ai.usage.prompt_tokens"), NAME("gen_ai.usage.completion_tokens")},
	{NAME("llm.token_count.prompt"), NAME("llm.token_count.completion")},
};

static bool count_of_double(uint64_t bits, uint32_t *ret_count)
{
	double value;

	memcpy(&value, &bits, sizeof value);
	if (!(value >= 0) || isinf(value))
		return false;
	*ret_count = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
	return true;
}

/* The last member, as protobuf has it. */
static bool count_of(struct bytes value, uint32_t *ret_count)
{
	struct pb_reader reader = pb_read(value);
	struct pb_field field;
	bool known = false;

	while (pb_next(&reader, &field) > 0) {
		known = false;
		if (field.number == ANY_VALUE_INT && field.wire == PB_VARINT) {
			known = (int64_t)field.value >= 0;
			*ret_count =
				field.value < UINT32_MAX ? (uint32_t)field.value : UINT32_MAX;
		} else if (field.number == ANY_VALUE_DOUBLE && field.wire == PB_FIXED64) {
			known = count_of_double(field.value, ret_count);
		}
	}
	return known;
}

void tokens_take(struct tokens *tokens, struct bytes key, struct bytes value)
{
	for (unsigned i = 0; i < TOKENS_FAMILIES * 2; i++) {
		const struct name *name = &names[i / 2][i % 2];

		if (key.len != name->len || memcmp(key.at, name->at, key.len) != 0)
			continue;
		if (count_of(value, &tokens->counts[i / 2][i % 2]))
			tokens->said |= UINT32_C(1) << i;
		return;
	}
}

bool tokens_counted(const struct tokens *tokens, uint32_t *ret_input, uint32_t *ret_output)
{
	for (unsigned family = 0; family < TOKENS_FAMILIES; family++) {
		uint32_t said = tokens->said >> 2 * family;

		if (!(said & 3))
			continue;
		*ret_input = said & 1 ? tokens->counts[family][0] : 0;
		*ret_output = said & 2 ? tokens->counts[family][1] : 0;
		return true;
	}
	return false;
}
