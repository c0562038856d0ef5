/* Writing what may stay, and counting what does not. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "redact/redactor.h"

#define HASH_SHOWN 16	 /* bytes: equal ones are equal secrets */
#define KEY_HASH_SHOWN 4 /* of a key of attributes: few are alike */

const char *redactor_rule_name(const struct redactor *redactor, uint32_t rule)
{
	return rule < redactor->rules.count ? redactor->rules.of[rule].name : "undecided";
}

static int append_hash(struct buf *out, const uint8_t *key, size_t key_len, struct bytes value,
		       size_t shown)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!HMAC(EVP_sha256(), key, (int)key_len, value.at, value.len, hash, &len))
		return -ENOMEM;
	(void)buf_append_byte(out, ':');
	for (size_t i = 0; i < shown; i++)
		(void)buf_printf(out, "%02x", hash[i]);
	return 0;
}

static int append_mask(struct redactor *redactor, struct buf *out, uint32_t rule,
		       struct bytes value)
{
	int r = 0;

	(void)buf_append_text(out, "[redacted:");
	(void)buf_append_text(out, redactor_rule_name(redactor, rule));
	if (rule < redactor->rules.count && redactor->rules.of[rule].action == REDACT_HASH &&
	    redactor->hash_key_len)
		r = append_hash(out, redactor->hash_key, redactor->hash_key_len, value,
				HASH_SHOWN);
	(void)buf_append_byte(out, ']');
	return r < 0 || buf_failed(out) ? -ENOMEM : 0;
}

/* ---- counting ---------------------------------------------------------------- */

void redactor_at(struct redactor *redactor, const char *place, struct bytes key)
{
	if (!redactor->seen)
		return;
	redactor->place = place;
	redactor->place_key = key;
	if (redactor_key(redactor, key)->found)
		redactor->place_key = bytes_of("[redacted]");
}

/* Of a key that a literal begins, as far as it says nothing but whose it is. */
static size_t public_prefix(const struct redact_rule *rule, struct bytes found)
{
	const struct redact_anchor *anchor = rule->builtin ? rule->builtin->anchors : NULL;
	size_t prefix = 0;

	for (; anchor && anchor->text; anchor++) {
		size_t len = strlen(anchor->text);

		if (len > prefix && found.len > 2 * len &&
		    memcmp(found.at, anchor->text, len) == 0)
			prefix = len;
	}
	return prefix;
}

static void show(const struct redactor *redactor, uint32_t rule, struct bytes found, bool gone)
{
	const struct redact_rule *known = &redactor->rules.of[rule];
	struct redact_finding finding = {
		.rule = redactor_rule_name(redactor, rule),
		.place = redactor->place,
		.key = redactor->place_key,
		.found = found,
		.gone = gone,
	};

	if (rule < redactor->rules.count) {
		finding.action = known->action;
		finding.prefix = gone && !known->pattern ? 0 : public_prefix(known, found);
	}
	redactor->seen(redactor->seen_arg, &finding);
}

static void note(struct redactor *redactor, uint32_t rule, struct bytes found, bool gone)
{
	redactor->tally.hits[rule]++;
	redactor->tallied = true;
	if (redactor->seen)
		show(redactor, rule, found, gone);
}

void redactor_note_dropped(struct redactor *redactor, uint32_t rule, struct bytes value)
{
	redactor->tally.dropped++;
	note(redactor, rule, value, true);
}

void redactor_taken(struct redactor *redactor, struct redact_tally *totals)
{
	if (!redactor->tallied)
		return;
	for (uint32_t i = 0; i <= REDACT_RULES_MAX; i++)
		totals->hits[i] += redactor->tally.hits[i];
	totals->changed += redactor->tally.changed;
	totals->dropped += redactor->tally.dropped;
	redactor_forgotten(redactor);
}

void redactor_forgotten(struct redactor *redactor)
{
	if (redactor->tallied)
		redactor->tally = (struct redact_tally){0};
	redactor->tallied = false;
}

/* ---- writing ----------------------------------------------------------------- */

int redactor_write(struct redactor *redactor, struct buf *out, struct bytes text)
{
	size_t begin = out->len, at = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < redactor->hit_count; i++) {
		const struct redact_hit *hit = &redactor->hits[i];

		(void)buf_append(out, text.at + at, hit->start - at);
		r = append_mask(redactor, out, hit->rule,
				(struct bytes){text.at + hit->start, hit->end - hit->start});
		at = hit->end;
		if (r == 0 && out->len - begin > redactor->value_bytes_max)
			r = -E2BIG;
	}
	if (r == 0)
		r = buf_append(out, text.at + at, text.len - at);
	if (r < 0) {
		if (!buf_failed(out))
			out->len = begin;
		return r;
	}
	redactor->tally.changed++;
	for (size_t i = 0; i < redactor->hit_count; i++)
		note(redactor, redactor->hits[i].rule,
		     (struct bytes){text.at + redactor->hits[i].start,
				    redactor->hits[i].end - redactor->hits[i].start},
		     false);
	return 0;
}

int redactor_mask(struct redactor *redactor, struct buf *out, uint32_t rule, struct bytes value)
{
	int r = append_mask(redactor, out, rule, value);

	if (r == 0)
		redactor_note_dropped(redactor, rule, value);
	return r;
}

int redactor_write_key(struct redactor *redactor, struct buf *out, struct bytes key)
{
	uint32_t rule = redactor->hit_count ? redactor->hits[0].rule : redactor->reason;
	int r;

	(void)buf_append_text(out, "[redacted:");
	(void)buf_append_text(out, redactor_rule_name(redactor, rule));
	r = append_hash(out, redactor->own_key, sizeof redactor->own_key, key, KEY_HASH_SHOWN);
	(void)buf_append_byte(out, ']');
	if (r < 0 || buf_failed(out))
		return -ENOMEM;
	redactor->tally.changed++;
	note(redactor, rule, key, false);
	return 0;
}
