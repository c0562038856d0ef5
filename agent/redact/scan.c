#include "redact/scan.h"

#include <errno.h>

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

static uint8_t upper(uint8_t byte)
{
	return byte >= 'a' && byte <= 'z' ? byte - ('a' - 'A') : byte;
}

/* Cases fall together: which one it was is asked of the anchor. */
static inline uint32_t slot_of(const uint8_t *mark)
{
	uint32_t hash = lower(mark[0]) * 0x9e5u + lower(mark[1]) * 0x1f3u + lower(mark[2]);

	return (hash ^ hash >> 9) % SCAN_SLOTS;
}

static void table_add_byte(struct scan *scan, uint32_t place, uint8_t byte, uint8_t group)
{
	scan->tables[place][byte] |= group;
	scan->low[place][byte & 15] |= group;
	scan->high[place][byte >> 4] |= group;
}

static void table_add(struct scan *scan, uint32_t place, const struct scan_anchor *anchor,
		      uint8_t group)
{
	uint32_t at = anchor->mark + place;

	for (uint32_t byte = 0; at >= anchor->len && byte < 256; byte++)
		table_add_byte(scan, place, (uint8_t)byte, group);
	if (at >= anchor->len)
		return;
	table_add_byte(scan, place, anchor->text[at], group);
	if (anchor->caseless)
		table_add_byte(scan, place, upper(anchor->text[at]), group);
}

static bool is_letter(uint8_t byte)
{
	return lower(byte) >= 'a' && lower(byte) <= 'z';
}

/* Marks of one form share a group: what passes the tables in vain are mixtures of the
 * marks of a group, and most of ordinary text is small letters alone. */
static uint32_t group_of(const struct scan_anchor *anchor)
{
	const uint8_t *mark = anchor->text + anchor->mark;
	uint32_t small = 0;

	if (anchor->len < SCAN_MARK)
		return 0;
	if (mark[2] == '=')
		return 1;
	if (!is_letter(mark[2]))
		return 2;
	if (!is_letter(mark[0]))
		return 3;
	if (!is_letter(mark[1]))
		return 4;
	for (uint32_t i = 0; i < SCAN_MARK; i++)
		small += mark[i] == lower(mark[i]);
	return small == 0 ? 5 : small < SCAN_MARK ? 6 : 7;
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
	group = (uint8_t)(1u << group_of(anchor));
	for (uint32_t place = 0; place < SCAN_MARK; place++)
		table_add(scan, place, anchor, group);
	if (text.len >= SCAN_MARK)
		head = &scan->slots[slot_of(anchor->text + mark)];
	/* Behind the others: of two at one place the first added is tried first. */
	while (*head)
		head = &scan->anchors[*head - 1].next;
	*head = (uint8_t)++scan->count;
	return 0;
}

void scan_init(struct scan *scan)
{
	memset(scan, 0, sizeof *scan);
#ifdef __x86_64__
	scan->vector = __builtin_cpu_supports("ssse3");
#endif
}

static inline uint8_t passes(const struct scan *scan, const uint8_t *at)
{
	return scan->tables[0][at[0]] & scan->tables[1][at[1]] & scan->tables[2][at[2]];
}

static inline bool may_begin(const struct scan *scan, const uint8_t *at)
{
	return passes(scan, at) && (scan->shorts || scan->slots[slot_of(at)]);
}

/* The first place in [i, end) where a mark may begin, or end. Two bytes may be read
 * behind it. */
static size_t next_by_byte(const struct scan *scan, const uint8_t *at, size_t i, size_t end)
{
	for (; i + 4 <= end; i += 4) {
		unsigned passed = 0; /* four looks and one branch */

		for (size_t k = i; k < i + 4; k++)
			passed |= passes(scan, at + k);
		if (!passed)
			continue;
		for (size_t k = i; k < i + 4; k++)
			if (may_begin(scan, at + k))
				return k;
	}
	for (; i < end; i++)
		if (may_begin(scan, at + i))
			return i;
	return end;
}

#ifdef __x86_64__

#include <immintrin.h>

#define LANES 16

/* The groups of the bytes at `at`, as one of their mark's places. */
__attribute__((target("ssse3"))) static inline __m128i groups(const struct scan *scan,
							      uint32_t place, const uint8_t *at)
{
	__m128i bytes = _mm_loadu_si128((const __m128i_u *)at);
	__m128i half = _mm_set1_epi8(15);
	__m128i low = _mm_loadu_si128((const __m128i_u *)scan->low[place]);
	__m128i high = _mm_loadu_si128((const __m128i_u *)scan->high[place]);

	low = _mm_shuffle_epi8(low, _mm_and_si128(bytes, half));
	high = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(bytes, 4), half));
	return _mm_and_si128(low, high);
}

/* Which of sixteen places pass, as bits. */
__attribute__((target("ssse3"))) static inline uint32_t sixteen(const struct scan *scan,
								const uint8_t *at)
{
	__m128i all =
		_mm_and_si128(groups(scan, 0, at),
			      _mm_and_si128(groups(scan, 1, at + 1), groups(scan, 2, at + 2)));

	return ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_setzero_si128())) & 0xffff;
}

/* As next_by_byte(). At least sixteen places; the last sixteen may overlap those
 * before. */
__attribute__((target("ssse3"))) static size_t
next_by_vector(const struct scan *scan, const uint8_t *at, size_t i, size_t end)
{
	while (i < end) {
		size_t from = end - i < LANES ? end - LANES : i;
		uint32_t found = sixteen(scan, at + from) >> (i - from) << (i - from);

		for (; found; found &= found - 1) {
			size_t k = from + (uint32_t)__builtin_ctz(found);

			if (may_begin(scan, at + k))
				return k;
		}
		i = from + LANES;
	}
	return end;
}

static size_t next(const struct scan *scan, const uint8_t *at, size_t i, size_t end)
{
	return scan->vector && end >= LANES ? next_by_vector(scan, at, i, end)
					    : next_by_byte(scan, at, i, end);
}

#else

static size_t next(const struct scan *scan, const uint8_t *at, size_t i, size_t end)
{
	return next_by_byte(scan, at, i, end);
}

#endif

size_t scan_next(const struct scan *scan, struct bytes text, size_t from)
{
	size_t end = text.len < SCAN_MARK ? 0 : text.len - (SCAN_MARK - 1);
	size_t i = from < end ? next(scan, text.at, from, end) : from;

	if (i < end)
		return i;
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
