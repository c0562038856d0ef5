#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAP_CAPACITY_MIN 16

void map_init(struct map *map, size_t key_bytes, uint64_t seed)
{
	assert(key_bytes > 0 && key_bytes <= MAP_KEY_BYTES_MAX && key_bytes % 8 == 0);
	*map = (struct map){.seed = seed, .key_words = (uint32_t)(key_bytes / 8)};
}

void map_fini(struct map *map)
{
	free(map->slots);
	map->slots = NULL;
	map->capacity = 0;
	map->count = 0;
}

size_t map_bytes(const struct map *map)
{
	return map->capacity * ((size_t)map->key_words + 1) * 8;
}

static inline uint64_t *map_slot(const struct map *map, size_t i)
{
	return map->slots + i * (map->key_words + 1);
}

static inline size_t map_hash(const struct map *map, const uint64_t *key)
{
	uint64_t h = map->seed;

	for (uint32_t i = 0; i < map->key_words; i++) {
		h ^= key[i];
		h *= UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 33;
		h *= UINT64_C(0xc4ceb9fe1a85ec53);
		h ^= h >> 33;
	}
	return (size_t)h & (map->capacity - 1);
}

static inline bool map_matches(const struct map *map, const uint64_t *slot, const uint64_t *key)
{
	for (uint32_t i = 0; i < map->key_words; i++)
		if (slot[1 + i] != key[i])
			return false;
	return true;
}

/* The slot that holds the key, or the empty one where it would go. */
static inline size_t map_find(const struct map *map, const uint64_t *key)
{
	size_t i = map_hash(map, key);

	for (;;) {
		const uint64_t *slot = map_slot(map, i);

		if (!slot[0] || map_matches(map, slot, key))
			return i;
		i = (i + 1) & (map->capacity - 1);
	}
}

/* Keys may lie anywhere; words are easier to compare. */
static inline void map_load_key(const struct map *map, const void *key, uint64_t words[3])
{
	memcpy(words, key, (size_t)map->key_words * 8);
}

void *map_get(const struct map *map, const void *key)
{
	uint64_t words[3];

	if (map->count == 0)
		return NULL;
	map_load_key(map, key, words);
	return (void *)(uintptr_t)map_slot(map, map_find(map, words))[0];
}

void map_prefetch(const struct map *map, const void *key)
{
	uint64_t words[3];

	if (map->count == 0)
		return;
	map_load_key(map, key, words);
	__builtin_prefetch(map_slot(map, map_hash(map, words)));
}

static int map_resize(struct map *map, size_t capacity)
{
	struct map bigger = *map;
	size_t slot_bytes = ((size_t)map->key_words + 1) * 8;

	bigger.slots = calloc(capacity, slot_bytes);
	if (!bigger.slots)
		return -ENOMEM;
	bigger.capacity = capacity;
	for (size_t i = 0; i < map->capacity; i++) {
		const uint64_t *slot = map_slot(map, i);

		if (slot[0])
			memcpy(map_slot(&bigger, map_find(&bigger, slot + 1)), slot,
			       slot_bytes);
	}
	free(map->slots);
	*map = bigger;
	return 0;
}

int map_put(struct map *map, const void *key, void *value)
{
	uint64_t words[3], *slot;
	int r;

	assert(value);
	/* At most half full, so that a search always ends and soon. */
	if (map->count + 1 > map->capacity / 2) {
		r = map_resize(map, map->capacity ? map->capacity * 2 : MAP_CAPACITY_MIN);
		if (r < 0)
			return r;
	}
	map_load_key(map, key, words);
	slot = map_slot(map, map_find(map, words));
	if (!slot[0]) {
		memcpy(slot + 1, words, (size_t)map->key_words * 8);
		map->count++;
	}
	slot[0] = (uintptr_t)value;
	return 0;
}

/* Closes the gap at `hole`: whatever was pushed past it by a collision moves
 * back, until an empty slot ends the cluster. */
static void map_close_gap(struct map *map, size_t hole)
{
	size_t mask = map->capacity - 1;
	size_t slot_bytes = ((size_t)map->key_words + 1) * 8;

	for (size_t i = (hole + 1) & mask;; i = (i + 1) & mask) {
		uint64_t *slot = map_slot(map, i);

		if (!slot[0])
			break;
		if (((i - map_hash(map, slot + 1)) & mask) < ((i - hole) & mask))
			continue;
		memcpy(map_slot(map, hole), slot, slot_bytes);
		hole = i;
	}
	map_slot(map, hole)[0] = 0;
}

void *map_remove(struct map *map, const void *key)
{
	uint64_t words[3];
	void *value;
	size_t i;

	if (map->count == 0)
		return NULL;
	map_load_key(map, key, words);
	i = map_find(map, words);
	value = (void *)(uintptr_t)map_slot(map, i)[0];
	if (!value)
		return NULL;
	map_close_gap(map, i);
	map->count--;
	/* Without memory for a smaller table the large one serves on. */
	if (map->capacity > MAP_CAPACITY_MIN * 4 && map->count < map->capacity / 16)
		(void)map_resize(map, map->capacity / 4);
	return value;
}

bool map_next(const struct map *map, size_t *at, void **ret_value)
{
	for (; *at < map->capacity; (*at)++) {
		uint64_t value = map_slot(map, *at)[0];

		if (!value)
			continue;
		(*at)++;
		*ret_value = (void *)(uintptr_t)value;
		return true;
	}
	return false;
}
