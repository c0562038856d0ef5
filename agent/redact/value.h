/* What records and messages share: a text, and the value of a key. */
#ifndef REDACT_VALUE_H
#define REDACT_VALUE_H

#include "redact/redactor.h"

/* The rules for a value, as its key says. */
struct redact_scope {
	uint64_t whole; /* that take it whole */
	uint64_t parts; /* that look into it */
	bool key_found; /* in the key itself there may be something */
};

/* The scope of texts without a key. */
static inline struct redact_scope redact_scope_plain(const struct redactor *redactor)
{
	return (struct redact_scope){0, redactor_plain(redactor), false};
}

/* Of an attribute. */
struct redact_scope redact_scope_of(struct redactor *redactor, struct bytes key);
/* Of an entry of a map that is in `outer`. */
struct redact_scope redact_scope_inside(struct redactor *redactor,
					const struct redact_scope *outer, struct bytes key);
/* Of an element of an array. */
static inline struct redact_scope redact_scope_element(const struct redact_scope *outer)
{
	return (struct redact_scope){0, outer->parts, false};
}

/* Whether something is found in the key itself, which redactor_write_key() writes. */
bool redact_key_changes(struct redactor *redactor, struct bytes key);

/* What a value is, as far as that matters here. */
enum redact_kind {
	REDACT_IS_TEXT,	 /* or bytes */
	REDACT_IS_TRUTH, /* or nothing: no secret by itself */
	REDACT_IS_NUMBER,
	REDACT_IS_MANY, /* an array or a map, with `text` its encoding */
};

/* The rule that takes the value whole, or -1. */
int redact_taken_whole(const struct redactor *redactor, const struct redact_scope *scope,
		       enum redact_kind kind, struct bytes text);
/* Whether a rule finds something in a number's digits; for redactor->reason. */
bool redact_number_goes(struct redactor *redactor, const struct redact_scope *scope,
			int64_t number);

/* Numbers as text, for patterns and hashes: the same from rings and from senders. */
#define REDACT_DIGITS 32
struct bytes redact_int_text(int64_t number, char digits[REDACT_DIGITS]);
struct bytes redact_double_text(double number, char digits[REDACT_DIGITS]);

enum redact_written {
	REDACT_WRITTEN,	     /* what was appended is the text, or the rest of it */
	REDACT_WRITTEN_MASK, /* a text that stands for a value that is gone */
	REDACT_LEFT_OUT,     /* nothing was appended: it is to go, and is counted */
};

/* Appends what may stay of a text. -ENOMEM, or a redact_written. */
int redact_write_text(struct redactor *redactor, struct buf *out,
		      const struct redact_scope *scope, struct bytes text);
/* Appends what stands for a value that `rule` takes. Likewise. */
int redact_write_gone(struct redactor *redactor, struct buf *out, uint32_t rule,
		      struct bytes value);
/* Of a name, which must not be empty. -ENOMEM. */
int redact_write_name(struct redactor *redactor, struct buf *out, struct bytes text);

static inline bool redact_text_stays(struct redactor *redactor,
				     const struct redact_scope *scope, struct bytes text)
{
	return redactor_find(redactor, scope->parts, text) == REDACT_STAYS;
}

#endif
