#include "assemble/open_span.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/record.h"

#define SPARE_MAX 1024u
#define CHUNK_BYTES_MIN 512u
#define CHUNK_BYTES_MAX 8192u

void span_store_init(struct span_store *store, uint64_t memory_bytes_max)
{
	*store = (struct span_store){.memory_bytes_max = memory_bytes_max};
	for (int i = 0; i < SPAN_STORE_CLASSES; i++)
		list_init(&store->spillable[i]);
}

void span_store_fini(struct span_store *store)
{
	while (store->spare) {
		struct open_span *next = (struct open_span *)(void *)store->spare->run;

		free(store->spare);
		store->spare = next;
	}
	free(store->views);
}

static struct open_span *spare_take(struct span_store *store)
{
	struct open_span *span = store->spare;

	if (!span)
		return malloc(sizeof *span);
	store->spare = (struct open_span *)(void *)span->run;
	store->spare_count--;
	return span;
}

static void spare_give(struct span_store *store, struct open_span *span)
{
	if (store->spare_count == SPARE_MAX) {
		free(span);
		return;
	}
	span->run = (struct trace_run *)(void *)store->spare;
	store->spare = span;
	store->spare_count++;
}

static void span_reset_chunks(struct open_span *span)
{
	span->own = (struct span_chunk){NULL, span->room, 0, SPAN_ROOM_BYTES};
	span->first = &span->own;
	span->last = &span->own;
	span->bytes = 0;
}

void span_store_take(struct span_store *store, struct holder *holder, int64_t bytes)
{
	store->memory_bytes += (uint64_t)bytes;
	holder_add(holder, bytes);
}

struct open_span *open_span_new(struct span_store *store, struct holder *holder,
				const uint8_t span_id[8])
{
	struct open_span *span = spare_take(store);

	if (!span)
		return NULL;
	/* The room behind `own` needs no zeroes. */
	memset(span, 0, offsetof(struct open_span, own));
	list_init(&span->ages);
	list_init(&span->places);
	list_init(&span->due);
	memcpy(span->span_id, span_id, 8);
	span->holder = holder;
	span_reset_chunks(span);
	span_store_take(store, holder, sizeof *span);
	return span;
}

/* A large value's chunk is the first member of its struct span_large. */
static struct span_large *large_of(struct span_chunk *chunk)
{
	return (struct span_large *)(void *)chunk;
}

static void chunk_free(struct span_store *store, struct open_span *span,
		       struct span_chunk *chunk)
{
	if (chunk == &span->own)
		return;
	if (chunk->room) {
		span_store_take(store, span->holder, -(int64_t)(sizeof *chunk + chunk->room));
		free(chunk);
		return;
	}
	list_unlink(&large_of(chunk)->spillable);
	span_store_take(store, span->holder, -(int64_t)sizeof(struct span_large));
	if (chunk->at)
		span_store_take(store, span->holder, -(int64_t)chunk->len);
	else
		store->spilled_bytes -= chunk->len;
	free(chunk->at);
	free(large_of(chunk));
}

void open_span_clear(struct span_store *store, struct open_span *span)
{
	struct span_chunk *next;

	for (struct span_chunk *chunk = span->first; chunk; chunk = next) {
		next = chunk->next;
		chunk_free(store, span, chunk);
	}
	span_reset_chunks(span);
}

void open_span_free(struct span_store *store, struct open_span *span)
{
	if (span->own.next || span->first != &span->own)
		open_span_clear(store, span);
	list_unlink(&span->ages);
	list_unlink(&span->places);
	list_unlink(&span->due);
	span_store_take(store, span->holder, -(int64_t)sizeof *span);
	spare_give(store, span);
}

static struct span_chunk *chunk_new(struct span_store *store, const struct open_span *span,
				    uint32_t len)
{
	uint32_t room = CHUNK_BYTES_MIN;
	struct span_chunk *chunk;

	/* Twice the one before: few chunks, little waste. Behind a large value it
	 * begins anew, or a small record between two of them would take 8 KiB. */
	while (room < CHUNK_BYTES_MAX && (room <= span->last->room || room < len))
		room *= 2;
	chunk = malloc(sizeof *chunk + room);
	if (!chunk)
		return NULL;
	*chunk = (struct span_chunk){NULL, (uint8_t *)(chunk + 1), 0, room};
	span_store_take(store, span->holder, (int64_t)(sizeof *chunk + room));
	return chunk;
}

static struct list *spill_class(struct span_store *store, uint32_t len)
{
	return &store->spillable[31 - __builtin_clz(len)];
}

static struct span_chunk *large_new(struct span_store *store, struct holder *holder,
				    const uint8_t *record, uint32_t len,
				    const struct log_place *place)
{
	struct span_large *large = malloc(sizeof *large);
	uint8_t *at = malloc(len);

	if (!large || !at) {
		free(large);
		free(at);
		return NULL;
	}
	memcpy(at, record, len);
	*large = (struct span_large){.chunk = {NULL, at, len, 0}, .holder = holder};
	list_init(&large->spillable);
	if (place) {
		large->place = *place;
		list_append(spill_class(store, len), &large->spillable);
	}
	span_store_take(store, holder, (int64_t)(sizeof *large + len));
	return &large->chunk;
}

static int span_add_chunk(struct span_store *store, struct open_span *span,
			  const uint8_t *record, uint32_t len, const struct log_place *place)
{
	/* What has no place cannot be spilled, nor can START: its name is
	 * asked for while the span is open. */
	bool large = len >= SPAN_LARGE_BYTES;
	struct span_chunk *chunk;

	if (large && record_head(record).type == WIRE_START)
		place = NULL;
	chunk = large ? large_new(store, span->holder, record, len, place)
		      : chunk_new(store, span, len);
	if (!chunk)
		return -ENOMEM;
	span->last->next = chunk;
	span->last = chunk;
	if (large) {
		span->bytes += len;
		if (store->memory_bytes > store->memory_bytes_max)
			span_store_shrink(store);
	}
	return 0;
}

int open_span_append(struct span_store *store, struct open_span *span, const uint8_t *record,
		     uint32_t len, const struct log_place *place)
{
	struct span_chunk *last = span->last;

	if (span->bytes + (uint64_t)len > SPAN_BYTES_MAX &&
	    record_head(record).type != WIRE_END)
		return -EFBIG;
	/* A large chunk has len > room = 0: never taken here. */
	if (last->len + (uint64_t)len > last->room || len >= SPAN_LARGE_BYTES) {
		int r = span_add_chunk(store, span, record, len, place);

		if (r < 0 || len >= SPAN_LARGE_BYTES)
			return r;
		last = span->last;
	}
	memcpy(last->at + last->len, record, len);
	last->len += len;
	span->bytes += len;
	return 0;
}

int open_span_prepend(struct span_store *store, struct open_span *span, const uint8_t *record,
		      uint32_t len)
{
	struct span_chunk *chunk;

	if (span->bytes + (uint64_t)len > SPAN_BYTES_MAX)
		return -EFBIG;
	chunk = large_new(store, span->holder, record, len, NULL);
	if (!chunk)
		return -ENOMEM;
	chunk->next = span->first;
	span->first = chunk;
	span->bytes += len;
	return 0;
}

static void large_spill(struct span_store *store, struct span_large *large)
{
	list_unlink(&large->spillable);
	free(large->chunk.at);
	large->chunk.at = NULL;
	span_store_take(store, large->holder, -(int64_t)large->chunk.len);
	store->spilled_bytes += large->chunk.len;
}

void span_store_shrink(struct span_store *store)
{
	for (int i = SPAN_STORE_CLASSES - 1; i >= 0; i--) {
		while (store->memory_bytes > store->memory_bytes_max &&
		       !list_empty(&store->spillable[i]))
			large_spill(store, list_entry(list_first(&store->spillable[i]),
						      struct span_large, spillable));
	}
}

static bool records_valid(const uint8_t *at, uint32_t left)
{
	while (left) {
		int64_t len = record_check(at, left);

		if (len < 0 || len > left)
			return false;
		at += len;
		left -= (uint32_t)len;
	}
	return true;
}

static int large_load(struct span_store *store, struct span_large *large)
{
	struct span_chunk *chunk = &large->chunk;
	uint8_t *at = malloc(chunk->len);
	int r;

	if (!at)
		return -ENOMEM;
	r = store->load(store->arg, &large->place, chunk->len, at);
	/* The log's own checks passed, but these bytes go where only checked
	 * records may go. */
	if (r >= 0 && !records_valid(at, chunk->len))
		r = -EBADMSG;
	if (r < 0) {
		free(at);
		return r;
	}
	chunk->at = at;
	span_store_take(store, large->holder, chunk->len);
	store->spilled_bytes -= chunk->len;
	list_append(spill_class(store, chunk->len), &large->spillable);
	return 0;
}

/* Takes the value behind `before` out of the span. Nobody can say any more
 * what it was; nearly always it was an attribute. */
static void span_lose_value(struct span_store *store, struct open_span *span,
			    struct span_chunk **link)
{
	struct span_chunk *chunk = *link;

	*link = chunk->next;
	span->bytes -= chunk->len;
	span->dropped_attributes++;
	store->lost_values++;
	chunk_free(store, span, chunk);
}

static int views_reserve(struct span_store *store, uint32_t n)
{
	struct bytes *views;

	if (n <= store->view_cap)
		return 0;
	views = realloc(store->views, (size_t)n * 2 * sizeof *views);
	if (!views)
		return -ENOMEM;
	store->views = views;
	store->view_cap = n * 2;
	return 0;
}

/* Loads all that is spilled; `last` may change when a value is lost. */
static int span_load(struct span_store *store, struct open_span *span, uint32_t *ret_n)
{
	struct span_chunk **link = &span->first, *last = NULL;
	uint32_t n = 0;

	while (*link) {
		int r = 0;

		if (!(*link)->at)
			r = large_load(store, large_of(*link));
		if (r < 0 && error_passes(r))
			return -ENOBUFS;
		if (r < 0) {
			span_lose_value(store, span, link);
			continue;
		}
		last = *link;
		link = &last->next;
		n++;
	}
	span->last = last;
	*ret_n = n;
	return 0;
}

int open_span_view_chunks(struct span_store *store, struct open_span *span,
			  struct bytes **ret_chunks, uint32_t *ret_n)
{
	uint32_t n = 0;
	int r;

	r = span_load(store, span, &n);
	if (r < 0)
		return r;
	r = views_reserve(store, n + 1);
	if (r < 0)
		return r;
	n = 0;
	for (const struct span_chunk *chunk = span->first; chunk; chunk = chunk->next)
		if (chunk->len)
			store->views[n++] = (struct bytes){chunk->at, chunk->len};
	*ret_chunks = store->views;
	*ret_n = n;
	return 0;
}

void open_span_moved(struct open_span *span, const struct log_place *place)
{
	uint32_t at = place->payload;

	for (struct span_chunk *chunk = span->first; chunk; chunk = chunk->next) {
		if (!chunk->room) {
			large_of(chunk)->place = *place;
			large_of(chunk)->place.payload = at;
		}
		at += chunk->len;
	}
	span->segment = place->segment;
}

uint32_t open_span_small_bytes(const struct open_span *span)
{
	uint32_t bytes = 0;

	for (const struct span_chunk *chunk = span->first; chunk; chunk = chunk->next)
		if (chunk->room)
			bytes += chunk->len;
	return bytes;
}

/* The chunk that begins with START; NULL for a span that has none. */
static const struct span_chunk *start_chunk(const struct open_span *span)
{
	const struct span_chunk *chunk = span->first;

	while (chunk && !chunk->len)
		chunk = chunk->next;
	if (!chunk || !chunk->at || record_head(chunk->at).type != WIRE_START)
		return NULL;
	return chunk;
}

int open_span_unload(struct span_store *store, struct open_span *span,
		     const struct log_place *place)
{
	const struct span_chunk *first = start_chunk(span);
	uint32_t start = first ? record_padded(record_head(first->at).length) : 0;
	uint32_t rest = span->bytes - start;
	uint8_t copy[SPAN_ROOM_BYTES];
	struct span_large *large;

	open_span_moved(span, place);
	/* A START with a giant name stays as it is, and all with it. */
	if (!rest || start > sizeof copy)
		return 0;
	large = malloc(sizeof *large);
	if (!large)
		return -ENOMEM;
	if (start)
		memcpy(copy, first->at, start);
	open_span_clear(store, span);
	memcpy(span->room, copy, start);
	span->own.len = start;
	*large = (struct span_large){
		.chunk = {NULL, NULL, rest, 0}, .holder = span->holder, .place = *place};
	large->place.payload += start;
	list_init(&large->spillable);
	span->own.next = &large->chunk;
	span->last = &large->chunk;
	span->bytes = start + rest;
	span_store_take(store, span->holder, sizeof *large);
	store->spilled_bytes += rest;
	return 0;
}

void open_span_note_drop(struct open_span *span, const uint8_t *record)
{
	switch (record_head(record).type) {
	case WIRE_ATTRIBUTE:
		span->dropped_attributes++;
		break;
	case WIRE_EVENT:
		span->dropped_events++;
		break;
	case WIRE_LINK:
		span->dropped_links++;
		break;
	default:
		break;
	}
}
