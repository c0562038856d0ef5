/* Settings read again while the agent runs: what is live is taken over. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "options_kinds.h"
#include "options_redact.h"
#include "options_table.h"
#include "options_value.h"

static size_t value_size(const struct setting *setting)
{
	switch (setting->type) {
	case TYPE_TEXT:
	case TYPE_NAME:
	case TYPE_SECRET:
		return sizeof(char *);
	case TYPE_BOOL:
	case TYPE_SYNC:
	case TYPE_AUTO_NEVER:
		return sizeof(bool);
	case TYPE_COUNT:
	case TYPE_LIMIT:
	case TYPE_LEVEL:
	case TYPE_PROTOCOL:
	case TYPE_COMPRESSION:
	case TYPE_ACTION:
		return sizeof(uint32_t);
	case TYPE_SIZE:
	case TYPE_DURATION:
		return sizeof(uint64_t);
	case TYPE_LIST:
		break;
	}
	return sizeof((struct options *)0)->archive_roots;
}

static bool same_roots(const struct options *a, const struct options *b)
{
	if (a->archive_root_count != b->archive_root_count)
		return false;
	for (uint32_t i = 0; i < a->archive_root_count; i++)
		if (!option_same_text(a->archive_roots[i], b->archive_roots[i]))
			return false;
	return true;
}

/* Of two options, or of two destination_base(). */
static bool same(const void *a, const void *b, const struct setting *setting)
{
	const void *left = (const char *)a + setting->offset;
	const void *right = (const char *)b + setting->offset;

	if (setting->type == TYPE_LIST)
		return same_roots(a, b);
	if (setting->type == TYPE_TEXT || setting->type == TYPE_SECRET ||
	    setting->type == TYPE_NAME)
		return option_same_text(*(char *const *)left, *(char *const *)right);
	return memcmp(left, right, value_size(setting)) == 0;
}

bool destination_same(const struct destination_settings *a,
		      const struct destination_settings *b)
{
	/* Settings tell where they are in options, whose `export` these stand for. */
	const char *left = (const char *)a - offsetof(struct options, export);
	const char *right = (const char *)b - offsetof(struct options, export);

	for (size_t i = 0; i < settings_count; i++)
		if (setting_of_destination(&settings[i]) && !same(left, right, &settings[i]))
			return false;
	return true;
}

static void exchange_root_counts(struct options *a, struct options *b)
{
	uint32_t count = a->archive_root_count;

	a->archive_root_count = b->archive_root_count;
	b->archive_root_count = count;
}

/* Exchanged, so that each struct still owns what it holds. */
static void exchange(void *a, void *b, const struct setting *setting)
{
	char *left = (char *)a + setting->offset, *right = (char *)b + setting->offset;

	for (size_t i = 0; i < value_size(setting); i++) {
		char byte = left[i];

		left[i] = right[i];
		right[i] = byte;
	}
	if (setting->type == TYPE_LIST)
		exchange_root_counts(a, b);
}

struct adoption {
	options_say_fn *say;
	void *say_arg;
	unsigned changed;
};

/* `place` stands in front of the key's last part; NULL: the key is whole. */
static void adopt(struct adoption *adoption, void *base, void *fresh,
		  const struct setting *setting, const char *place)
{
	char line[256];

	if (same(base, fresh, setting))
		return;
	if (setting->live) {
		exchange(base, fresh, setting);
		adoption->changed++;
	}
	(void)snprintf(line, sizeof line,
		       setting->live ? "%s%s changed"
				     : "%s%s was changed in the configuration; it takes "
				       "effect with a restart",
		       place ? place : "", place ? strchr(setting->key, '.') : setting->key);
	adoption->say(adoption->say_arg, line);
}

static void adopt_kinds(struct adoption *adoption, struct options *options,
			struct options *fresh)
{
	if (options_kinds_same(options, fresh))
		return;
	options_kinds_exchange(options, fresh);
	adoption->changed++;
	adoption->say(adoption->say_arg, "kinds changed");
}

bool options_same_destinations(const struct options *a, const struct options *b)
{
	if (a->export_enabled != b->export_enabled || a->export_default != b->export_default ||
	    a->destination_count != b->destination_count)
		return false;
	for (uint32_t i = 0; i < a->destination_count; i++)
		if (strcmp(a->destinations[i].name, b->destinations[i].name) != 0)
			return false;
	return true;
}

static void adopt_list(struct adoption *adoption, struct options *options,
		       struct options *fresh)
{
	char place[32];

	for (uint32_t d = 0; d < options->destination_count; d++) {
		(void)snprintf(place, sizeof place, "destinations[%u]", d);
		for (size_t i = 0; i < settings_count; i++)
			if (setting_of_destination(&settings[i]))
				adopt(adoption, destination_base(options, d),
				      destination_base(fresh, d), &settings[i], place);
	}
}

unsigned options_adopt(struct options *options, struct options *fresh, options_say_fn *say,
		       void *say_arg)
{
	struct adoption adoption = {say, say_arg, 0};
	bool same_destinations = options_same_destinations(options, fresh);

	for (size_t i = 0; i < settings_count; i++)
		if (same_destinations || !setting_of_destination(&settings[i]))
			adopt(&adoption, options, fresh, &settings[i], NULL);
	adopt_kinds(&adoption, options, fresh);
	if (!options_redact_same(options, fresh))
		say(say_arg, "redact.rules was changed in the configuration; it takes effect "
			     "with a restart");
	if (same_destinations)
		adopt_list(&adoption, options, fresh);
	else
		say(say_arg, "which destinations there are was changed in the configuration; "
			     "it takes effect with a restart, and so does what is said of "
			     "each");
	return adoption.changed;
}
