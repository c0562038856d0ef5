/* The list of destinations beside the one of export.*: which there are, and
 * whether each can be used. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "export/endpoint.h"
#include "export/headers.h"
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

static const char *fault(struct destination_settings *chosen, char *error, size_t len)
{
	struct endpoint endpoint;
	struct headers headers;

	if (endpoint_parse(&endpoint, chosen->endpoint, error, len) < 0)
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
	if (!chosen->endpoint)
		return say_fault(say, arg, where, "endpoint",
				 "where it is, such as https://host:4317");
	wrong = fault(chosen, error, sizeof error);
	return wrong ? say_fault(say, arg, where, wrong, error) : true;
}

bool options_check_destinations(struct options *options, options_say_fn *say, void *arg)
{
	char error[256];
	const char *wrong;

	for (uint32_t i = 0; i < options->destination_count; i++)
		if (!check_listed(options, i, say, arg))
			return false;
	if (!options->export_enabled || !options->export_default)
		return true;
	wrong = fault(&options->export, error, sizeof error);
	return wrong ? say_fault(say, arg, "export", wrong, error) : true;
}
