/* Settings read again while the agent runs: what is live is taken over. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "options_table.h"

static size_t value_size(const struct setting *setting)
{
	switch (setting->type) {
	case TYPE_TEXT:
	case TYPE_SECRET:
		return sizeof(char *);
	case TYPE_BOOL:
	case TYPE_SYNC:
	case TYPE_AUTO_NEVER:
		return sizeof(bool);
	case TYPE_COUNT:
	case TYPE_LEVEL:
		return sizeof(uint32_t);
	case TYPE_SIZE:
	case TYPE_DURATION:
		return sizeof(uint64_t);
	case TYPE_LIST:
		break;
	}
	return sizeof((struct options *)0)->archive_roots;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_roots(const struct options *a, const struct options *b)
{
	if (a->archive_root_count != b->archive_root_count)
		return false;
	for (uint32_t i = 0; i < a->archive_root_count; i++)
		if (!same_text(a->archive_roots[i], b->archive_roots[i]))
			return false;
	return true;
}

static bool same(const struct options *a, const struct options *b,
		 const struct setting *setting)
{
	const void *left = (const char *)a + setting->offset;
	const void *right = (const char *)b + setting->offset;

	if (setting->type == TYPE_LIST)
		return same_roots(a, b);
	if (setting->type == TYPE_TEXT || setting->type == TYPE_SECRET)
		return same_text(*(char *const *)left, *(char *const *)right);
	return memcmp(left, right, value_size(setting)) == 0;
}

/* Exchanged, so that each struct still owns what it holds. */
static void exchange(struct options *a, struct options *b, const struct setting *setting)
{
	char *left = (char *)a + setting->offset, *right = (char *)b + setting->offset;
	uint32_t count = a->archive_root_count;

	for (size_t i = 0; i < value_size(setting); i++) {
		char byte = left[i];

		left[i] = right[i];
		right[i] = byte;
	}
	if (setting->type != TYPE_LIST)
		return;
	a->archive_root_count = b->archive_root_count;
	b->archive_root_count = count;
}

unsigned options_adopt(struct options *options, struct options *fresh, options_say_fn *say,
		       void *say_arg)
{
	unsigned changed = 0;
	char line[256];

	for (size_t i = 0; i < settings_count; i++) {
		if (same(options, fresh, &settings[i]))
			continue;
		if (settings[i].live) {
			exchange(options, fresh, &settings[i]);
			changed++;
		}
		(void)snprintf(line, sizeof line,
			       settings[i].live ? "%s changed"
						: "%s was changed in the configuration; it "
						  "takes effect with a restart",
			       settings[i].key);
		say(say_arg, line);
	}
	return changed;
}
