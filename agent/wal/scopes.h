/* The resources and scopes of one segment and their numbers. The writer asks
 * by bytes whether a span's scope already has a SCOPE frame there; readers ask
 * by number for the bytes. Both forget everything at a segment's border. */
#ifndef WAL_SCOPES_H
#define WAL_SCOPES_H

#include "base/finished_span.h"
#include "wal/format.h"

struct scopes_entry {
	uint32_t number; /* 0: none */
	uint32_t hash;
	size_t at; /* of the four strings in `bytes` */
	uint32_t lengths[4];
};

struct scopes {
	struct scopes_entry *entries; /* [number - 1] */
	uint32_t count, cap;
	uint32_t *slots; /* the writer's hash table: numbers */
	uint32_t slot_count;
	struct buf bytes;
	uint32_t recent; /* the number found last: spans come in flocks */
};

void scopes_init(struct scopes *scopes);
void scopes_fini(struct scopes *scopes);
void scopes_forget(struct scopes *scopes);

/* The number of this span's resource and scope, 0 if they have none yet. */
uint32_t scopes_find(struct scopes *scopes, const struct finished_span *span);

/* The number the next new one gets. */
static inline uint32_t scopes_next(const struct scopes *scopes)
{
	return scopes->count + 1;
}

/* Gives them scopes_next(). -ENOMEM. */
int scopes_add(struct scopes *scopes, const struct finished_span *span);

/* Makes room so that the next scopes_add() of this span cannot fail. -ENOMEM. */
int scopes_reserve(struct scopes *scopes, const struct finished_span *span);

/* A reader: takes the payload of a SCOPE frame. -EBADMSG, -ENOMEM. */
int scopes_take(struct scopes *scopes, struct bytes payload);

/* Sets the four byte strings of `span`, borrowed until the next take or
 * forget. -ENOENT: unknown; they are set empty. */
int scopes_resolve(const struct scopes *scopes, uint32_t number, struct finished_span *span);

#endif
