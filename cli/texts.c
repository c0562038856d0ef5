#include "texts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 << 10)

struct texts_chunk {
	struct texts_chunk *next;
	size_t used, size;
	char at[];
};

void texts_fini(struct texts *texts)
{
	while (texts->chunk) {
		struct texts_chunk *next = texts->chunk->next;

		free(texts->chunk);
		texts->chunk = next;
	}
	free(texts->slots);
	*texts = (struct texts){0};
}

static struct texts_chunk *chunk_for(struct texts *texts, size_t len)
{
	size_t size = len > CHUNK_BYTES ? len : CHUNK_BYTES;
	struct texts_chunk *chunk = texts->chunk;

	if (chunk && chunk->size - chunk->used >= len)
		return chunk;
	chunk = malloc(sizeof(*chunk) + size);
	if (!chunk)
		return NULL;
	*chunk = (struct texts_chunk){.next = texts->chunk, .size = size};
	texts->chunk = chunk;
	return chunk;
}

const char *texts_copy(struct texts *texts, const char *text)
{
	size_t len = strlen(text) + 1;
	struct texts_chunk *chunk;
	char *at;

	if (len == 1)
		return "";
	chunk = chunk_for(texts, len);
	if (!chunk)
		return NULL;
	at = chunk->at + chunk->used;
	memcpy(at, text, len);
	chunk->used += len;
	return at;
}

/* FNV-1a. The texts are few or the file's own time is wasted, nobody else's. */
static size_t hash_of(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return (size_t)(hash ^ hash >> 32);
}

/* Where the text is, or would be. */
static const char **slot_of(const char **slots, size_t slot_count, const char *text)
{
	size_t i = hash_of(text) & (slot_count - 1);

	while (slots[i] && strcmp(slots[i], text) != 0)
		i = (i + 1) & (slot_count - 1);
	return &slots[i];
}

static int grow(struct texts *texts)
{
	size_t slot_count = texts->slot_count ? texts->slot_count * 2 : 64;
	const char **slots = calloc(slot_count, sizeof(*slots));

	if (!slots)
		return -1;
	for (size_t i = 0; i < texts->slot_count; i++)
		if (texts->slots[i])
			*slot_of(slots, slot_count, texts->slots[i]) = texts->slots[i];
	free(texts->slots);
	texts->slots = slots;
	texts->slot_count = slot_count;
	return 0;
}

const char *texts_once(struct texts *texts, const char *text)
{
	const char **slot, *kept;

	if (!*text)
		return "";
	if (2 * texts->used >= texts->slot_count && grow(texts) < 0)
		return NULL;
	slot = slot_of(texts->slots, texts->slot_count, text);
	if (*slot)
		return *slot;
	kept = texts_copy(texts, text);
	if (!kept)
		return NULL;
	*slot = kept;
	texts->used++;
	return kept;
}
