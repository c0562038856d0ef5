/* The keys of one set of attributes, for telling whether one stands there twice. Few
 * are compared with each other, many are sorted: cost stays in proportion whatever
 * somebody sends. One owner, one thread. */
#ifndef OTLP_KEYS_H
#define OTLP_KEYS_H

#include "base/buf.h"
#include "otlp/utf8.h"

struct key_entry {
	uint64_t mark;		/* of the key: what is compared first */
	struct bytes key;	/* repaired: two that differ in what is not UTF-8 are one */
	struct bytes attribute; /* the encoded KeyValue */
	size_t place;		/* among the set's attributes */
};

/* Sets within sets: each is what was added behind where it began. */
struct keys {
	struct key_entry *entries;
	size_t count, cap;
	struct utf8_repaired *repaired; /* until keys_fini() */
};

void keys_fini(struct keys *keys);

/* Of an encoded KeyValue; the last of several keys holds. -ENOMEM. */
int keys_add(struct keys *keys, size_t begin, struct bytes attribute);

/* How many keys from `begin` on are there already. Their order is then another. */
size_t keys_repeated(struct keys *keys, size_t begin);

/* Of the set from `begin` on: `chosen`, which has room for all, gets for each place the
 * attribute that stands there then: the last of a key where its first was, and none
 * (NULL) for the others. */
void keys_choose(struct keys *keys, size_t begin, struct bytes *chosen);

/* The set is done with. */
static inline void keys_drop(struct keys *keys, size_t begin)
{
	keys->count = begin;
}

/* The key of an encoded KeyValue. */
struct bytes key_of(struct bytes attribute);

#endif
