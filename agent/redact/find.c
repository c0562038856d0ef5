/* Finding: what the rules see in a text and under a key. */
#include <errno.h>
#include <stdlib.h>

#include "redact/redactor.h"

#define HITS_KEPT 16384

static const char mask_begin[] = "[redacted:";

static bool is_masked(struct bytes text, size_t at)
{
	return text.len - at >= sizeof mask_begin - 1 &&
	       memcmp(text.at + at, mask_begin, sizeof mask_begin - 1) == 0;
}

static int add_hit(struct redactor *redactor, const struct redact_place *place, uint32_t rule)
{
	size_t cap = redactor->hit_cap ? redactor->hit_cap * 2 : 64;
	struct redact_hit *hits;

	if (redactor->hit_count == redactor->hit_cap) {
		hits = reallocarray(redactor->hits, cap, sizeof *hits);
		if (!hits)
			return -ENOMEM;
		redactor->hits = hits;
		redactor->hit_cap = cap;
	}
	redactor->hits[redactor->hit_count++] =
		(struct redact_hit){place->start, place->end, rule};
	return 0;
}

/* ---- one match -------------------------------------------------------------- */

/* Built-in patterns mark what goes by a group; others by one called `secret`. What
 * no group marks goes whole. */
static struct redact_place matched_place(const struct redactor *redactor,
					 const struct redact_rule *rule, int groups)
{
	const PCRE2_SIZE *pairs = pcre2_get_ovector_pointer(redactor->match);
	int named = rule->builtin ? 0
				  : pcre2_substring_number_from_name(rule->pattern,
								     (PCRE2_SPTR) "secret");

	for (int i = 1; i < groups; i++)
		if (pairs[2 * i] != PCRE2_UNSET && (rule->builtin || i == named))
			return (struct redact_place){pairs[2 * i], pairs[2 * i + 1]};
	return (struct redact_place){pairs[0], pairs[1]};
}

static bool is_inside_character(struct bytes text, size_t at)
{
	return at < text.len && (text.at[at] & 0xc0) == 0x80;
}

/* A pattern may speak of bytes; what is left of the text is UTF-8 as before. */
static void widen(struct bytes text, struct redact_place *place)
{
	while (place->start > 0 && is_inside_character(text, place->start))
		place->start--;
	while (is_inside_character(text, place->end))
		place->end++;
}

/* 1: found, perhaps nothing but a place between bytes. 0: not. -EOVERFLOW: undecided. */
static int match(struct redactor *redactor, const struct redact_rule *rule, struct bytes text,
		 size_t from, struct redact_place *ret_place, size_t *ret_behind)
{
	int r = pcre2_match(rule->pattern, text.at, text.len, from, 0, redactor->match,
			    redactor->context);

	if (r == PCRE2_ERROR_NOMATCH)
		return 0;
	if (r < 0)
		return -EOVERFLOW;
	*ret_place = matched_place(redactor, rule, r ? r : REDACT_MATCH_PAIRS);
	*ret_behind = pcre2_get_ovector_pointer(redactor->match)[1];
	return 1;
}

/* Whether it is something that must go, and is not gone already. */
static bool is_hit(const struct redact_rule *rule, struct bytes text,
		   struct redact_place *place)
{
	/* A look behind may put the end in front of the start. */
	if (place->end <= place->start || is_masked(text, place->start))
		return false;
	return !rule->builtin || !rule->builtin->check || rule->builtin->check(text, place);
}

/* -ECANCELED: the whole text goes, for redactor->reason. */
static int take_hit(struct redactor *redactor, const struct redact_place *place, uint32_t rule)
{
	redactor->reason = rule;
	if (redactor->rules.of[rule].action == REDACT_DROP)
		return -ECANCELED;
	return add_hit(redactor, place, rule);
}

/* ---- at anchors ------------------------------------------------------------- */

struct finding {
	struct redactor *redactor;
	uint64_t rules;
	struct bytes text;
	size_t covered;	 /* up to here everything is decided */
	uint64_t wanted; /* rules whose `contains` is there */
};

/* 1: a hit. 0: none. -errno as match() and take_hit(). */
static int try_anchor(struct finding *finding, const struct scan_anchor *anchor, size_t at)
{
	struct redactor *redactor = finding->redactor;
	const struct redact_rule *rule = &redactor->rules.of[anchor->rule];
	struct redact_place place;
	size_t from = at, behind;
	redact_lead_fn *lead;
	int r;

	if (!(finding->rules >> anchor->rule & 1) || at < finding->covered)
		return 0;
	if (!rule->builtin) {
		finding->wanted |= UINT64_C(1) << anchor->rule;
		return 0;
	}
	lead = rule->builtin->anchors[anchor->which].lead;
	if (lead && !lead(finding->text, finding->covered, at, &from))
		return 0;
	r = match(redactor, rule, finding->text, from, &place, &behind);
	if (r <= 0 || !is_hit(rule, finding->text, &place))
		return r < 0 ? r : 0;
	finding->covered = place.end;
	r = take_hit(redactor, &place, anchor->rule);
	return r < 0 ? r : 1;
}

static int find_at_anchors(struct finding *finding)
{
	const struct scan *scan = &finding->redactor->scan;
	size_t at = 0, begin;

	while ((at = scan_next(scan, finding->text, at)) < finding->text.len) {
		const struct scan_anchor *anchor = NULL;
		int r = 0;

		while (r == 0 &&
		       (anchor = scan_anchor_at(scan, finding->text, at, anchor, &begin)))
			r = try_anchor(finding, anchor, begin);
		if (r < 0)
			return r;
		at = r > 0 ? finding->covered : at + 1;
	}
	return 0;
}

/* ---- in the whole text ------------------------------------------------------ */

static int search(struct finding *finding, uint32_t i)
{
	struct redactor *redactor = finding->redactor;
	const struct redact_rule *rule = &redactor->rules.of[i];
	struct redact_place place;
	size_t from = 0, behind = 0;
	int r;

	while (from < finding->text.len) {
		r = match(redactor, rule, finding->text, from, &place, &behind);
		if (r <= 0)
			return r;
		from = behind > from ? behind : from + 1;
		while (from < finding->text.len && is_inside_character(finding->text, from))
			from++;
		if (!is_hit(rule, finding->text, &place))
			continue;
		widen(finding->text, &place);
		r = take_hit(redactor, &place, i);
		if (r < 0)
			return r;
	}
	return 0;
}

static int search_all(struct finding *finding)
{
	uint64_t rules = finding->rules & (finding->redactor->searched | finding->wanted);
	int r = 0;

	for (; r == 0 && rules; rules &= rules - 1)
		r = search(finding, redact_first(rules));
	return r;
}

static int by_start(const void *a, const void *b)
{
	const struct redact_hit *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->rule < right->rule ? -1 : left->rule > right->rule;
}

/* Those of several rules may overlap: what any of them covers goes. */
static void merge(struct redactor *redactor)
{
	size_t kept = 0;

	if (redactor->hit_count < 2)
		return;
	qsort(redactor->hits, redactor->hit_count, sizeof *redactor->hits, by_start);
	for (size_t i = 1; i < redactor->hit_count; i++) {
		struct redact_hit *last = &redactor->hits[kept];

		if (redactor->hits[i].start >= last->end)
			redactor->hits[++kept] = redactor->hits[i];
		else if (redactor->hits[i].end > last->end)
			last->end = redactor->hits[i].end;
	}
	redactor->hit_count = kept + 1;
}

static void forget_hits(struct redactor *redactor)
{
	redactor->hit_count = 0;
	if (redactor->hit_cap <= HITS_KEPT)
		return;
	free(redactor->hits);
	redactor->hits = NULL;
	redactor->hit_cap = 0;
}

enum redact_verdict redactor_find(struct redactor *redactor, uint64_t rules, struct bytes text)
{
	struct finding finding = {
		.redactor = redactor, .rules = rules & redactor->active, .text = text};
	int r = 0;

	forget_hits(redactor);
	redactor->reason = REDACT_UNDECIDED;
	if (text.len == 0 || !finding.rules)
		return REDACT_STAYS;
	if (text.len > redactor->value_bytes_max)
		return REDACT_GOES;
	if (redactor->scan.count)
		r = find_at_anchors(&finding);
	if (r == 0)
		r = search_all(&finding);
	if (r < 0) {
		if (r != -ECANCELED)
			redactor->reason = REDACT_UNDECIDED;
		return REDACT_GOES;
	}
	merge(redactor);
	return redactor->hit_count ? REDACT_CHANGES : REDACT_STAYS;
}

/* ---- keys ------------------------------------------------------------------- */

static struct redact_key learn(struct redactor *redactor, struct bytes key)
{
	struct redact_key learned = {0};
	uint64_t active = redactor->active;

	for (uint32_t i = 0; i < redactor->rules.count; i++) {
		const struct redact_rule *rule = &redactor->rules.of[i];
		uint64_t bit = UINT64_C(1) << i;

		if (!(redactor->ready & bit) || globs_match(&rule->except, key))
			continue;
		if (rule->keyed && !globs_match(&rule->keys, key))
			continue;
		if (rule->pattern)
			learned.parts |= bit;
		else
			learned.whole |= bit;
	}
	/* By whichever rules: which of them count is asked where it is used. */
	redactor->active = UINT64_MAX;
	learned.found = redactor_find(redactor, ~redactor->keyed, key) != REDACT_STAYS;
	redactor->active = active;
	return learned;
}

static uint32_t hash_of(uint64_t hash, struct bytes text)
{
	uint64_t word = 0;

	for (; text.len >= 8; text.at += 8, text.len -= 8) {
		memcpy(&word, text.at, 8);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, text.at, text.len);
	hash = (hash ^ word ^ text.len << 56) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(hash >> 32);
}

/* A process says the same few keys all the time. */
const struct redact_key *redactor_key(struct redactor *redactor, struct bytes key)
{
	static const struct redact_key none = {0};
	struct redact_key_slot *slot;

	if (key.len == 0)
		return &none;
	if (key.len > REDACT_KEY_CACHED_BYTES) {
		redactor->long_key = learn(redactor, key);
		return &redactor->long_key;
	}
	slot = &redactor->keys[hash_of(redactor->key_salt, key) % REDACT_KEYS_CACHED];
	if (slot->len != key.len || memcmp(slot->text, key.at, key.len) != 0) {
		slot->key = learn(redactor, key);
		slot->len = (uint8_t)key.len;
		memcpy(slot->text, key.at, key.len);
	}
	return &slot->key;
}
