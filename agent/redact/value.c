#include "redact/value.h"

#include <errno.h>
#include <stdio.h>

struct redact_scope redact_scope_of(struct redactor *redactor, struct bytes key)
{
	const struct redact_key *known = redactor_key(redactor, key);

	/* One without a key is dropped later, and counted there. */
	if (key.len == 0)
		return redact_scope_plain(redactor);
	return (struct redact_scope){known->whole & redactor->active,
				     known->parts & redactor->active, known->found};
}

/* What looks into a value under a key looks into all of it. */
struct redact_scope redact_scope_inside(struct redactor *redactor,
					const struct redact_scope *outer, struct bytes key)
{
	struct redact_scope scope = redact_scope_of(redactor, key);

	scope.whole &= ~redactor->top_only;
	scope.parts |= outer->parts & redactor->keyed;
	return scope;
}

bool redact_key_changes(struct redactor *redactor, struct bytes key)
{
	return redactor_key(redactor, key)->found &&
	       redactor_find(redactor, redactor_plain(redactor), key) != REDACT_STAYS;
}

static bool is_mask(struct bytes text)
{
	static const char begin[] = "[redacted:";
	static const char inside[] = "abcdefghijklmnopqrstuvwxyz0123456789-_:";

	if (text.len < sizeof begin || text.len > 128 || text.at[text.len - 1] != ']' ||
	    memcmp(text.at, begin, sizeof begin - 1) != 0)
		return false;
	for (size_t i = sizeof begin - 1; i < text.len - 1; i++)
		if (!text.at[i] || !strchr(inside, text.at[i]))
			return false;
	return true;
}

int redact_taken_whole(const struct redactor *redactor, const struct redact_scope *scope,
		       enum redact_kind kind, struct bytes text)
{
	uint64_t rules = scope->whole, builtin = (UINT64_C(1) << redact_builtin_count) - 1;
	uint32_t rule;

	/* `password: ""` and `has_password: true` tell nothing. */
	if (kind == REDACT_IS_TRUTH || (kind == REDACT_IS_TEXT && text.len == 0))
		rules &= ~builtin;
	if (!rules)
		return -1;
	rule = redact_first(rules);
	if (kind == REDACT_IS_TEXT && is_mask(text) &&
	    redactor->rules.of[rule].action != REDACT_DROP)
		return -1;
	return (int)rule;
}

struct bytes redact_int_text(int64_t number, char digits[REDACT_DIGITS])
{
	(void)snprintf(digits, REDACT_DIGITS, "%lld", (long long)number);
	return bytes_of(digits);
}

struct bytes redact_double_text(double number, char digits[REDACT_DIGITS])
{
	(void)snprintf(digits, REDACT_DIGITS, "%.17g", number);
	return bytes_of(digits);
}

/* Only patterns that are looked for everywhere can mean digits alone. */
bool redact_number_goes(struct redactor *redactor, const struct redact_scope *scope,
			int64_t number)
{
	uint64_t rules = scope->parts & redactor->searched;
	char digits[REDACT_DIGITS];

	if (!rules ||
	    redactor_find(redactor, rules, redact_int_text(number, digits)) == REDACT_STAYS)
		return false;
	if (redactor->hit_count)
		redactor->reason = redactor->hits[0].rule;
	return true;
}

int redact_write_gone(struct redactor *redactor, struct buf *out, uint32_t rule,
		      struct bytes value)
{
	if (rule < redactor->rules.count && redactor->rules.of[rule].action == REDACT_DROP) {
		redactor_note_dropped(redactor, rule, value);
		return REDACT_LEFT_OUT;
	}
	return redactor_mask(redactor, out, rule, value) < 0 ? -ENOMEM : REDACT_WRITTEN_MASK;
}

int redact_write_text(struct redactor *redactor, struct buf *out,
		      const struct redact_scope *scope, struct bytes text)
{
	int r;

	switch (redactor_find(redactor, scope->parts, text)) {
	case REDACT_STAYS:
		return buf_append(out, text.at, text.len);
	case REDACT_CHANGES:
		r = redactor_write(redactor, out, text);
		if (r != -E2BIG)
			return r;
		redactor->reason = REDACT_UNDECIDED;
		break;
	case REDACT_GOES:
		break;
	}
	return redact_write_gone(redactor, out, redactor->reason, text);
}

int redact_write_name(struct redactor *redactor, struct buf *out, struct bytes text)
{
	struct redact_scope plain = redact_scope_plain(redactor);
	int r = redact_write_text(redactor, out, &plain, text);

	if (r == REDACT_LEFT_OUT)
		r = buf_append_text(out, "[redacted]");
	return r < 0 ? r : 0;
}
