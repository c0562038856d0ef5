/* The rules of redaction, made ready: patterns compiled, lists cut. Built-in ones
 * come first, then those of the configuration; of two that find the same, the
 * earlier counts.
 *
 * A built-in pattern is tried only at its anchors (see scan.h), and reads on from
 * there over bytes it never gives back, so that its cost is linear whatever the
 * text is. A pattern of the configuration is looked for in the whole text, under
 * PCRE2's limits; what these cut short is undecided, and the value goes. */
#ifndef REDACT_RULES_H
#define REDACT_RULES_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/buf.h"
#include "redact/globs.h"
#include "redact/settings.h"

#define REDACT_RULES_MAX 64 /* they are bits of a uint64_t */
#define REDACT_NAME_MAX 32

/* What was found, as offsets in its text. */
struct redact_place {
	size_t start, end;
};

/* Whether it is one after all; may move its borders. */
typedef bool redact_check_fn(struct bytes text, struct redact_place *place);

/* Of a match that begins in front of its anchor, which is at `at`: where, at or behind
 * `least`. False: there is none. Cheap, because it is asked at every anchor. */
typedef bool redact_lead_fn(struct bytes text, size_t least, size_t at, size_t *ret_from);

/* Where a built-in pattern is tried; see scan.h. `text` NULL: no more. */
struct redact_anchor {
	const char *text;
	uint8_t mark;
	bool caseless;
	redact_lead_fn *lead; /* NULL: the match begins with the anchor */
};

#define REDACT_ANCHORS_MAX 32

struct redact_builtin {
	const char *name;
	bool on;	     /* unless disabled; the others unless enabled */
	const char *keys;    /* of a rule for whole values */
	const char *pattern; /* tried at anchors alone, if there are; its group is what goes */
	redact_check_fn *check;
	struct redact_anchor anchors[REDACT_ANCHORS_MAX];
};

extern const struct redact_builtin redact_builtins[];
extern const uint32_t redact_builtin_count;

struct redact_rule {
	char name[REDACT_NAME_MAX + 1];
	enum redact_action action;
	const struct redact_builtin *builtin; /* NULL: of the configuration */
	bool everywhere;
	bool top_only; /* keys inside of maps do not count */
	bool keyed;    /* only values under its keys */
	struct globs keys, except;
	pcre2_code *pattern;
	struct bytes contains; /* borrowed from the settings' copy; empty: not said */
	char *contains_text;
};

/* What is wrong with the settings, and with which. */
struct redact_fault {
	char key[64]; /* redact.rules[2].pattern */
	char text[256];
};

struct redact_rules {
	struct redact_rule of[REDACT_RULES_MAX];
	uint32_t count;
	bool jit; /* every pattern is machine code */
};

/* -EINVAL: *ret_fault says why. -ENOMEM. */
int redact_rules_init(struct redact_rules *rules, const struct redact_settings *settings,
		      struct redact_fault *ret_fault);
void redact_rules_fini(struct redact_rules *rules);

/* The rules of these names, as bits. -ENOENT: *ret_unknown is none. */
int redact_rules_named(const struct redact_rules *rules, const char *names, uint64_t *ret_rules,
		       struct bytes *ret_unknown);

#endif
