/* The value of one setting, from its text. */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "archive/name_template.h"
#include "options_table.h"
#include "options_value.h"

const char setting_no_memory[] = "out of memory";

const char *setting_text(void *at, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return setting_no_memory;
	free(*(char **)at);
	*(char **)at = copy;
	return NULL;
}

static const char *parse_flag(void *at, const char *text, const char *const *words,
			      const char *right)
{
	uint32_t which;

	if (!option_word(text, words, &which))
		return right;
	*(bool *)at = which & 1;
	return NULL;
}

static const char *parse_duration(void *at, const char *text, bool may_be_bare)
{
	bool is_bare = text[strspn(text, "0123456789 ")] == '\0';
	uint64_t ns;

	if (!option_duration(text, &ns) || (is_bare && ns > 0 && !may_be_bare))
		return "a duration with its unit, such as 250ms, 10s, 5m or 30d";
	*(uint64_t *)at = ns;
	return NULL;
}

static const char *parse_level(void *at, const char *text)
{
	static const char *const words[] = {"error", "warning", "info", "debug", NULL};
	static const uint32_t levels[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
	uint32_t which;

	if (!option_word(text, words, &which))
		return "error, warning, info or debug";
	*(uint32_t *)at = levels[which];
	return NULL;
}

static const char *parse_root(struct options *options, const char *text)
{
	if (options->archive_root_count == OPTIONS_ROOTS_MAX)
		return "at most 64 names";
	return setting_text(&options->archive_roots[options->archive_root_count++], text);
}

static const char *parse_name(void *at, const char *text)
{
	static char reason[NAME_REASON_BYTES]; /* read before the next value is */
	const char *wrong = name_template_check(text, reason);

	return wrong ? wrong : setting_text(at, text);
}

const char *setting_parse(void *base, const struct setting *setting, const char *text,
			  bool may_be_bare)
{
	static const char *const truth[] = {"false", "true", "no", "yes", "off", "on", NULL};
	static const char *const sync[] = {"interval", "each", NULL};
	static const char *const uring[] = {"never", "auto", NULL};
	void *at = (char *)base + setting->offset;

	switch (setting->type) {
	case TYPE_TEXT:
	case TYPE_SECRET:
		return setting_text(at, text);
	case TYPE_NAME:
		return parse_name(at, text);
	case TYPE_BOOL:
		return parse_flag(at, text, truth, "true or false");
	case TYPE_SYNC:
		return parse_flag(at, text, sync, "interval or each");
	case TYPE_AUTO_NEVER:
		return parse_flag(at, text, uring, "auto or never");
	case TYPE_COUNT:
		return option_count(text, at) ? NULL : "a whole number from 1 up";
	case TYPE_LIMIT:
		return option_limit(text, at) ? NULL : "a whole number, 0 for no limit";
	case TYPE_SIZE:
		return option_size(text, at) ? NULL : "a size such as 64MiB or 2GiB";
	case TYPE_DURATION:
		return parse_duration(at, text, may_be_bare);
	case TYPE_LEVEL:
		return parse_level(at, text);
	case TYPE_LIST:
		return parse_root(base, text);
	case TYPE_PROTOCOL:
		return option_word(text, protocol_words, at)
			       ? NULL
			       : "grpc, http/protobuf, http/json, console or otlp/stdout";
	case TYPE_COMPRESSION:
		return option_word(text, compression_words, at) ? NULL
								: "none, gzip, zstd or auto";
	case TYPE_ACTION:
		return option_word(text, action_words, at) ? NULL : "mask, drop or hash";
	}
	return "a known type";
}
