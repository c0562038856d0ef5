/* Token counts out of the answers of vendors.
 *
 * Where they stand: in an object `usage` or `usageMetadata` of the answer; of an element, where
 * the answer is an array of pieces; of its `message` or `response`, where it is an event of a
 * stream. Whatever else an answer holds, a text with such words in it above all, is passed
 * over. */
#include "json_scan.h"
#include "spanring/genai.h"

#include <errno.h>

/* What is counted, under all its names. */
enum count {
	GEMINI_PROMPT,
	GEMINI_TOOL_PROMPT,
	GEMINI_CANDIDATES,
	GEMINI_THOUGHTS,
	GEMINI_CACHED,
	CHAT_PROMPT,
	CHAT_COMPLETION,
	INPUT,
	OUTPUT,
	CACHE_READ,
	CACHE_CREATION,
	INPUT_CACHED,	  /* in the details of the input */
	OUTPUT_REASONING, /* in the details of the output */
	COUNTS,
};

/* What an object or array on the way is to us. */
enum place {
	PLACE_OTHER,
	PLACE_LIST,
	PLACE_ANSWER,
	PLACE_USAGE,
	PLACE_INPUT_DETAILS,
	PLACE_OUTPUT_DETAILS,
};

static const struct {
	enum place place;
	enum count count;
	const char *key;
} counts[] = {
	{PLACE_USAGE, GEMINI_PROMPT, "promptTokenCount"},
	{PLACE_USAGE, GEMINI_PROMPT, "prompt_token_count"},
	{PLACE_USAGE, GEMINI_TOOL_PROMPT, "toolUsePromptTokenCount"},
	{PLACE_USAGE, GEMINI_TOOL_PROMPT, "tool_use_prompt_token_count"},
	{PLACE_USAGE, GEMINI_CANDIDATES, "candidatesTokenCount"},
	{PLACE_USAGE, GEMINI_CANDIDATES, "candidates_token_count"},
	{PLACE_USAGE, GEMINI_THOUGHTS, "thoughtsTokenCount"},
	{PLACE_USAGE, GEMINI_THOUGHTS, "thoughts_token_count"},
	{PLACE_USAGE, GEMINI_CACHED, "cachedContentTokenCount"},
	{PLACE_USAGE, GEMINI_CACHED, "cached_content_token_count"},
	{PLACE_USAGE, CHAT_PROMPT, "prompt_tokens"},
	{PLACE_USAGE, CHAT_COMPLETION, "completion_tokens"},
	{PLACE_USAGE, INPUT, "input_tokens"},
	{PLACE_USAGE, OUTPUT, "output_tokens"},
	{PLACE_USAGE, CACHE_READ, "cache_read_input_tokens"},
	{PLACE_USAGE, CACHE_CREATION, "cache_creation_input_tokens"},
	{PLACE_INPUT_DETAILS, INPUT_CACHED, "cached_tokens"},
	{PLACE_OUTPUT_DETAILS, OUTPUT_REASONING, "reasoning_tokens"},
};

static const struct {
	enum place within;
	enum place place;
	const char *key;
} objects[] = {
	{PLACE_ANSWER, PLACE_USAGE, "usage"},
	{PLACE_ANSWER, PLACE_USAGE, "usageMetadata"},
	{PLACE_ANSWER, PLACE_USAGE, "usage_metadata"},
	{PLACE_ANSWER, PLACE_ANSWER, "message"},
	{PLACE_ANSWER, PLACE_ANSWER, "response"},
	{PLACE_USAGE, PLACE_INPUT_DETAILS, "prompt_tokens_details"},
	{PLACE_USAGE, PLACE_INPUT_DETAILS, "input_tokens_details"},
	{PLACE_USAGE, PLACE_OUTPUT_DETAILS, "completion_tokens_details"},
	{PLACE_USAGE, PLACE_OUTPUT_DETAILS, "output_tokens_details"},
};

struct reading {
	struct json_scan scan;
	enum place places[JSON_SCAN_DEPTH_MAX + 1]; /* by depth; of the text itself: 0 */
	const char *key;			    /* of the value to come; NULL: none */
	size_t key_length;
	int64_t counted[COUNTS]; /* -1 unknown; of the usage we are in */
	struct spanring_usage usage;
	bool found;
};

static bool key_is(const struct reading *reading, const char *key)
{
	return reading->key && reading->key_length == strlen(key) &&
	       memcmp(reading->key, key, reading->key_length) == 0;
}

static enum place place_of_object(const struct reading *reading, enum place within)
{
	if (reading->scan.depth == 1 || within == PLACE_LIST)
		return PLACE_ANSWER;
	for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
		if (objects[i].within == within && key_is(reading, objects[i].key))
			return objects[i].place;
	return PLACE_OTHER;
}

static void forget_counts(struct reading *reading)
{
	for (int i = 0; i < COUNTS; i++)
		reading->counted[i] = -1;
}

static void enter(struct reading *reading, bool object)
{
	unsigned depth = reading->scan.depth;
	enum place within = reading->places[depth - 1], place = PLACE_OTHER;

	if (object)
		place = place_of_object(reading, within);
	else if (depth == 1)
		place = PLACE_LIST;
	reading->places[depth] = place;
	if (place == PLACE_USAGE)
		forget_counts(reading);
}

/* A count is a whole number of at most 18 digits; anything else is not known. */
static void take_count(struct reading *reading)
{
	const struct json_scan *scan = &reading->scan;
	enum place place = reading->places[scan->depth];
	int64_t number = 0;

	if (place < PLACE_USAGE || scan->length > 18)
		return;
	for (size_t i = 0; i < scan->length; i++) {
		if (scan->text[i] < '0' || scan->text[i] > '9')
			return;
		number = number * 10 + (scan->text[i] - '0');
	}
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		if (counts[i].place == place && key_is(reading, counts[i].key))
			reading->counted[counts[i].count] = number;
}

/* Of two parts that may both be missing; 18 digits leave room for it. */
static int64_t sum(int64_t a, int64_t b)
{
	if (a < 0)
		return b;
	return b < 0 ? a : a + b;
}

static int64_t either(int64_t a, int64_t b)
{
	return a >= 0 ? a : b;
}

static void put(struct reading *reading, int64_t *to, int64_t count)
{
	if (count < 0)
		return;
	*to = count;
	reading->found = true;
}

/* The end of a usage: its numbers, as all vendors' are to be read. */
static void settle(struct reading *reading)
{
	const int64_t *counted = reading->counted;
	struct spanring_usage *usage = &reading->usage;
	int64_t apart = -1;

	/* Anthropic's input_tokens are those that no cache had to do with. */
	if (counted[INPUT] >= 0)
		apart = sum(counted[INPUT], sum(counted[CACHE_READ], counted[CACHE_CREATION]));
	put(reading, &usage->input_tokens,
	    either(counted[CHAT_PROMPT],
		   either(apart, sum(counted[GEMINI_PROMPT], counted[GEMINI_TOOL_PROMPT]))));
	put(reading, &usage->output_tokens,
	    either(counted[CHAT_COMPLETION],
		   either(counted[OUTPUT],
			  sum(counted[GEMINI_CANDIDATES], counted[GEMINI_THOUGHTS]))));
	put(reading, &usage->cache_read_tokens,
	    either(counted[CACHE_READ], either(counted[INPUT_CACHED], counted[GEMINI_CACHED])));
	put(reading, &usage->cache_creation_tokens, counted[CACHE_CREATION]);
	put(reading, &usage->reasoning_tokens,
	    either(counted[OUTPUT_REASONING], counted[GEMINI_THOUGHTS]));
}

static void take(struct reading *reading, enum json_token token)
{
	const struct json_scan *scan = &reading->scan;

	switch (token) {
	case JSON_KEY:
		reading->key = scan->text;
		reading->key_length = scan->length;
		return;
	case JSON_OBJECT:
	case JSON_ARRAY:
		enter(reading, token == JSON_OBJECT);
		break;
	case JSON_OBJECT_END:
		if (reading->places[scan->depth + 1] == PLACE_USAGE)
			settle(reading);
		break;
	case JSON_NUMBER:
		take_count(reading);
		break;
	default:
		break;
	}
	reading->key = NULL;
}

int spanring_usage_from_json(struct spanring_usage *usage, const char *json, size_t length)
{
	struct reading reading;
	int token;

	if (!json)
		return -EBADMSG;
	json_scan_init(&reading.scan, json, length);
	reading.places[0] = PLACE_OTHER;
	reading.key = NULL;
	reading.usage = *usage;
	reading.found = false;
	forget_counts(&reading);
	while ((token = json_scan_next(&reading.scan)) > 0)
		take(&reading, (enum json_token)token);
	if (token < 0)
		return token;
	*usage = reading.usage;
	return reading.found;
}
