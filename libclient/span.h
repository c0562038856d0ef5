/* Parts of a span's writing that its start and its later calls share. All:
 * inside the gate. Results as the public calls'; nothing is counted here. */
#ifndef LIBCLIENT_SPAN_H
#define LIBCLIENT_SPAN_H

#include "client.h"
#include "span_limits.h"
#include "writer.h"

/* Writes one attribute; not committed. */
int span_write_attribute(struct thread *thread, const struct spanring_span *span,
			 const struct spanring_attribute *attribute);
int span_write_link(struct thread *thread, const struct spanring_span *span,
		    const struct spanring_link *link);

/* Of the attributes of an event or a link, how many are kept. */
static inline size_t span_kept(size_t count, uint32_t limit)
{
	return count > limit ? limit : count;
}

/* Writes each attribute, or counts it as refused; returns the first error. */
int span_write_attributes(struct thread *thread, const struct spanring_span *span,
			  const struct spanring_attribute *attributes, size_t count);
int span_write_links(struct thread *thread, const struct spanring_span *span,
		     const struct spanring_link *links, size_t count);

/* Padded bytes of the records, were they all good. */
uint64_t span_attributes_bytes(const struct spanring_attribute *attributes, size_t count);
uint64_t span_links_bytes(const struct spanring_link *links, size_t count);

/* Whether the span's current level in this thread is what it says; takes it
 * and all above it off. -ENOENT: not on this thread's stack. */
int current_detach(struct thread *thread, struct spanring_span *span);

#endif
