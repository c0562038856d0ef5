#include "export/headers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "export/header_check.h"

/* Decodes in place; the result is never longer. */
static bool percent_decode(char *text)
{
	char *to = text;

	for (; *text; text++, to++) {
		if (*text != '%') {
			*to = *text;
			continue;
		}
		if (hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
			return false;
		if (text[1] == '0' && text[2] == '0')
			return false; /* would end the value early */
		*to = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
		text += 2;
	}
	*to = '\0';
	return true;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		text[--len] = '\0';
	return text;
}

/* HTTP/2 wants lower case; upper case is made so rather than refused. */
static void lower(char *name)
{
	for (; *name; name++)
		if (*name >= 'A' && *name <= 'Z')
			*name = (char)(*name - 'A' + 'a');
}

static int parse_one(struct headers *headers, char *pair, char *error, size_t len)
{
	char *equals = strchr(pair, '='), *name, *value;

	if (!equals) {
		(void)snprintf(error, len, "headers: every entry is name=value");
		return -EINVAL;
	}
	*equals = '\0';
	name = trim(pair);
	value = trim(equals + 1);
	lower(name);
	if (header_check(&(struct export_header){name, ""}) < 0) {
		(void)snprintf(error, len,
			       "headers: '%.40s' cannot be a header's name (letters, digits, "
			       "- _ . and none that gRPC sets itself)",
			       name);
		return -EINVAL;
	}
	if (!percent_decode(value) || header_check(&(struct export_header){name, value}) < 0) {
		(void)snprintf(error, len,
			       "headers: the value of '%.40s' must be printable ASCII, "
			       "percent-encoded where needed",
			       name);
		return -EINVAL;
	}
	if (headers->count == EXPORT_HEADERS_MAX) {
		(void)snprintf(error, len, "headers: at most %d entries", EXPORT_HEADERS_MAX);
		return -EINVAL;
	}
	headers->entries[headers->count++] = (struct export_header){name, value};
	return 0;
}

int headers_parse(struct headers *ret_headers, const char *text, char *error, size_t len)
{
	struct headers headers = {0};
	char *rest, *pair;
	int r = 0;

	if (text && *text) {
		headers.memory = strdup(text);
		if (!headers.memory)
			return -ENOMEM;
		rest = headers.memory;
		while (r == 0 && (pair = strsep(&rest, ","))) {
			pair = trim(pair);
			if (*pair)
				r = parse_one(&headers, pair, error, len);
		}
	}
	if (r < 0) {
		free(headers.memory);
		return r;
	}
	*ret_headers = headers;
	return 0;
}

void headers_fini(struct headers *headers)
{
	free(headers->memory);
	*headers = (struct headers){0};
}
