#include "otlp/utf8.h"

#include <errno.h>
#include <stdlib.h>

#define HIGH_BITS 0x8080808080808080ull

/* What may follow a lead byte: how many bytes, and the range of the first of
 * them, which is what excludes overlong forms, surrogates and values beyond
 * U+10FFFF. `more` is 0 for a byte that cannot lead. */
struct lead {
	int more;
	uint8_t low;
	uint8_t high;
};

static struct lead lead_of(uint8_t byte)
{
	if (byte < 0xc2 || byte > 0xf4)
		return (struct lead){0, 0, 0};
	if (byte < 0xe0)
		return (struct lead){1, 0x80, 0xbf};
	if (byte < 0xf0)
		return (struct lead){2, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf};
	return (struct lead){3, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf};
}

int utf8_step(const uint8_t *at, const uint8_t *end)
{
	struct lead lead;

	if (*at < 0x80)
		return 1;
	lead = lead_of(*at);
	if (lead.more == 0 || end - at < 2 || at[1] < lead.low || at[1] > lead.high)
		return -1;
	for (int i = 2; i <= lead.more; i++) {
		if (end - at <= i || (at[i] & 0xc0) != 0x80)
			return -i;
	}
	return lead.more + 1;
}

static const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
	uint64_t words[2];

	while (end - at >= 16) {
		memcpy(words, at, 16);
		if ((words[0] | words[1]) & HIGH_BITS)
			break;
		at += 16;
	}
	while (at < end && *at < 0x80)
		at++;
	return at;
}

size_t utf8_valid_len(struct bytes text)
{
	const uint8_t *at, *end;

	if (text.len == 0)
		return 0;
	at = text.at;
	end = at + text.len;
	while ((at = skip_ascii(at, end)) < end) {
		int step = utf8_step(at, end);

		if (step < 0)
			break;
		at += step;
	}
	return (size_t)(at - text.at);
}

int utf8_append_repaired(struct buf *out, struct bytes text)
{
	while (text.len) {
		size_t valid = utf8_valid_len(text);
		size_t skip;

		(void)buf_append(out, text.at, valid);
		text = (struct bytes){text.at + valid, text.len - valid};
		if (text.len == 0)
			break;
		(void)buf_append(out, UTF8_REPLACEMENT, UTF8_REPLACEMENT_LEN);
		skip = (size_t)-utf8_step(text.at, text.at + text.len);
		text = (struct bytes){text.at + skip, text.len - skip};
	}
	/* A failed buf refuses everything, so one question answers for all. */
	return buf_reserve(out, 0);
}

int utf8_repair(struct bytes *text, struct utf8_repaired **repaired)
{
	struct utf8_repaired *added;

	if (utf8_is_valid(*text))
		return 0;
	added = malloc(sizeof *added);
	if (!added)
		return -ENOMEM;
	buf_init(&added->text);
	added->next = *repaired;
	*repaired = added;
	if (utf8_append_repaired(&added->text, *text) < 0)
		return -ENOMEM;
	*text = buf_bytes(&added->text);
	return 0;
}

void utf8_repaired_free(struct utf8_repaired **repaired)
{
	struct utf8_repaired *next;

	for (; *repaired; *repaired = next) {
		next = (*repaired)->next;
		buf_fini(&(*repaired)->text);
		free(*repaired);
	}
}
