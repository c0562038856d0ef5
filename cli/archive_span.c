/* What of a span is kept in memory, read in one pass over its attributes. */
#include "archive_file.h"

#include <errno.h>
#include <string.h>

/* Names of one thing; the one that stands first here is believed first. */
enum fact {
	INPUT_TOKENS,
	OUTPUT_TOKENS,
	TURN,
	ATTEMPT,
	INTEGERS, /* how many are integers */
	MODEL = INTEGERS,
	KIND,
	OPERATION,
	END_REASON,
	WRAPS,
	FACTS,
};

static const struct {
	const char *key;
	enum fact fact;
	unsigned rank;
} keys[] = {
	{"gen_ai.usage.input_tokens", INPUT_TOKENS, 3},
	{"gen_ai.usage.prompt_tokens", INPUT_TOKENS, 2},
	{"llm.token_count.prompt", INPUT_TOKENS, 1},
	{"gen_ai.usage.output_tokens", OUTPUT_TOKENS, 3},
	{"gen_ai.usage.completion_tokens", OUTPUT_TOKENS, 2},
	{"llm.token_count.completion", OUTPUT_TOKENS, 1},
	{"turn.index", TURN, 1},
	{"retry.attempt", ATTEMPT, 1},
	{"gen_ai.request.model", MODEL, 3},
	{"gen_ai.response.model", MODEL, 2},
	{"llm.model_name", MODEL, 1},
	{"openinference.span.kind", KIND, 1},
	{"gen_ai.operation.name", OPERATION, 1},
	{"spanring.end.reason", END_REASON, 1},
	{"spanring.run.command", WRAPS, 1},
};

/* The values of the best names seen so far. */
struct facts {
	json_t *values[FACTS];
	unsigned ranks[FACTS];
};

static bool is_usable(enum fact fact, json_t *value)
{
	int64_t number;

	if (fact < INTEGERS)
		return otlp_value_int(value, &number) && number >= 0;
	return fact == WRAPS || *otlp_string(json_object_get(value, "stringValue"));
}

static void take_attribute(struct facts *facts, const char *key, json_t *value)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		enum fact fact = keys[i].fact;

		if (keys[i].key[0] != key[0] || strcmp(keys[i].key, key) != 0)
			continue;
		if (keys[i].rank <= facts->ranks[fact] || !is_usable(fact, value))
			return;
		facts->values[fact] = value;
		facts->ranks[fact] = keys[i].rank;
		return;
	}
}

static int64_t number_of(const struct facts *facts, enum fact fact)
{
	int64_t number = -1;

	(void)otlp_value_int(facts->values[fact], &number);
	return number;
}

static const char *text_of(const struct facts *facts, enum fact fact, struct texts *texts,
			   bool *failed)
{
	const char *text;

	if (!facts->values[fact])
		return NULL;
	text = texts_once(texts,
			  otlp_string(json_object_get(facts->values[fact], "stringValue")));
	*failed |= !text;
	return text;
}

static int status_of(json_t *value)
{
	json_t *code = json_object_get(json_object_get(value, "status"), "code");
	const char *name = json_string_value(code);

	if (!name)
		return (int)json_integer_value(code);
	/* Some writers use the enum's names, which the specification forbids. */
	return strstr(name, "ERROR") ? 2 : strstr(name, "OK") != NULL;
}

static const char *member_once(json_t *value, const char *key, struct texts *texts,
			       bool *failed)
{
	const char *text = texts_once(texts, otlp_string(json_object_get(value, key)));

	*failed |= !text;
	return text;
}

static const char *member_copy(json_t *value, const char *key, struct texts *texts,
			       bool *failed)
{
	const char *text = texts_copy(texts, otlp_string(json_object_get(value, key)));

	*failed |= !text;
	return text;
}

int archive_span_read(struct archive_span *span, json_t *value, struct texts *texts)
{
	struct facts facts = {0};
	json_t *attribute;
	bool failed = false;
	size_t i;

	json_array_foreach (json_object_get(value, "attributes"), i, attribute)
		take_attribute(&facts, otlp_string(json_object_get(attribute, "key")),
			       json_object_get(attribute, "value"));
	*span = (struct archive_span){
		.trace_id = member_once(value, "traceId", texts, &failed),
		.span_id = member_copy(value, "spanId", texts, &failed),
		.parent_id = member_copy(value, "parentSpanId", texts, &failed),
		.name = member_once(value, "name", texts, &failed),
		.start_ns = otlp_uint64(json_object_get(value, "startTimeUnixNano")),
		.end_ns = otlp_uint64(json_object_get(value, "endTimeUnixNano")),
		.end_reason = text_of(&facts, END_REASON, texts, &failed),
		.model = text_of(&facts, MODEL, texts, &failed),
		.kind = text_of(&facts, KIND, texts, &failed),
		.operation = text_of(&facts, OPERATION, texts, &failed),
		.input_tokens = number_of(&facts, INPUT_TOKENS),
		.output_tokens = number_of(&facts, OUTPUT_TOKENS),
		.turn = number_of(&facts, TURN),
		.attempt = number_of(&facts, ATTEMPT),
		.wraps = facts.values[WRAPS] != NULL,
		.status = status_of(value),
	};
	if (span->end_ns < span->start_ns)
		span->end_ns = span->start_ns;
	return failed ? -ENOMEM : 0;
}
