/* What spans stand under: a resource and a scope, as they are printed in front
 * of and behind a span. Equal ones, recognised by their printed bytes, are one
 * group; a run has few.
 *
 *   head   {"resourceSpans":[ {"resource":R,"scopeSpans":[ {"scope":S,"spans":[
 *          ^ GROUP_OPEN       ^ resource_head              ^ scope_head
 *   tail   ],"schemaUrl":U}   ],"schemaUrl":V}             ]}\n
 *          ^ scope_tail       ^ resource_tail              ^ GROUP_CLOSE
 *
 * head + span + tail is one line of a spool, but for the sum in front of its end
 * (spool_sum.h); a sealed file is made of the same pieces, each head and tail
 * written once, and the first resource with the run's summary (summary.h). */
#ifndef ARCHIVE_GROUP_H
#define ARCHIVE_GROUP_H

#include "base/finished_span.h"

#define GROUP_OPEN "{\"resourceSpans\":["
#define GROUP_CLOSE "]}\n"

struct group {
	struct buf head;
	struct buf tail;
	uint32_t resource_head_len;
	uint32_t scope_tail_len;
	uint32_t resource; /* the first group with an equal resource */
	uint32_t head_crc; /* of a line that has the head so far */
	uint64_t key_hash;
	struct buf key; /* the bytes it was printed from, to find it quickly */
};

struct groups {
	struct group *at;
	uint32_t count;
	uint32_t cap;
	uint32_t recent; /* where the last one was found */
};

void groups_fini(struct groups *groups);

/* The group of a span, made when it is new. -EBADMSG: resource or scope are no
 * protobuf messages. -ENOMEM. */
int groups_find(struct groups *groups, const struct finished_span *span, uint32_t *ret_group);

/* The Resource message it was printed from. */
struct bytes group_resource(const struct group *group);

/* Appends its resource_head with a summary's attributes (summary.h) behind its own.
 * -ENOMEM. */
int group_print_first_head(struct buf *out, const struct group *group, struct bytes summary);

struct bytes group_resource_head(const struct group *group);
struct bytes group_scope_head(const struct group *group);
struct bytes group_scope_tail(const struct group *group);
struct bytes group_resource_tail(const struct group *group);
/* The tail as far as a line's sum goes. */
struct bytes group_summed_tail(const struct group *group);

#endif
