/* Reads a ring file as its bytes lie there: a small reader for tests, written
 * from include/wire alone and sharing nothing with the agent's drain but the
 * record check. It returns every record of every thread in order, fragments
 * joined, and judges the file by the rules of abi.h. */
#ifndef SUPPORT_RING_VIEW_H
#define SUPPORT_RING_VIEW_H

#include "wire/abi.h"
#include "wire/record.h"

#include <stdbool.h>
#include <stddef.h>

struct ring_record {
	uint32_t thread;
	uint64_t number;      /* within its thread, of its first piece, from 1 */
	const uint8_t *bytes; /* the whole record, owned by the view */
	uint32_t length;
};

struct ring_view {
	uint8_t *image; /* a copy of the file */
	size_t size;
	struct ring_record *records; /* by thread, then in the order written */
	size_t count;
	uint64_t pieces;	     /* records as they are numbered: fragments count each */
	uint32_t incomplete;	     /* values whose last fragment is missing */
	uint32_t blocks_used;
	uint8_t **joined;
	size_t joined_count;
	const char *why; /* what the file breaks, NULL when it is good */
};

/* Copies the mapped ring (state first, as the agent does) and reads the copy.
 * `returned`: generations the agent gave back, or NULL: none. 0 when the image
 * is good, -EBADMSG with view->why otherwise. */
int ring_view_read(struct ring_view *view, const uint8_t *ring, size_t size,
		   const uint32_t *returned);

/* The same for the only .ring file in a directory. -ENOENT, -EEXIST: none or
 * several. */
int ring_view_open(struct ring_view *view, const char *directory);

void ring_view_close(struct ring_view *view);

const struct wire_ring_header *ring_view_header(const struct ring_view *view);

/* Records of a type; the n-th of them or NULL. */
size_t ring_view_count(const struct ring_view *view, enum wire_record_type type);
const struct ring_record *ring_view_nth(const struct ring_view *view,
					enum wire_record_type type, size_t n);

/* The START of the first span of this name, or NULL. */
const struct ring_record *ring_view_start(const struct ring_view *view, const char *name);

/* The last text set under this key on the span; NULL bytes: none. */
struct record_text ring_view_text(const struct ring_view *view, const uint8_t span_id[8],
				  const char *key);

#endif
