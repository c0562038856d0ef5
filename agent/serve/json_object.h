/* Writes one JSON object into a buffer, member by member, with the commas where
 * they belong, so that no member must know its neighbour. Like struct buf's own,
 * its results may be ignored: ask buf_failed() once at the end. */
#ifndef SERVE_JSON_OBJECT_H
#define SERVE_JSON_OBJECT_H

#include "base/buf.h"
#include "base/counter.h"

struct json_writer {
	struct buf *out;
	bool inside; /* a member stands before this place */
};

/* `key` NULL: an element of an array, or the outermost value. */
void json_open(struct json_writer *json, const char *key, char bracket);
void json_close(struct json_writer *json, char bracket);
void json_number(struct json_writer *json, const char *key, uint64_t value);
void json_truth(struct json_writer *json, const char *key, bool value);
void json_text(struct json_writer *json, const char *key, struct bytes value);
void json_hex(struct json_writer *json, const char *key, const uint8_t *at, size_t len);

/* Every row of the table that has a key. */
void json_counters(struct json_writer *json, const struct counter_table *table,
		   const void *counters);

#endif
