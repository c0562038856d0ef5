#include "otlp/keys.h"

#include <errno.h>
#include <stdlib.h>

#include "otlp/pb.h"

#define KEY_VALUE_KEY 1
/* So many are compared each with each. */
#define FEW 24u

void keys_fini(struct keys *keys)
{
	free(keys->entries);
	utf8_repaired_free(&keys->repaired);
	*keys = (struct keys){.entries = NULL};
}

struct bytes key_of(struct bytes attribute)
{
	return pb_last_bytes(attribute, KEY_VALUE_KEY);
}

/* Its last eight bytes, where names that begin alike differ, and its length. */
static uint64_t mark_of(struct bytes key)
{
	size_t len = key.len < 8 ? key.len : 8;
	uint64_t mark = 0;

	if (len)
		memcpy(&mark, key.at + key.len - len, len);
	return mark ^ (uint64_t)key.len * UINT64_C(0x9e3779b97f4a7c15);
}

int keys_add(struct keys *keys, size_t begin, struct bytes attribute)
{
	struct key_entry *entry;

	if (keys->count == keys->cap) {
		size_t cap = keys->cap ? 2 * keys->cap : 32;
		struct key_entry *entries =
			reallocarray(keys->entries, cap, sizeof(struct key_entry));

		if (!entries)
			return -ENOMEM;
		keys->entries = entries;
		keys->cap = cap;
	}
	entry = &keys->entries[keys->count];
	entry->key = key_of(attribute);
	if (utf8_repair(&entry->key, &keys->repaired) < 0)
		return -ENOMEM;
	entry->mark = mark_of(entry->key);
	entry->attribute = attribute;
	entry->place = keys->count++ - begin;
	return 0;
}

static bool same(const struct key_entry *a, const struct key_entry *b)
{
	return a->mark == b->mark && bytes_equal(a->key, b->key);
}

/* By key, those of one key as they came. */
static int compare(const void *left, const void *right)
{
	const struct key_entry *a = left, *b = right;
	int r;

	if (a->mark != b->mark)
		return a->mark < b->mark ? -1 : 1;
	if (a->key.len != b->key.len)
		return a->key.len < b->key.len ? -1 : 1;
	r = a->key.len ? memcmp(a->key.at, b->key.at, a->key.len) : 0;
	if (r)
		return r;
	return a->place < b->place ? -1 : a->place > b->place;
}

static size_t repeated_of_few(const struct key_entry *entries, size_t count)
{
	size_t repeated = 0;

	for (size_t i = 1; i < count; i++)
		for (size_t before = 0; before < i; before++)
			if (same(&entries[i], &entries[before])) {
				repeated++;
				break;
			}
	return repeated;
}

size_t keys_repeated(struct keys *keys, size_t begin)
{
	struct key_entry *entries = keys->entries + begin;
	size_t count = keys->count - begin, repeated = 0;

	if (count <= FEW)
		return repeated_of_few(entries, count);
	qsort(entries, count, sizeof *entries, compare);
	for (size_t i = 1; i < count; i++)
		repeated += same(&entries[i], &entries[i - 1]);
	return repeated;
}

void keys_choose(struct keys *keys, size_t begin, struct bytes *chosen)
{
	struct key_entry *entries = keys->entries + begin;
	size_t count = keys->count - begin, first = 0;

	qsort(entries, count, sizeof *entries, compare);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !same(&entries[i], &entries[i - 1]))
			first = i;
		else
			chosen[entries[i].place] = (struct bytes){NULL, 0};
		chosen[entries[first].place] = entries[i].attribute;
	}
}
