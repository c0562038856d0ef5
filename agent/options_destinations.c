/* The list of destinations beside the one of export.*: which there are, and
 * whether each can be used. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/headers.h"
#include "export/options.h"
#include "options_table.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-"

void *destination_base(struct options *options, uint32_t i)
{
	return (char *)&options->destinations[i] - offsetof(struct options, export);
}

const struct destination_settings *options_destination(const struct options *options,
						       uint32_t nth)
{
	if (!options->export_enabled)
		return NULL;
	if (options->export_default && nth == 0)
		return &options->export;
	nth -= options->export_default;
	return nth < options->destination_count ? &options->destinations[nth] : NULL;
}

/* NULL, or what is wrong with the name of the list's i-th entry. The log knows a
 * destination by its name, so there cannot be two of one. */
static const char *name_fault(const struct options *options, uint32_t i)
{
	const char *name = options->destinations[i].name;

	if (!*name)
		return "every destination needs a name";
	if (strlen(name) > OPTIONS_NAME_MAX || name[strspn(name, NAME_CHARACTERS)])
		return "a name has at most 15 letters, digits or . _ / -";
	if (strcmp(name, OPTIONS_DESTINATION_DEFAULT) == 0)
		return "otlp is the one of export.*; choose another name";
	for (uint32_t before = 0; before < i; before++)
		if (strcmp(options->destinations[before].name, name) == 0)
			return "another destination has this name; choose another one";
	return NULL;
}

static int replace(char **text, const char *with)
{
	char *copy = strdup(with);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

/* Behind it there is nothing to be put. */
static bool is_url(const char *text)
{
	size_t len = strlen(text), end = strlen(ENDPOINT_URL_PATH);

	return len >= end && strcmp(text + len - end, ENDPOINT_URL_PATH) == 0;
}

/* One that is too long is left for endpoint_parse() to refuse. */
static int make_url(struct destination_settings *chosen)
{
	char url[1024];

	if (endpoint_url_of_base(chosen->endpoint, url, sizeof url) < 0)
		return 0;
	return replace(&chosen->endpoint, url);
}

static int make_url_of_key(struct destination_settings *chosen)
{
	bool asked = export_over_http((enum export_protocol)chosen->protocol) &&
		     chosen->endpoint && !is_url(chosen->endpoint);

	return asked ? make_url(chosen) : 0;
}

static int make_default_url(struct destination_settings *chosen, enum endpoint_said said)
{
	if (!export_over_http((enum export_protocol)chosen->protocol))
		return 0;
	switch (said) {
	case ENDPOINT_SAID_BY_NOBODY:
		return replace(&chosen->endpoint, ENDPOINT_URL_DEFAULT);
	case ENDPOINT_SAID_BY_KEY:
		return make_url_of_key(chosen);
	case ENDPOINT_SAID_BY_VARIABLE:
		return make_url(chosen);
	case ENDPOINT_SAID_WHOLE:
		break;
	}
	return 0;
}

int options_make_urls(struct options *options, enum endpoint_said said)
{
	int r = make_default_url(&options->export, said);

	for (uint32_t i = 0; r == 0 && i < options->destination_count; i++)
		r = make_url_of_key(&options->destinations[i]);
	return r;
}

static const char *fault(struct destination_settings *chosen, char *error, size_t len)
{
	struct endpoint endpoint;
	struct headers headers;

	if (export_endpoint_parse((enum export_protocol)chosen->protocol, &endpoint,
				  chosen->endpoint, error, len) < 0)
		return "endpoint";
	if (headers_load(&headers, chosen->headers, chosen->headers_file, error, len) < 0)
		return "headers";
	headers_fini(&headers);
	if (chosen->streams > EXPORT_STREAMS_LIMIT)
		chosen->streams = EXPORT_STREAMS_LIMIT;
	if (chosen->batch_bytes <= chosen->request_bytes)
		return NULL;
	(void)snprintf(error, len, "it is larger than request_max; lower it");
	return "batch_bytes";
}

static bool say_fault(options_say_fn *say, void *arg, const char *where, const char *member,
		      const char *what)
{
	char line[384];

	(void)snprintf(line, sizeof line, "%s.%s: %s", where, member, what);
	say(arg, line);
	return false;
}

static bool check_listed(struct options *options, uint32_t i, options_say_fn *say, void *arg)
{
	struct destination_settings *chosen = &options->destinations[i];
	char where[32], error[256];
	const char *wrong = name_fault(options, i);

	(void)snprintf(where, sizeof where, "destinations[%u]", i);
	if (wrong)
		return say_fault(say, arg, where, "name", wrong);
	if (!chosen->endpoint && !export_to_console((enum export_protocol)chosen->protocol))
		return say_fault(say, arg, where, "endpoint",
				 "where it is, such as https://host:4317");
	wrong = fault(chosen, error, sizeof error);
	return wrong ? say_fault(say, arg, where, wrong, error) : true;
}

/* Of the one of export.*. Its endpoint may be a variable's, which then has the name. */
static bool check_default(struct options *options, const char *endpoint_name,
			  options_say_fn *say, void *arg)
{
	char error[256], line[384];
	const char *wrong = fault(&options->export, error, sizeof error);

	if (!wrong)
		return true;
	if (strcmp(wrong, "endpoint") != 0)
		return say_fault(say, arg, "export", wrong, error);
	(void)snprintf(line, sizeof line, "%s: %s", endpoint_name, error);
	say(arg, line);
	return false;
}

bool options_check_destinations(struct options *options, const char *endpoint_name,
				options_say_fn *say, void *arg)
{
	for (uint32_t i = 0; i < options->destination_count; i++)
		if (!check_listed(options, i, say, arg))
			return false;
	if (!options->export_enabled || !options->export_default)
		return true;
	return check_default(options, endpoint_name, say, arg);
}
