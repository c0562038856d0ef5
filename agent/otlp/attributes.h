/* A set of attributes on its way from records to OTLP: keys are unique, the
 * last value of a key stands at the place of the first. Keys are told apart as
 * they are written, with their invalid UTF-8 repaired. Keys and values are
 * borrowed from the records until attributes_write(). Few valid attributes, which is
 * nearly always, need no memory but the struct's own; many are found by a
 * hash whose seed the modules cannot know, so cost stays linear. */
#ifndef OTLP_ATTRIBUTES_H
#define OTLP_ATTRIBUTES_H

#include "base/buf.h"
#include "otlp/utf8.h"
#include "wire/record.h"

#define ATTRIBUTES_INLINE 32

/* Messages that may still nest below an attribute's value. Together with what
 * stands above (request to attribute: at most seven) it keeps within the 100
 * that protobuf's parsers read. An array takes two, a map three. */
#define ATTRIBUTES_LEVELS 90

struct attributes {
	struct record_entry *entries;
	uint64_t *marks; /* what of a key is compared first */
	uint64_t seen;	 /* bit n: a mark that hashes to n is among them */
	uint32_t *slots; /* 0 free, else place + 1; NULL while few */
	uint32_t count;
	uint32_t cap;			/* a power of two */
	uint32_t max;			/* so many keys are taken; further ones are dropped */
	uint32_t over;			/* how many were */
	uint32_t dropped;		/* the same, and for want of a key */
	struct utf8_repaired *repaired; /* keys */
	struct record_entry inline_entries[ATTRIBUTES_INLINE];
	uint64_t inline_marks[ATTRIBUTES_INLINE];
};

/* Without a maximum. */
void attributes_init(struct attributes *attributes);
void attributes_fini(struct attributes *attributes);

/* More room. 0 or -ENOMEM; attributes_next() asks for it. */
int attributes_grow(struct attributes *attributes);

/* An attribute is added by filling the entry that attributes_next() gives and
 * taking it: it is written where it stays. One without a key is dropped and
 * counted. NULL: no memory. */
static inline struct record_entry *attributes_next(struct attributes *attributes)
{
	if (attributes->count == attributes->cap && attributes_grow(attributes) < 0)
		return NULL;
	return &attributes->entries[attributes->count];
}

/* 0 or -ENOMEM. */
int attributes_take(struct attributes *attributes);

/* All entries of a record; checked, but a broken one only ends the reading.
 * 0 or -ENOMEM. */
int attributes_add_entries(struct attributes *attributes, struct record_text entries);

/* Appends each as a KeyValue in the repeated field `field`. *emptied grows by
 * the containers that were too deep and became empty values. 0 or -ENOMEM. */
int attributes_write(const struct attributes *attributes, struct buf *out, uint32_t field,
		     uint32_t *emptied);

/* Appends a string field with its invalid UTF-8 repaired; nothing for an empty
 * one. 0 or -ENOMEM. */
int attributes_write_text(struct buf *out, uint32_t field, struct bytes text);

#endif
