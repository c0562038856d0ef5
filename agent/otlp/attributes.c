#include "otlp/attributes.h"

#include "otlp/pb.h"
#include "otlp/utf8.h"

#include <stdlib.h>
#include <sys/auxv.h>

/* Field numbers of opentelemetry.proto.common.v1. */
enum {
	KEY_VALUE_KEY = 1,
	KEY_VALUE_VALUE = 2,
	ANY_STRING = 1,
	ANY_BOOL = 2,
	ANY_INT = 3,
	ANY_DOUBLE = 4,
	ANY_ARRAY = 5,
	ANY_MAP = 6,
	ANY_BYTES = 7,
	CONTAINER_VALUES = 1,
};

/* --- finding a key --------------------------------------------------------------- */

/* Length and last bytes tell most keys of one span apart: they tend to begin
 * alike ("llm.input...", "llm.output..."). */
static uint64_t key_mark(const struct record_entry *entry)
{
	uint64_t tail = 0;

	if (entry->key_length >= 8)
		memcpy(&tail, entry->key + entry->key_length - 8, 8);
	else
		for (uint32_t i = 0; i < entry->key_length; i++)
			tail = tail << 8 | entry->key[i];
	return tail ^ (uint64_t)entry->key_length << 56;
}

static bool same_key(const struct record_entry *a, const struct record_entry *b)
{
	return a->key_length == b->key_length && memcmp(a->key, b->key, a->key_length) == 0;
}

/* Random bytes the kernel gave this process: no module knows them, so none can
 * choose keys that all fall into one slot. */
static uint64_t hash_seed(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	uint64_t seed = 0x9e3779b97f4a7c15ull;

	if (random)
		memcpy(&seed, random, sizeof(seed));
	return seed;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t key_hash(const struct record_entry *entry)
{
	uint64_t hash = hash_seed() ^ entry->key_length, word = 0;
	const uint8_t *at = entry->key, *end = at + entry->key_length;

	for (; end - at >= 8; at += 8) {
		memcpy(&word, at, 8);
		hash = mix(hash ^ word, 0xd6e8feb86659fd93ull);
	}
	word = 0;
	memcpy(&word, at, (size_t)(end - at));
	return mix(hash ^ word, 0xa0761d6478bd642full);
}

/* The slot of the key: the one that holds its place, or the free one where it
 * belongs. There are twice as many slots as places, so one is always free. */
static uint32_t *find_slot(const struct attributes *set, const struct record_entry *entry)
{
	uint32_t mask = set->cap * 2 - 1;

	for (uint32_t i = (uint32_t)key_hash(entry) & mask;; i = (i + 1) & mask) {
		uint32_t place = set->slots[i];

		if (place == 0 || same_key(&set->entries[place - 1], entry))
			return &set->slots[i];
	}
}

static uint64_t seen_bit(uint64_t mark)
{
	return UINT64_C(1) << (mark * 0x9e3779b97f4a7c15ull >> 58);
}

static struct record_entry *find_linear(const struct attributes *set,
					const struct record_entry *entry, uint64_t mark)
{
	if (!(set->seen & seen_bit(mark)))
		return NULL;
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->marks[i] == mark && same_key(&set->entries[i], entry))
			return &set->entries[i];
	}
	return NULL;
}

/* --- the set ----------------------------------------------------------------------- */

void attributes_init(struct attributes *attributes)
{
	attributes->entries = attributes->inline_entries;
	attributes->marks = attributes->inline_marks;
	attributes->slots = NULL;
	attributes->seen = 0;
	attributes->count = 0;
	attributes->cap = ATTRIBUTES_INLINE;
	attributes->max = UINT32_MAX;
	attributes->over = 0;
	attributes->dropped = 0;
	attributes->repaired = NULL;
}

void attributes_fini(struct attributes *attributes)
{
	if (attributes->entries != attributes->inline_entries)
		free(attributes->entries);
	free(attributes->slots);
	utf8_repaired_free(&attributes->repaired);
}

/* Doubles the room and goes over to the hash. The marks are needed no more. */
int attributes_grow(struct attributes *set)
{
	struct record_entry *entries, *old = set->entries;
	uint32_t *slots;

	if (set->cap > UINT32_MAX / 4)
		return -ENOMEM;
	entries = malloc((size_t)set->cap * 2 * sizeof(*entries));
	slots = calloc((size_t)set->cap * 4, sizeof(*slots));
	if (!entries || !slots) {
		free(entries);
		free(slots);
		return -ENOMEM;
	}
	memcpy(entries, old, set->count * sizeof(*entries));
	if (old != set->inline_entries)
		free(old);
	free(set->slots);
	set->entries = entries;
	set->slots = slots;
	set->cap *= 2;
	for (uint32_t i = 0; i < set->count; i++)
		*find_slot(set, &entries[i]) = i + 1;
	return 0;
}

static struct record_entry *find_hashed(struct attributes *set,
					const struct record_entry *entry)
{
	uint32_t *slot = find_slot(set, entry);

	if (*slot)
		return &set->entries[*slot - 1];
	*slot = set->count + 1;
	return NULL;
}

static struct record_entry *find_or_note(struct attributes *set,
					 const struct record_entry *entry)
{
	struct record_entry *earlier;
	uint64_t mark;

	if (set->slots)
		return find_hashed(set, entry);
	mark = key_mark(entry);
	earlier = find_linear(set, entry, mark);
	if (earlier)
		return earlier;
	set->seen |= seen_bit(mark);
	set->marks[set->count] = mark;
	return NULL;
}

static int repair_key(struct attributes *set, struct record_entry *entry)
{
	struct bytes key = {entry->key, entry->key_length};
	int r = utf8_repair(&key, &set->repaired);

	if (r == 0) {
		entry->key = key.at;
		entry->key_length = (uint32_t)key.len;
	}
	return r;
}

/* The keys are equal, so the later entry can stand for the earlier whole. */
static void take(struct attributes *set)
{
	struct record_entry *entry = &set->entries[set->count];
	struct record_entry *earlier = find_or_note(set, entry);

	if (earlier)
		*earlier = *entry;
	else
		set->count++;
}

static bool is_known(const struct attributes *set, const struct record_entry *entry)
{
	if (set->slots)
		return *find_slot(set, entry) != 0;
	return find_linear(set, entry, key_mark(entry)) != NULL;
}

int attributes_take(struct attributes *attributes)
{
	struct record_entry *entry = &attributes->entries[attributes->count];
	bool over;

	if (repair_key(attributes, entry) < 0)
		return -ENOMEM;
	over = attributes->count >= attributes->max && !is_known(attributes, entry);
	attributes->over += over && attributes->over < UINT32_MAX;
	if (entry->key_length == 0 || over)
		attributes->dropped += attributes->dropped < UINT32_MAX;
	else
		take(attributes);
	return 0;
}

int attributes_add_entries(struct attributes *attributes, struct record_text entries)
{
	const uint8_t *at = entries.at, *end = entries.at + entries.length;
	struct record_entry *entry;

	while ((entry = attributes_next(attributes))) {
		if (record_entry_next(&at, end, entry) <= 0)
			return 0;
		if (attributes_take(attributes) < 0)
			break;
	}
	return -ENOMEM;
}

/* --- values -------------------------------------------------------------------------- */

/* What is written: as in the record, but text repaired and lengths wide enough
 * for what repairing adds. */
struct value {
	struct bytes bytes;
	enum wire_value_type type;
};

static int write_value(struct buf *out, uint32_t field, struct value value, unsigned levels,
		       uint32_t *emptied);

/* A scalar of the wrong length was refused long ago; should one get here, it
 * is an empty value and never a read beyond its bytes. */
static struct value value_of(const struct record_entry *entry)
{
	struct value value = {{entry->value, entry->value_length}, entry->type};
	size_t len = entry->value_length;

	if ((entry->type == WIRE_BOOL && len != 1) ||
	    ((entry->type == WIRE_INT || entry->type == WIRE_DOUBLE) && len != 8) ||
	    entry->type > WIRE_MAP)
		value.type = WIRE_EMPTY;
	return value;
}

static bool is_container(struct value value)
{
	return value.type == WIRE_ARRAY || value.type == WIRE_MAP;
}

static uint64_t value_word(struct value value)
{
	uint64_t word;

	memcpy(&word, value.bytes.at, sizeof(word));
	return word;
}

/* Bytes of the AnyValue's content. */
static inline size_t scalar_size(struct value value)
{
	switch (value.type) {
	case WIRE_STRING:
	case WIRE_BYTES:
		return 1 + pb_varint_size(value.bytes.len) + value.bytes.len;
	case WIRE_BOOL:
		return 2;
	case WIRE_INT:
		return 1 + pb_varint_size(value_word(value));
	case WIRE_DOUBLE:
		return 9;
	default:
		return 0;
	}
}

static inline uint8_t *put_scalar(uint8_t *at, struct value value)
{
	switch (value.type) {
	case WIRE_STRING:
	case WIRE_BYTES:
		at = pb_put_tag(at, value.type == WIRE_STRING ? ANY_STRING : ANY_BYTES,
				PB_BYTES);
		at = pb_put_varint(at, value.bytes.len);
		return pb_put_raw(at, value.bytes.at, value.bytes.len);
	case WIRE_BOOL:
		at = pb_put_tag(at, ANY_BOOL, PB_VARINT);
		return pb_put_varint(at, value.bytes.at[0] != 0);
	case WIRE_INT:
		at = pb_put_tag(at, ANY_INT, PB_VARINT);
		return pb_put_varint(at, value_word(value));
	case WIRE_DOUBLE:
		at = pb_put_tag(at, ANY_DOUBLE, PB_FIXED64);
		return pb_put_fixed64(at, value_word(value));
	default:
		return at;
	}
}

static int write_elements(struct buf *out, struct bytes entries, unsigned levels,
			  uint32_t *emptied)
{
	const uint8_t *at = entries.at, *end = entries.at + entries.len;
	struct record_entry entry;

	while (record_entry_next(&at, end, &entry) > 0) {
		if (write_value(out, CONTAINER_VALUES, value_of(&entry), levels, emptied) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int write_set(const struct attributes *set, struct buf *out, uint32_t field,
		     unsigned levels, uint32_t *emptied);

/* In a map, unlike among attributes, an empty key is a key. */
static int take_members(struct attributes *set, struct bytes entries)
{
	const uint8_t *at = entries.at, *end = entries.at + entries.len;
	struct record_entry *entry;

	while ((entry = attributes_next(set))) {
		if (record_entry_next(&at, end, entry) <= 0)
			return 0;
		if (repair_key(set, entry) < 0)
			break;
		take(set);
	}
	return -ENOMEM;
}

static int write_members(struct buf *out, struct bytes entries, unsigned levels,
			 uint32_t *emptied)
{
	struct attributes set;
	int r;

	attributes_init(&set);
	r = take_members(&set, entries);
	if (r == 0)
		r = write_set(&set, out, CONTAINER_VALUES, levels, emptied);
	attributes_fini(&set);
	return r;
}

/* The content of an AnyValue that holds an array or a map; nothing, which is
 * the empty value, where parsers would follow no deeper. */
static int write_container(struct buf *out, struct value value, unsigned levels,
			   uint32_t *emptied)
{
	unsigned cost = value.type == WIRE_ARRAY ? 2 : 3;
	struct pb_nested nested;
	int r;

	if (levels < cost) {
		*emptied += *emptied < UINT32_MAX;
		return 0;
	}
	nested = pb_open(out, value.type == WIRE_ARRAY ? ANY_ARRAY : ANY_MAP, value.bytes.len);
	if (value.type == WIRE_ARRAY)
		r = write_elements(out, value.bytes, levels - cost, emptied);
	else
		r = write_members(out, value.bytes, levels - cost, emptied);
	return r < 0 ? r : pb_close(out, nested);
}

static int write_container_value(struct buf *out, uint32_t field, struct value value,
				 unsigned levels, uint32_t *emptied)
{
	struct pb_nested any = pb_open(out, field, value.bytes.len);

	if (write_container(out, value, levels, emptied) < 0)
		return -ENOMEM;
	return pb_close(out, any);
}

/* Appends an AnyValue; of text, valid text. */
static int write_valid_value(struct buf *out, uint32_t field, struct value value,
			     unsigned levels, uint32_t *emptied)
{
	size_t size;
	uint8_t *at;

	if (is_container(value))
		return write_container_value(out, field, value, levels, emptied);
	size = scalar_size(value);
	at = pb_room(out, PB_TAG_MAX + PB_VARINT_MAX + size);
	if (!at)
		return -ENOMEM;
	at = pb_put_tag(at, field, PB_BYTES);
	at = pb_put_varint(at, size);
	pb_filled(out, put_scalar(at, value));
	return 0;
}

static int write_value(struct buf *out, uint32_t field, struct value value, unsigned levels,
		       uint32_t *emptied)
{
	struct buf repaired = BUF_INIT;
	int r;

	if (value.type != WIRE_STRING || utf8_is_valid(value.bytes))
		return write_valid_value(out, field, value, levels, emptied);
	r = utf8_append_repaired(&repaired, value.bytes);
	value.bytes = buf_bytes(&repaired);
	if (r == 0)
		r = write_valid_value(out, field, value, levels, emptied);
	buf_fini(&repaired);
	return r;
}

/* --- attributes ------------------------------------------------------------------------- */

/* Below this all lengths take one byte, with room for the tags. */
#define SMALL 56

static void write_small_attribute(struct buf *out, uint8_t *at, uint32_t field,
				  struct bytes key, struct value value)
{
	size_t any = scalar_size(value);

	at = pb_put_tag(at, field, PB_BYTES);
	*at++ = (uint8_t)(4 + key.len + any);
	*at++ = KEY_VALUE_KEY << 3 | PB_BYTES;
	*at++ = (uint8_t)key.len;
	at = pb_put_raw(at, key.at, key.len);
	*at++ = KEY_VALUE_VALUE << 3 | PB_BYTES;
	*at++ = (uint8_t)any;
	pb_filled(out, put_scalar(at, value));
}

/* The common case, sized beforehand and written at once: a scalar, valid text. */
static int write_plain_attribute(struct buf *out, uint32_t field, struct bytes key,
				 struct value value)
{
	size_t any = scalar_size(value);
	size_t size = 2 + pb_varint_size(key.len) + key.len + pb_varint_size(any) + any;
	uint8_t *at = pb_room(out, PB_TAG_MAX + PB_VARINT_MAX + size);

	if (!at)
		return -ENOMEM;
	if (key.len < SMALL && value.bytes.len < SMALL) {
		write_small_attribute(out, at, field, key, value);
		return 0;
	}
	at = pb_put_tag(at, field, PB_BYTES);
	at = pb_put_varint(at, size);
	at = pb_put_tag(at, KEY_VALUE_KEY, PB_BYTES);
	at = pb_put_varint(at, key.len);
	at = pb_put_raw(at, key.at, key.len);
	at = pb_put_tag(at, KEY_VALUE_VALUE, PB_BYTES);
	at = pb_put_varint(at, any);
	pb_filled(out, put_scalar(at, value));
	return 0;
}

static int write_other_attribute(struct buf *out, uint32_t field, struct bytes key,
				 struct value value, unsigned levels, uint32_t *emptied)
{
	struct pb_nested nested = pb_open(out, field, key.len + value.bytes.len);

	if (key.len)
		(void)pb_bytes(out, KEY_VALUE_KEY, key);
	if (write_value(out, KEY_VALUE_VALUE, value, levels, emptied) < 0)
		return -ENOMEM;
	return pb_close(out, nested);
}

static int write_set(const struct attributes *set, struct buf *out, uint32_t field,
		     unsigned levels, uint32_t *emptied)
{
	for (uint32_t i = 0; i < set->count; i++) {
		const struct record_entry *entry = &set->entries[i];
		struct bytes key = {entry->key, entry->key_length};
		struct value value = value_of(entry);
		int r;

		if (is_container(value) || !key.len ||
		    (value.type == WIRE_STRING && !utf8_is_valid(value.bytes)))
			r = write_other_attribute(out, field, key, value, levels, emptied);
		else
			r = write_plain_attribute(out, field, key, value);
		if (r < 0)
			return r;
	}
	return 0;
}

int attributes_write(const struct attributes *attributes, struct buf *out, uint32_t field,
		     uint32_t *emptied)
{
	return write_set(attributes, out, field, ATTRIBUTES_LEVELS, emptied);
}

int attributes_write_text(struct buf *out, uint32_t field, struct bytes text)
{
	struct buf repaired = BUF_INIT;
	int r;

	if (text.len == 0)
		return 0;
	if (utf8_is_valid(text))
		return pb_bytes(out, field, text);
	r = utf8_append_repaired(&repaired, text);
	if (r == 0)
		r = pb_bytes(out, field, buf_bytes(&repaired));
	buf_fini(&repaired);
	return r;
}
