#include "drain/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ring_init(struct ring *ring, uint32_t index)
{
	*ring = (struct ring){
		.index = index,
		.map.fd = -1,
		.pidfd = -1,
		.returning_head = RING_NONE,
		.returning_tail = RING_NONE,
		.round.ready_head = RING_NONE,
		.round.ready_tail = RING_NONE,
	};
	ctl_init(&ring->ctl);
}

void ring_fini(struct ring *ring)
{
	free(ring->blocks);
	free(ring->threads);
	free(ring->thread_table);
	free(ring->open);
	ring->blocks = NULL;
	ring->threads = NULL;
	ring->thread_table = NULL;
	ring->open = NULL;
	ring->block_cap = ring->thread_count = ring->thread_cap = 0;
	ring->thread_table_size = ring->open_count = ring->open_cap = 0;
}

/* Doubles an array until it holds `want`; new items are zero. */
static int grow(void *at, uint32_t *cap, uint64_t want, size_t item)
{
	uint64_t next = *cap ? *cap : 16;
	uint8_t *grown;

	if (want <= *cap)
		return 0;
	while (next < want)
		next *= 2;
	if (next > UINT32_MAX)
		return -ENOMEM;
	grown = reallocarray(*(void **)at, next, item);
	if (!grown)
		return -ENOMEM;
	memset(grown + *cap * item, 0, (next - *cap) * item);
	*(void **)at = grown;
	*cap = (uint32_t)next;
	return 0;
}

int ring_blocks_grow(struct ring *ring, uint32_t count)
{
	return grow(&ring->blocks, &ring->block_cap, count, sizeof *ring->blocks);
}

/* ---- threads --------------------------------------------------------------- */

static uint32_t hash_of(const struct ring *ring, uint32_t number)
{
	return (number * UINT32_C(0x9e3779b1)) & (ring->thread_table_size - 1);
}

static void table_put(struct ring *ring, uint32_t thread)
{
	uint32_t at = hash_of(ring, ring->threads[thread].number);

	while (ring->thread_table[at])
		at = (at + 1) & (ring->thread_table_size - 1);
	ring->thread_table[at] = thread + 1;
}

/* Entries behind the freed one move up, so that no search ends early. */
static void table_take(struct ring *ring, uint32_t thread)
{
	uint32_t mask = ring->thread_table_size - 1;
	uint32_t hole = hash_of(ring, ring->threads[thread].number), at, home;

	while (ring->thread_table[hole] != thread + 1)
		hole = (hole + 1) & mask;
	for (at = (hole + 1) & mask; ring->thread_table[at]; at = (at + 1) & mask) {
		home = hash_of(ring, ring->threads[ring->thread_table[at] - 1].number);
		if (((at - home) & mask) < ((at - hole) & mask))
			continue; /* it may not stand before its home */
		ring->thread_table[hole] = ring->thread_table[at];
		hole = at;
	}
	ring->thread_table[hole] = 0;
}

static int table_rebuild(struct ring *ring)
{
	uint32_t size = 32;
	uint32_t *table;

	while (size < 2 * (uint64_t)ring->thread_cap)
		size *= 2;
	table = calloc(size, sizeof *table);
	if (!table)
		return -ENOMEM;
	free(ring->thread_table);
	ring->thread_table = table;
	ring->thread_table_size = size;
	for (uint32_t i = 0; i < ring->thread_count; i++)
		table_put(ring, i);
	return 0;
}

uint32_t ring_thread_find(const struct ring *ring, uint32_t number)
{
	uint32_t at;

	if (ring->thread_table_size == 0)
		return RING_NONE;
	for (at = hash_of(ring, number); ring->thread_table[at];
	     at = (at + 1) & (ring->thread_table_size - 1))
		if (ring->threads[ring->thread_table[at] - 1].number == number)
			return ring->thread_table[at] - 1;
	return RING_NONE;
}

static struct ring_thread thread_new(uint32_t number, bool adopted)
{
	return (struct ring_thread){
		.number = number,
		.next_block = 1,
		.next_record = 1,
		.head = RING_NONE,
		.tail = RING_NONE,
		.ready_next = RING_NONE,
		.adopted = adopted,
	};
}

/* Makes room in a full table. A thread without an open block has most likely
 * ended; should it come back, its first block tells where it goes on. */
static int thread_forget(struct ring *ring, uint32_t *ret_thread)
{
	for (uint32_t i = 0; i < ring->thread_count; i++) {
		uint32_t index = ring->thread_hand++ % ring->thread_count;
		struct ring_thread *thread = &ring->threads[index];

		if (thread->head != RING_NONE || thread->ready)
			continue;
		ring->written_forgotten += thread->said - thread->unknown;
		ring->threads_forgotten = true;
		table_take(ring, index);
		*ret_thread = index;
		return 0;
	}
	return -EPROTO;
}

int ring_thread_get(struct ring *ring, uint32_t number, uint32_t *ret_thread)
{
	uint32_t max = ring->identity.block_count > 64 ? ring->identity.block_count : 64;
	uint32_t found = ring_thread_find(ring, number);
	bool adopted;
	int r;

	if (number == 0)
		return -EPROTO;
	if (found != RING_NONE) {
		*ret_thread = found;
		return 0;
	}
	adopted = ring->adopted || ring->threads_forgotten;
	if (ring->thread_count >= max) {
		r = thread_forget(ring, &found);
		if (r < 0)
			return r;
		adopted = true;
		ring->threads[found] = thread_new(number, adopted);
		table_put(ring, found);
		*ret_thread = found;
		return 0;
	}
	r = grow(&ring->threads, &ring->thread_cap, (uint64_t)ring->thread_count + 1,
		 sizeof *ring->threads);
	if (r < 0)
		return r;
	if (ring->thread_table_size < 2 * (uint64_t)ring->thread_cap) {
		r = table_rebuild(ring);
		if (r < 0)
			return r;
	}
	ring->threads[ring->thread_count] = thread_new(number, adopted);
	table_put(ring, ring->thread_count);
	*ret_thread = ring->thread_count++;
	return 0;
}

int ring_thread_add_block(struct ring *ring, uint32_t block, uint32_t hint)
{
	struct ring_block *new = &ring->blocks[block];
	struct ring_thread *thread = &ring->threads[new->thread];
	uint32_t before = RING_NONE, after = thread->head;

	if (new->thread_block < thread->next_block)
		return -EPROTO;
	/* Most blocks come last. */
	if (thread->tail != RING_NONE &&
	    ring->blocks[thread->tail].thread_block < new->thread_block)
		hint = thread->tail;
	if (hint != RING_NONE && ring->blocks[hint].thread == new->thread &&
	    ring->blocks[hint].phase == BLOCK_OPEN &&
	    ring->blocks[hint].thread_block < new->thread_block) {
		before = hint;
		after = ring->blocks[hint].next;
	}
	while (after != RING_NONE && ring->blocks[after].thread_block < new->thread_block) {
		before = after;
		after = ring->blocks[after].next;
	}
	if (after != RING_NONE && ring->blocks[after].thread_block == new->thread_block)
		return -EPROTO;
	new->next = after;
	if (before == RING_NONE)
		thread->head = block;
	else
		ring->blocks[before].next = block;
	if (after == RING_NONE)
		thread->tail = block;
	return 0;
}

void ring_thread_ready(struct ring *ring, uint32_t index)
{
	struct ring_thread *thread = &ring->threads[index];

	if (thread->ready)
		return;
	thread->ready = true;
	thread->ready_next = RING_NONE;
	if (ring->round.ready_tail == RING_NONE)
		ring->round.ready_head = index;
	else
		ring->threads[ring->round.ready_tail].ready_next = index;
	ring->round.ready_tail = index;
}

/* ---- open blocks ----------------------------------------------------------- */

int ring_open_add(struct ring *ring, uint32_t block)
{
	int r = grow(&ring->open, &ring->open_cap, (uint64_t)ring->open_count + 1,
		     sizeof *ring->open);

	if (r < 0)
		return r;
	ring->open[ring->open_count++] = block;
	return 0;
}

void ring_open_remove(struct ring *ring, uint32_t block)
{
	for (uint32_t i = 0; i < ring->open_count; i++)
		if (ring->open[i] == block) {
			ring->open[i] = ring->open[--ring->open_count];
			return;
		}
}

/* ---- counting -------------------------------------------------------------- */

uint64_t ring_held(const struct ring *ring)
{
	uint64_t held = 0;

	for (uint32_t i = 0; i < ring->thread_count; i++)
		held += ring->threads[i].held;
	return held;
}

uint64_t ring_written(const struct ring *ring)
{
	uint64_t written = ring->written_forgotten;

	for (uint32_t i = 0; i < ring->thread_count; i++)
		written += ring->threads[i].said - ring->threads[i].unknown +
			   ring->threads[i].held;
	return written;
}

void ring_refused(const struct ring *ring, uint64_t ret_refused[WIRE_REFUSED_SLOTS])
{
	/* Relaxed: counts. */
	for (int i = 0; i < WIRE_REFUSED_SLOTS; i++)
		ret_refused[i] = atomic_load_explicit(&ring->map.live->refused[i],
						      memory_order_relaxed);
}
