#include "export/headers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hex.h"
#include "export/header_check.h"

#define FILE_BYTES_MAX ((size_t)64 << 10)

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

/* Behind what is in `all`, as entries between commas. */
static int file_append(struct buf *all, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	size_t before;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	(void)buf_append_byte(all, ',');
	before = all->len;
	do {
		if (buf_reserve(all, FILE_BYTES_MAX) < 0)
			break;
		n = read(fd, all->at + all->len, FILE_BYTES_MAX);
		if (n < 0)
			r = -errno;
		all->len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && all->len - before <= FILE_BYTES_MAX);
	(void)close(fd); /* only read */
	if (buf_failed(all))
		return -ENOMEM;
	if (r < 0)
		return r;
	if (all->len - before > FILE_BYTES_MAX)
		return -EFBIG;
	if (memchr(all->at + before, 0, all->len - before))
		return -EINVAL;
	for (size_t at = before; at < all->len; at++)
		if (all->at[at] == '\n' || all->at[at] == '\r')
			all->at[at] = ',';
	return 0;
}

int headers_load(struct headers *ret_headers, const char *text, const char *path, char *error,
		 size_t len)
{
	struct buf all = BUF_INIT;
	int r;

	if (!path || !*path)
		return headers_parse(ret_headers, text, error, len);
	(void)buf_append_text(&all, text ? text : "");
	r = file_append(&all, path);
	if (r < 0)
		(void)snprintf(error, len, "headers_file: %.200s cannot be used: %s", path,
			       strerror(-r));
	else if (buf_append_byte(&all, 0) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = headers_parse(ret_headers, (const char *)all.at, error, len);
	/* It may be a credential. */
	if (all.at)
		explicit_bzero(all.at, all.cap);
	buf_fini(&all);
	return r;
}

bool headers_equal(const struct headers *a, const struct headers *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->entries[i].name, b->entries[i].name) != 0 ||
		    strcmp(a->entries[i].value, b->entries[i].value) != 0)
			return false;
	return true;
}

void headers_fini(struct headers *headers)
{
	free(headers->memory);
	*headers = (struct headers){0};
}
