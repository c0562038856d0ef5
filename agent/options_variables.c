#include "options_variables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/headers.h"
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

/* 0: `pair` can be sent beside `count` others. -EINVAL: `error` says why not.
 * -ENOMEM. */
static int check_header(const char *pair, unsigned count, char *error, size_t len)
{
	struct headers headers = {0};
	int r = headers_parse(&headers, pair, error, len);

	headers_fini(&headers);
	if (r < 0 || count < EXPORT_HEADERS_MAX)
		return r;
	(void)snprintf(error, len, "headers: at most %d entries", EXPORT_HEADERS_MAX);
	return -EINVAL;
}

/* Takes `text` apart; `error` is about the first that is left out. -ENOMEM. */
static int keep_headers(char *text, struct buf *kept, char *error, size_t len,
			unsigned *left_out)
{
	unsigned count = 0;
	char why[256], *pair;
	int r;

	while ((pair = strsep(&text, ","))) {
		if (!pair[strspn(pair, " \t")])
			continue;
		r = check_header(pair, count, why, sizeof why);
		if (r == -ENOMEM)
			return r;
		if (r == 0) {
			(void)buf_append_text(kept, count++ ? "," : "");
			(void)buf_append_text(kept, pair);
		} else if ((*left_out)++ == 0) {
			(void)snprintf(error, len, "%s", why);
		}
	}
	return buf_append_byte(kept, 0);
}

static void tell_left_out(const char *variable, const char *error, unsigned left_out,
			  options_say_fn *say, void *say_arg)
{
	char line[512], others[48] = "";

	if (left_out > 1)
		(void)snprintf(others, sizeof others, ", and so are %u more", left_out - 1);
	(void)snprintf(line, sizeof line, "%s: %s; this one is left out%s", variable, error,
		       others);
	say(say_arg, line);
}

int variable_headers(const char *variable, const char *value, struct buf *kept,
		     options_say_fn *say, void *say_arg)
{
	char *copy = strdup(value), error[256];
	unsigned left_out = 0;
	int r = copy ? keep_headers(copy, kept, error, sizeof error, &left_out) : -ENOMEM;

	if (left_out)
		tell_left_out(variable, error, left_out, say, say_arg);
	/* It may be a credential. */
	if (copy)
		explicit_bzero(copy, strlen(value));
	free(copy);
	return r;
}

void variable_config_file(options_say_fn *say, void *say_arg)
{
	const char *path = value_of("OTEL_CONFIG_FILE");
	char line[512];

	if (!path)
		return;
	(void)snprintf(
		line, sizeof line,
		"OTEL_CONFIG_FILE: %.200s, a declarative configuration for SDKs, is not "
		"read here and changes nothing: the agent's own file is that of --config, "
		"and other variables go on to count",
		path);
	say(say_arg, line);
}
