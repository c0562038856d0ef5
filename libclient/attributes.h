/* Attributes as the caller gives them, turned into entries of records.
 *
 * The length of everything is known before the first byte is written: a record
 * announces it, and a large one claims its blocks first. Recursion is bounded
 * by ATTRIBUTES_DEPTH_MAX. Texts and bytes are cut at `longest` (SPAN_LIMITS_NONE:
 * never), wherever in a value they stand. Pure but for the writer. */
#ifndef LIBCLIENT_ATTRIBUTES_H
#define LIBCLIENT_ATTRIBUTES_H

#include "span_limits.h"
#include "spanring.h"
#include "writer.h"

/* How deep arrays and maps may nest; the reader's limit is WIRE_DEPTH_MAX. */
#define ATTRIBUTES_DEPTH_MAX 60

/* Bytes of the value alone. -EINVAL: no key, NULL, an unknown type, too deep.
 * -EMSGSIZE: beyond what 32 bits can count. */
int64_t attribute_value_bytes(const struct spanring_attribute *attribute, uint32_t longest);

/* The value's type in the record. The attribute was measured before. */
enum wire_value_type attribute_wire_type(const struct spanring_attribute *attribute);

/* Writes the value of an attribute that was measured. */
void attribute_write_value(struct writer *writer, const struct spanring_attribute *attribute,
			   uint32_t longest);

/* Bytes of the attributes as entries; bad ones are left out and counted.
 * *ret_first_error: why the first of them was, or 0. */
uint64_t attributes_entries_bytes(const struct spanring_attribute *attributes, size_t count,
				  uint32_t longest, uint32_t *ret_bad, int *ret_first_error);

/* Writes the good ones as entries. */
void attributes_write_entries(struct writer *writer,
			      const struct spanring_attribute *attributes, size_t count,
			      uint32_t longest);

#endif
