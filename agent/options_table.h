/* The table of settings: what options.c reads and options_show.c prints. */
#ifndef AGENT_OPTIONS_TABLE_H
#define AGENT_OPTIONS_TABLE_H

#include "options.h"

enum setting_type {
	TYPE_TEXT,
	TYPE_SECRET, /* as TEXT; never shown, not taken from the command line */
	TYPE_BOOL,
	TYPE_COUNT,	  /* uint32_t, at least 1 */
	TYPE_LIMIT,	  /* uint32_t, 0: none */
	TYPE_SIZE,	  /* uint64_t bytes: 64MiB, 2G, 4096 */
	TYPE_DURATION,	  /* uint64_t ns: 10s, 250ms; a bare number is milliseconds */
	TYPE_SYNC,	  /* interval | each */
	TYPE_AUTO_NEVER,  /* auto | never */
	TYPE_LEVEL,	  /* error | warning | info | debug */
	TYPE_LIST,	  /* archive.roots */
	TYPE_NAME,	  /* archive.name */
	TYPE_PROTOCOL,	  /* enum export_protocol, by its word */
	TYPE_COMPRESSION, /* enum compression, by its word; auto is COMPRESSIONS */
	TYPE_ACTION,	  /* enum redact_action, by its word */
};

struct setting {
	const char *key;
	enum setting_type type;
	size_t offset;
	const char *fallback; /* NULL: found at run time */
	const char *environment[3];
	const char *help;
	bool live; /* a reload takes it over; else it waits for a restart */
};

/* Sets one value; `base` is the options, or a destination_base(). NULL, or what the
 * value should have been: told apart from a wrong value by its address,
 * setting_no_memory. `may_be_bare`: a duration without its unit is milliseconds. */
const char *setting_parse(void *base, const struct setting *setting, const char *text,
			  bool may_be_bare);
extern const char setting_no_memory[];
/* The same of a text that is at `at`. */
const char *setting_text(void *at, const char *text);

extern const struct setting settings[];
extern const size_t settings_count;

/* The words of TYPE_PROTOCOL, in the order of enum export_protocol, and NULL. */
extern const char *const protocol_words[];
/* Of TYPE_COMPRESSION, likewise. */
extern const char *const compression_words[];
/* Of TYPE_ACTION, likewise. */
extern const char *const action_words[];

/* Whether an entry of `destinations` has this setting, too. */
bool setting_of_destination(const struct setting *setting);
/* What takes the place of `options` when such a setting of the list's i-th entry
 * is meant: its value is at this plus the setting's offset. */
void *destination_base(struct options *options, uint32_t i);
/* Who said export.endpoint. */
enum endpoint_said {
	ENDPOINT_SAID_BY_NOBODY,
	ENDPOINT_SAID_BY_KEY,
	ENDPOINT_SAID_BY_VARIABLE,
	ENDPOINT_SAID_WHOLE, /* by the variable whose URL is used as it is */
};

/* Endpoints of OTLP/HTTP are base URLs until here, and the URLs that requests go to
 * from here on. What a key says may be that already, as --check-config shows it; a
 * variable means what the specification says. -ENOMEM. */
int options_make_urls(struct options *options, enum endpoint_said said);
/* False after `say` told which destination cannot be as it is. `endpoint_name` is what
 * said export.endpoint: the key, or a variable. */
bool options_check_destinations(struct options *options, const char *endpoint_name,
				options_say_fn *say, void *arg);

#endif
