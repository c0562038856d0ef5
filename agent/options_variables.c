#include "options_variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_value.h"

static void tell(const char *variable, const char *value, const char *right,
		 options_say_fn *say, void *say_arg)
{
	char line[512];

	(void)snprintf(line, sizeof line, "%s: '%.200s' is not right; write %s", variable,
		       value, right);
	say(say_arg, line);
}

/* NULL: not set, or empty, which is the same. */
static const char *value_of(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value ? value : NULL;
}

unsigned variable_exporters(options_say_fn *say, void *say_arg)
{
	static const char *const words[] = {[EXPORTER_NONE] = "none",
					    [EXPORTER_OTLP] = "otlp",
					    [EXPORTER_CONSOLE] = "console",
					    [EXPORTER_STDOUT] = "otlp/stdout",
					    NULL};
	const char *text = value_of(VARIABLE_EXPORTER), *end;
	unsigned named = 0;
	uint32_t which;
	char word[64];

	for (; text && *text; text = *end ? end + 1 : end) {
		text += strspn(text, " \t");
		end = text + strcspn(text, ",");
		(void)snprintf(word, sizeof word, "%.*s", (int)(end - text), text);
		word[strcspn(word, " \t")] = '\0';
		if (!*word)
			continue;
		if (option_word(word, words, &which))
			named |= 1u << which;
		else
			tell(VARIABLE_EXPORTER, word,
			     "otlp, console, otlp/stdout or none; ignored", say, say_arg);
	}
	return named;
}

void variable_queue_size(struct options *options, options_say_fn *say, void *say_arg)
{
	static const char variable[] = "OTEL_BSP_MAX_QUEUE_SIZE";
	const char *text = value_of(variable);
	uint32_t queue;

	if (!text)
		return;
	if (!option_count(text, &queue))
		tell(variable, text, "a whole number from 1 up; ignored", say, say_arg);
	else if (queue < options->export.batch_spans)
		options->export.batch_spans = queue;
}

void variable_config_file(options_say_fn *say, void *say_arg)
{
	const char *path = value_of("OTEL_CONFIG_FILE");
	char line[512];

	if (!path)
		return;
	(void)snprintf(line, sizeof line,
		       "OTEL_CONFIG_FILE: %.200s configures SDKs and is not read here; write "
		       "--config FILE for the agent",
		       path);
	say(say_arg, line);
}
