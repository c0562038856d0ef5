#include "redact/globs.h"

#include <errno.h>
#include <stdlib.h>

static uint8_t fold(uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return byte + ('a' - 'A');
	return byte == '-' ? '_' : byte;
}

bool list_next(const char **at, struct bytes *ret_item)
{
	const char *begin, *end;

	if (!*at)
		return false;
	begin = *at + strspn(*at, ", \t\n");
	if (!*begin)
		return false;
	end = begin + strcspn(begin, ",");
	*at = end;
	while (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n')
		end--;
	*ret_item = (struct bytes){(const uint8_t *)begin, (size_t)(end - begin)};
	return true;
}

int globs_init(struct globs *globs, const char *list)
{
	struct bytes item;
	char *to;

	*globs = (struct globs){NULL, 0};
	if (!list || !*list)
		return 0;
	/* An item takes its NUL where its comma was. */
	to = globs->text = malloc(strlen(list) + 1);
	if (!to)
		return -ENOMEM;
	while (list_next(&list, &item)) {
		for (size_t i = 0; i < item.len; i++)
			*to++ = (char)fold(item.at[i]);
		*to++ = '\0';
		globs->count++;
	}
	return 0;
}

void globs_fini(struct globs *globs)
{
	free(globs->text);
	*globs = (struct globs){NULL, 0};
}

/* The last star is the only one that must be gone back to. */
static bool glob_match(const char *glob, struct bytes key)
{
	const char *star = NULL;
	size_t at = 0, star_at = 0;

	while (at < key.len) {
		if (*glob == '*') {
			star = ++glob;
			star_at = at;
		} else if (*glob && (*glob == '?' || (uint8_t)*glob == fold(key.at[at]))) {
			glob++;
			at++;
		} else if (star) {
			glob = star;
			at = ++star_at;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}

bool globs_match(const struct globs *globs, struct bytes key)
{
	const char *glob = globs->text;

	for (uint32_t i = 0; i < globs->count; i++, glob += strlen(glob) + 1)
		if (glob_match(glob, key))
			return true;
	return false;
}
