#include "run_facts.h"

#define PREFIX "spanring.run."

static void read_list(json_t **list, json_t *value)
{
	*list = json_object_get(json_object_get(value, "arrayValue"), "values");
}

static bool read_number(struct run_facts *facts, const char *key, json_t *value)
{
	const struct {
		const char *key;
		int64_t *to;
	} numbers[] = {
		{"spans", &facts->spans},
		{"errors", &facts->errors},
		{"closed_spans", &facts->closed_spans},
		{"dropped_spans", &facts->dropped_spans},
		{"dropped_records", &facts->dropped_records},
		{"input_tokens", &facts->input_tokens},
		{"output_tokens", &facts->output_tokens},
	};
	int64_t number;

	if (!otlp_value_int(value, &number))
		return false;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(key, numbers[i].key) == 0)
			*numbers[i].to = number;
	if (strcmp(key, "start_unix_nano") == 0)
		facts->start_ns = (uint64_t)number;
	if (strcmp(key, "end_unix_nano") == 0)
		facts->end_ns = (uint64_t)number;
	return true;
}

static void read_fact(struct run_facts *facts, const char *key, json_t *value)
{
	const char *text = otlp_string(json_object_get(value, "stringValue"));

	if (read_number(facts, key, value))
		return;
	if (strcmp(key, "complete") == 0) {
		facts->present = true;
		facts->complete = json_is_true(json_object_get(value, "boolValue"));
	} else if (strcmp(key, "id") == 0) {
		facts->id = text;
	} else if (strcmp(key, "name") == 0) {
		facts->name = text;
	} else if (strcmp(key, "goal") == 0) {
		facts->goal = text;
	} else if (strcmp(key, "incomplete_reason") == 0) {
		read_list(&facts->incomplete_reason, value);
	} else if (strcmp(key, "modules") == 0) {
		read_list(&facts->modules, value);
	} else if (strcmp(key, "exit_codes") == 0) {
		read_list(&facts->exit_codes, value);
	}
}

void run_facts_read(struct run_facts *facts, json_t *resource)
{
	json_t *attribute;
	size_t i;

	*facts = (struct run_facts){
		.id = "", .name = "", .goal = "", .input_tokens = -1, .output_tokens = -1};
	json_array_foreach (json_object_get(resource, "attributes"), i, attribute) {
		const char *key = otlp_string(json_object_get(attribute, "key"));

		if (strncmp(key, PREFIX, strlen(PREFIX)) == 0)
			read_fact(facts, key + strlen(PREFIX),
				  json_object_get(attribute, "value"));
	}
}

json_t *run_facts_list(json_t *list)
{
	json_t *strings = json_array(), *value;
	struct buf text = BUF_INIT;
	size_t i;

	json_array_foreach (list, i, value) {
		buf_reset(&text);
		otlp_value_text(&text, value);
		(void)json_array_append_new(
			strings, json_stringn(text.len ? (const char *)text.at : "", text.len));
	}
	buf_fini(&text);
	return strings;
}

bool run_facts_only_quiet(const json_t *reasons)
{
	const char *reason = json_string_value(json_array_get(reasons, 0));

	return json_array_size(reasons) == 1 && reason && strcmp(reason, "end not said") == 0;
}

void run_facts_words(struct buf *out, json_t *strings)
{
	json_t *string;
	size_t i;

	json_array_foreach (strings, i, string)
		(void)buf_printf(out, "%s%s", i ? ", " : "", otlp_string(string));
}
