/* The engine: finds in a text, or under a key, what the rules say, and writes what
 * may stay. Knows nothing of records or messages; see records.h and message.h. One
 * thread; what it finds is valid until it is asked again.
 *
 * It fails closed: a text about which a limit leaves it undecided is one that goes. */
#ifndef REDACT_REDACTOR_H
#define REDACT_REDACTOR_H

#include "redact/rules.h"
#include "redact/scan.h"

#define REDACT_UNDECIDED REDACT_RULES_MAX /* stands for a rule where no rule was the reason */
#define REDACT_KEYS_CACHED 1024
#define REDACT_MATCH_PAIRS 8
#define REDACT_KEY_CACHED_BYTES 48

/* What is to become of a text or a value. */
enum redact_verdict {
	REDACT_STAYS = 0,
	REDACT_CHANGES, /* redact_write() writes the rest of it */
	REDACT_GOES,	/* whole, for redactor->reason */
};

struct redact_hit {
	size_t start, end;
	uint32_t rule;
};

/* What rules say of a key, as bits. */
struct redact_key {
	uint64_t whole; /* these take the value */
	uint64_t parts; /* these look into it */
	bool found;	/* in the key itself there may be something */
};

struct redact_key_slot {
	struct redact_key key;
	uint8_t len; /* 0: free */
	uint8_t text[REDACT_KEY_CACHED_BYTES];
};

/* What was done since the last redactor_taken(). */
struct redact_tally {
	uint64_t hits[REDACT_RULES_MAX + 1]; /* by rule; REDACT_UNDECIDED */
	uint64_t changed;		     /* texts and values, of which some stayed */
	uint64_t dropped;		     /* ... of which nothing did */
};

/* For `spanring redact test`: what was found, and where. */
struct redact_finding {
	const char *rule;
	enum redact_action action;
	const char *place; /* "Span.name", "Span.attributes" */
	struct bytes key;  /* of an attribute, as it may be shown; or empty */
	struct bytes found;
	size_t prefix; /* so much of it is a vendor's mark, which may be shown */
	bool gone;     /* all of the value, not a part of it */
};
typedef void redact_seen_fn(void *arg, const struct redact_finding *finding);

struct redactor {
	struct redact_rules rules;
	uint64_t everywhere; /* rules */
	uint64_t active;     /* those that count now */
	uint64_t searched;   /* patterns that are looked for in the whole text */
	uint64_t keyed;	     /* rules for some keys only */
	uint64_t top_only;   /* ... of attributes, not of what is in maps */
	uint64_t ready;	     /* rules whose anchors are in the scan */
	struct scan scan;

	pcre2_match_data *match;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	size_t value_bytes_max;
	uint8_t hash_key[64];
	size_t hash_key_len;
	uint8_t own_key[32]; /* of this life, for keys of attributes */

	struct redact_hit *hits;
	size_t hit_count, hit_cap;
	uint32_t reason; /* after REDACT_GOES: a rule, or REDACT_UNDECIDED */

	struct redact_key_slot *keys;
	struct redact_key long_key; /* the last one that is not kept */
	uint32_t key_salt;

	struct redact_tally tally;
	bool tallied;
	redact_seen_fn *seen;
	void *seen_arg;
	const char *place;
	struct bytes place_key;
};

/* -EINVAL, -ENOENT (hash_key_file) and others of reading it: *ret_fault tells.
 * -ENOMEM. */
int redactor_new(struct redactor **ret, const struct redact_settings *settings,
		 struct redact_fault *ret_fault);
void redactor_free(struct redactor *redactor);

/* The rules of these names, made ready to be used. -ENOENT: *ret_unknown. -ENOMEM. */
int redactor_use(struct redactor *redactor, const char *names, uint64_t *ret_rules,
		 struct bytes *ret_unknown);

/* Rules that look into any text, whatever its key. */
uint64_t redactor_plain(const struct redactor *redactor);

/* What the active ones of `rules` find in a text. */
enum redact_verdict redactor_find(struct redactor *redactor, uint64_t rules, struct bytes text);
/* Writes what may stay of the text that redactor_find() has just looked at. 0 or
 * -ENOMEM. -E2BIG: it grew over the limit; nothing is written. */
int redactor_write(struct redactor *redactor, struct buf *out, struct bytes text);
/* What stands for a value that goes: [redacted:RULE], with its hash where the rule
 * says so. Counts it. */
int redactor_mask(struct redactor *redactor, struct buf *out, uint32_t rule,
		  struct bytes value);
/* Counts a value that left nothing behind. */
void redactor_note_dropped(struct redactor *redactor, uint32_t rule, struct bytes value);
/* Where the texts are that follow, for redact_seen_fn. */
void redactor_at(struct redactor *redactor, const char *place, struct bytes key);
/* What was done since the last time is true now: add it to `totals`. */
void redactor_taken(struct redactor *redactor, struct redact_tally *totals);
/* ... or was not done after all. */
void redactor_forgotten(struct redactor *redactor);
/* "undecided" for REDACT_UNDECIDED. */
const char *redactor_rule_name(const struct redactor *redactor, uint32_t rule);

/* Borrowed until the next call. Forgets what redactor_find() found. */
const struct redact_key *redactor_key(struct redactor *redactor, struct bytes key);
/* Writes a key in which something was found: no two become one. */
int redactor_write_key(struct redactor *redactor, struct buf *out, struct bytes key);

/* The first of these rules. */
static inline uint32_t redact_first(uint64_t rules)
{
	return (uint32_t)__builtin_ctzll(rules);
}

#endif
