#include "receive/recent.h"

#include <errno.h>
#include <stdlib.h>

#include "otlp/pb.h"

#define BUCKET 8u

/* Field numbers of Span. */
enum { TRACE_ID = 1, SPAN_ID = 2, PARENT_ID = 4, START = 7, END = 8 };

int recent_init(struct recent *recent, const uint64_t seed[2])
{
	*recent = (struct recent){.seed = {seed[0] | 1, seed[1] | 1}};
	recent->slots = aligned_alloc(64, RECENT_SPANS * sizeof(uint64_t));
	if (!recent->slots)
		return -ENOMEM;
	memset(recent->slots, 0, RECENT_SPANS * sizeof(uint64_t));
	return 0;
}

void recent_fini(struct recent *recent)
{
	free(recent->slots);
	recent->slots = NULL;
}

struct span_view span_view_of(struct bytes span)
{
	struct pb_reader reader = pb_read(span);
	struct span_view view = {{NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0};
	struct pb_field field;

	while (pb_next(&reader, &field) > 0) {
		if (field.wire == PB_BYTES && field.number == TRACE_ID)
			view.trace_id = field.bytes;
		else if (field.wire == PB_BYTES && field.number == SPAN_ID)
			view.span_id = field.bytes;
		else if (field.wire == PB_BYTES && field.number == PARENT_ID)
			view.parent_id = field.bytes;
		else if (field.wire == PB_FIXED64 && field.number == START)
			view.start_ns = field.value;
		else if (field.wire == PB_FIXED64 && field.number == END)
			view.end_ns = field.value;
	}
	return view;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static uint64_t word(struct bytes id, size_t at)
{
	uint64_t word;

	memcpy(&word, id.at + at, sizeof word);
	return word;
}

uint64_t recent_key(const struct recent *recent, const struct span_view *span)
{
	const uint64_t *seed = recent->seed;
	uint64_t key =
		mix(word(span->trace_id, 0) ^ seed[0], word(span->trace_id, 8) ^ seed[1]);

	key = mix(key ^ word(span->span_id, 0) ^ seed[0], seed[1]);
	key = mix(key ^ span->start_ns ^ seed[1], seed[0]);
	key = mix(key ^ span->end_ns ^ seed[0], seed[1]);
	return key ? key : 1;
}

static uint64_t *bucket_of(const struct recent *recent, uint64_t key)
{
	return recent->slots + (key % (RECENT_SPANS / BUCKET)) * BUCKET;
}

bool recent_has(const struct recent *recent, uint64_t key)
{
	const uint64_t *bucket = bucket_of(recent, key);

	for (unsigned i = 0; i < BUCKET; i++)
		if (bucket[i] == key)
			return true;
	return false;
}

/* The newest stands first. */
void recent_add(struct recent *recent, uint64_t key)
{
	uint64_t *bucket = bucket_of(recent, key);

	if (recent_has(recent, key))
		return;
	memmove(bucket + 1, bucket, (BUCKET - 1) * sizeof *bucket);
	bucket[0] = key;
}
