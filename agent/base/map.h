/* A hash map from keys of one fixed size (8, 16 or 24 bytes) to pointers that
 * are never NULL. Open addressing with linear probing; removal moves entries
 * back, so there are no tombstones and the cost stays flat. It shrinks again
 * when little is left.
 *
 * Keys often come from hostile peers: give each map a random seed. The map
 * owns its slots, never the values. One thread. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
	uint64_t *slots; /* `capacity` times: the value, then the key */
	size_t capacity; /* a power of two, 0 before the first entry */
	size_t count;
	uint64_t seed;
	uint32_t key_words;
};

#define MAP_KEY_BYTES_MAX 24

/* Allocates nothing. */
void map_init(struct map *map, size_t key_bytes, uint64_t seed);
void map_fini(struct map *map);

/* What its slots take. */
size_t map_bytes(const struct map *map);

/* The value, or NULL. */
void *map_get(const struct map *map, const void *key);

/* Asks the memory for where a key would be, long before it is looked up. */
void map_prefetch(const struct map *map, const void *key);

/* Adds or replaces. -ENOMEM leaves the map as it was. */
int map_put(struct map *map, const void *key, void *value);

/* Returns what was removed, or NULL. */
void *map_remove(struct map *map, const void *key);

/* Walks all entries in no order: begin with *at = 0. False at the end. The map
 * must not change meanwhile. */
bool map_next(const struct map *map, size_t *at, void **ret_value);

#endif
