#include "redact/scan.h"

#include <errno.h>

#define GROUPS 8

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

static uint8_t upper(uint8_t byte)
{
	return byte >= 'a' && byte <= 'z' ? byte - ('a' - 'A') : byte;
}

/* Cases fall together: which one it was is asked of the anchor. */
static uint32_t slot_of(const uint8_t *mark)
{
	uint32_t hash = lower(mark[0]) * 0x9e5u + lower(mark[1]) * 0x1f3u + lower(mark[2]);

	return (hash ^ hash >> 9) % SCAN_SLOTS;
}

static void table_add(uint8_t table[256], const struct scan_anchor *anchor, uint32_t at,
		      uint8_t group)
{
	if (at >= anchor->len) {
		for (uint32_t byte = 0; byte < 256; byte++)
			table[byte] |= group;
		return;
	}
	table[anchor->text[at]] |= group;
	if (anchor->caseless)
		table[upper(anchor->text[at])] |= group;
}

int scan_add(struct scan *scan, struct bytes text, uint8_t mark, bool caseless, uint8_t rule,
	     uint8_t which)
{
	struct scan_anchor *anchor = &scan->anchors[scan->count];
	uint8_t *head = &scan->shorts;
	uint8_t group;

	if (scan->count == SCAN_ANCHORS_MAX || text.len == 0 || text.len > SCAN_ANCHOR_BYTES)
		return -E2BIG;
	*anchor = (struct scan_anchor){
		.len = (uint8_t)text.len,
		.mark = mark,
		.caseless = caseless,
		.rule = rule,
		.which = which,
	};
	for (size_t i = 0; i < text.len; i++)
		anchor->text[i] = caseless ? lower(text.at[i]) : text.at[i];
	/* Marks that begin alike share a group, so that mixtures of two marks of one
	 * group, which pass the tables in vain, are few. */
	group = (uint8_t)(1u << (lower(anchor->text[mark]) % GROUPS));
	table_add(scan->first, anchor, mark, group);
	table_add(scan->second, anchor, mark + 1u, group);
	table_add(scan->third, anchor, mark + 2u, group);
	if (text.len >= SCAN_MARK)
		head = &scan->slots[slot_of(anchor->text + mark)];
	/* Behind the others: of two at one place the first added is tried first. */
	while (*head)
		head = &scan->anchors[*head - 1].next;
	*head = (uint8_t)++scan->count;
	return 0;
}

static bool may_begin(const struct scan *scan, const uint8_t *at)
{
	return scan->shorts || scan->slots[slot_of(at)];
}

size_t scan_next(const struct scan *scan, struct bytes text, size_t from)
{
	const uint8_t *at = text.at;
	size_t i = from, end = text.len < SCAN_MARK ? 0 : text.len - (SCAN_MARK - 1);

#define PASSES(i) (scan->first[at[i]] & scan->second[at[(i) + 1]] & scan->third[at[(i) + 2]])
	for (; i + 4 <= end; i += 4) {
		if (!(PASSES(i) | PASSES(i + 1) | PASSES(i + 2) | PASSES(i + 3)))
			continue;
		for (size_t k = i; k < i + 4; k++)
			if (PASSES(k) && may_begin(scan, at + k))
				return k;
	}
	for (; i < end; i++)
		if (PASSES(i) && may_begin(scan, at + i))
			return i;
#undef PASSES
	/* A literal of one or two bytes may stand in the last two. */
	return scan->shorts && i < text.len ? i : text.len;
}

static bool anchor_is_at(const struct scan_anchor *anchor, const uint8_t *at)
{
	if (!anchor->caseless)
		return memcmp(at, anchor->text, anchor->len) == 0;
	for (uint32_t i = 0; i < anchor->len; i++)
		if (lower(at[i]) != anchor->text[i])
			return false;
	return true;
}

const struct scan_anchor *scan_anchor_at(const struct scan *scan, struct bytes text,
					 size_t mark_at, const struct scan_anchor *after,
					 size_t *ret_at)
{
	bool in_shorts = after && after->len < SCAN_MARK;
	uint8_t next;

	if (after)
		next = after->next;
	else if (text.len - mark_at >= SCAN_MARK)
		next = scan->slots[slot_of(text.at + mark_at)];
	else
		next = 0;
	for (;;) {
		const struct scan_anchor *anchor;

		if (!next && !in_shorts) {
			in_shorts = true;
			next = scan->shorts;
		}
		if (!next)
			return NULL;
		anchor = &scan->anchors[next - 1];
		next = anchor->next;
		if (anchor->mark > mark_at || anchor->len > text.len - (mark_at - anchor->mark))
			continue;
		if (!anchor_is_at(anchor, text.at + mark_at - anchor->mark))
			continue;
		*ret_at = mark_at - anchor->mark;
		return anchor;
	}
}
