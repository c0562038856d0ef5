/* Records written one behind the other into a buf, as the log holds them: each
 * padded to 8. For tests of whatever reads records. */
#ifndef SUPPORT_RECORDS_H
#define SUPPORT_RECORDS_H

#include "base/buf.h"
#include "wire/record.h"

/* A span's name in the builder: an id and, as trace id, the same repeated. */
void records_start(struct buf *out, uint64_t span, uint64_t parent, unsigned kind,
		   uint32_t flags, uint64_t ticks, struct bytes name, struct bytes tracestate);
void records_end(struct buf *out, uint64_t span, uint64_t ticks);
/* `flags` of the record just begun at `at` may be changed with this. */
void records_set_flags(struct buf *out, size_t at, unsigned flags);
void records_attribute(struct buf *out, uint64_t span, struct bytes key,
		       enum wire_value_type type, struct bytes value);
void records_text(struct buf *out, enum wire_record_type type, uint64_t span, unsigned aux,
		  struct bytes text);
void records_event(struct buf *out, uint64_t span, uint64_t ticks, struct bytes name,
		   struct bytes entries, uint32_t dropped);
void records_link(struct buf *out, uint64_t span, uint64_t linked, uint32_t flags,
		  struct bytes tracestate, struct bytes entries, uint32_t dropped);
void records_dropped(struct buf *out, uint64_t span, uint32_t attributes, uint32_t events,
		     uint32_t links);
void records_resource(struct buf *out, struct bytes schema_url, struct bytes entries,
		      uint32_t dropped);
void records_scope(struct buf *out, uint32_t number, struct bytes name, struct bytes version,
		   struct bytes schema_url, struct bytes entries, uint32_t dropped);

/* One entry, for the `entries` above and for array and map values. */
void records_entry(struct buf *out, struct bytes key, enum wire_value_type type,
		   struct bytes value);

#endif
