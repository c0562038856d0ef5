#include "export/out_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void out_queue_init(struct out_queue *queue)
{
	queue->first = 0;
	queue->n = 0;
	queue->skip = 0;
}

static struct out_segment *segment_at(struct out_queue *queue, unsigned i)
{
	return &queue->segments[(queue->first + i) % OUT_SEGMENTS];
}

static struct out_segment *segment_push(struct out_queue *queue)
{
	struct out_segment *segment;

	assert(!out_queue_full(queue));
	segment = segment_at(queue, queue->n++);
	segment->inlined_len = 0;
	segment->at = NULL;
	segment->len = 0;
	segment->owned = NULL;
	segment->owner = 0;
	return segment;
}

static void segment_pop(struct out_queue *queue)
{
	free(segment_at(queue, 0)->owned);
	queue->first = (queue->first + 1) % OUT_SEGMENTS;
	queue->n--;
	queue->skip = 0;
}

void out_queue_fini(struct out_queue *queue)
{
	while (queue->n)
		segment_pop(queue);
}

int out_queue_copy(struct out_queue *queue, const uint8_t *at, size_t len)
{
	struct out_segment *segment;
	uint8_t *owned = NULL;

	if (len > OUT_INLINE) {
		owned = malloc(len);
		if (!owned)
			return -ENOMEM;
		memcpy(owned, at, len);
	}
	segment = segment_push(queue);
	if (owned) {
		segment->owned = owned;
		segment->at = owned;
		segment->len = len;
		return 0;
	}
	memcpy(segment->inlined, at, len);
	segment->inlined_len = len;
	return 0;
}

void out_queue_frame(struct out_queue *queue, const uint8_t *header, size_t header_len,
		     const uint8_t *at, size_t len, int32_t owner)
{
	struct out_segment *segment = segment_push(queue);

	assert(header_len <= OUT_INLINE);
	memcpy(segment->inlined, header, header_len);
	segment->inlined_len = header_len;
	segment->at = at;
	segment->len = len;
	segment->owner = owner;
}

int out_queue_disown(struct out_queue *queue, int32_t owner)
{
	for (unsigned i = 0; i < queue->n; i++) {
		struct out_segment *segment = segment_at(queue, i);

		if (segment->owner != owner)
			continue;
		segment->owned = malloc(segment->len ? segment->len : 1);
		if (!segment->owned)
			return -ENOMEM;
		memcpy(segment->owned, segment->at, segment->len);
		segment->at = segment->owned;
		segment->owner = 0;
	}
	return 0;
}

/* Adds one vector for `len` bytes less what `skip` still covers. */
static int vector_add(struct iovec *iov, int n, const uint8_t *at, size_t len, size_t *skip)
{
	size_t skipped = *skip < len ? *skip : len;

	*skip -= skipped;
	if (skipped == len)
		return n;
	iov[n].iov_base = (void *)(at + skipped);
	iov[n].iov_len = len - skipped;
	return n + 1;
}

int out_queue_vectors(const struct out_queue *queue, struct iovec *iov, int max)
{
	size_t skip = queue->skip;
	int n = 0;

	for (unsigned i = 0; i < queue->n && n + 2 <= max; i++) {
		const struct out_segment *segment =
			&queue->segments[(queue->first + i) % OUT_SEGMENTS];

		n = vector_add(iov, n, segment->inlined, segment->inlined_len, &skip);
		n = vector_add(iov, n, segment->at, segment->len, &skip);
	}
	return n;
}

void out_queue_sent(struct out_queue *queue, size_t len)
{
	while (queue->n) {
		const struct out_segment *segment = segment_at(queue, 0);
		size_t left = segment->inlined_len + segment->len - queue->skip;

		if (len < left) {
			queue->skip += len;
			return;
		}
		len -= left;
		segment_pop(queue);
	}
	assert(len == 0);
}
