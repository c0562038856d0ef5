/* Bytes on their way to the socket, in order. Frame headers and control frames
 * are copied; the payload of a DATA frame is borrowed from the request, so a
 * span's bytes are not copied again. Whoever is about to lose such a request
 * has its queued rest copied first, because a frame that was begun must be
 * finished. */
#ifndef EXPORT_OUT_QUEUE_H
#define EXPORT_OUT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define OUT_SEGMENTS 64
#define OUT_INLINE 48

struct out_segment {
	uint8_t inlined[OUT_INLINE]; /* goes before `at` */
	size_t inlined_len;
	const uint8_t *at;
	size_t len;
	uint8_t *owned; /* heap block `at` points into, or NULL */
	int32_t owner;	/* stream whose request `at` is borrowed from, or 0 */
};

struct out_queue {
	struct out_segment segments[OUT_SEGMENTS];
	unsigned first;
	unsigned n;
	size_t skip; /* bytes of the first segment that are sent */
};

void out_queue_init(struct out_queue *queue);
void out_queue_fini(struct out_queue *queue);

static inline bool out_queue_full(const struct out_queue *queue)
{
	return queue->n == OUT_SEGMENTS;
}

/* Copies `len` bytes in. The queue is not full. -ENOMEM. */
int out_queue_copy(struct out_queue *queue, const uint8_t *at, size_t len);

/* A frame header (at most OUT_INLINE bytes, copied) and its borrowed payload.
 * The queue is not full. */
void out_queue_frame(struct out_queue *queue, const uint8_t *header, size_t header_len,
		     const uint8_t *at, size_t len, int32_t owner);

/* Copies what is still borrowed from `owner`. -ENOMEM: some of it still is. */
int out_queue_disown(struct out_queue *queue, int32_t owner);

/* Fills at most `max` vectors with what comes next; returns how many. */
int out_queue_vectors(const struct out_queue *queue, struct iovec *iov, int max);
void out_queue_sent(struct out_queue *queue, size_t len);

#endif
