/* What the configuration says of redaction, as text; redactor_new() makes rules
 * of it. */
#ifndef REDACT_SETTINGS_H
#define REDACT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define REDACT_OWN_RULES_MAX 24

enum redact_action {
	REDACT_MASK, /* what was found becomes [redacted:RULE] */
	REDACT_DROP, /* the value it was found in goes */
	REDACT_HASH, /* as MASK, with a keyed hash: equal secrets stay equal */
};

/* A rule of the configuration. Lists are texts with commas. */
struct redact_rule_settings {
	char *name;
	uint32_t action; /* enum redact_action */
	char *keys;	 /* globs; only values under these. NULL: under any, or none */
	char *except;	 /* globs; never values under these */
	char *pattern;	 /* PCRE2; what is found goes. NULL: the whole value */
	char *contains;	 /* a text without which the pattern never matches */
	bool everywhere; /* false: only where a destination or the archive names it */
};

struct redact_settings {
	bool enabled;
	uint32_t action;     /* of the built-in rules */
	char *enable;	     /* names of built-in rules that are off */
	char *disable;	     /* ... and of those that are on */
	char *allow_keys;    /* globs; attributes under other keys go */
	char *hash_key_file; /* for REDACT_HASH */
	uint32_t match_limit;
	uint64_t value_bytes_max;
	struct redact_rule_settings rules[REDACT_OWN_RULES_MAX];
	uint32_t rule_count;
};

#endif
