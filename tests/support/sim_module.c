#include "sim_module.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_disk.h"

#define NAME "step"

uint64_t sim_span_id(uint32_t module, unsigned thread, uint32_t span)
{
	return (uint64_t)(module + 1) << 40 | (uint64_t)(thread + 1) << 32 | (span + 1);
}

void sim_span_place(uint64_t id, uint32_t *ret_module, unsigned *ret_thread, uint32_t *ret_span)
{
	*ret_module = (uint32_t)(id >> 40) - 1;
	*ret_thread = (unsigned)(id >> 32 & 0xff) - 1;
	*ret_span = (uint32_t)id - 1;
}

static uint64_t fortune(const struct sim_module *module, unsigned thread, uint32_t span)
{
	return sim_mix(module->seed, sim_span_id(module->number, thread, span));
}

uint32_t sim_payload(const struct sim_module *module, unsigned thread, uint32_t span, char *at)
{
	uint64_t luck = fortune(module, thread, span);
	uint32_t len = 16 + (uint32_t)(luck >> 8) % 100;

	if (luck % 8 == 0)
		len = 1000 + (uint32_t)(luck >> 8) % 5000;
	if (luck % 32 == 1)
		len = 17000 + (uint32_t)(luck >> 8) % 30000;
	for (uint32_t i = 0; i < len; i++)
		at[i] = (char)('a' + (luck + i / 3 + i % 7) % 26);
	return len;
}

bool sim_has_event(const struct sim_module *module, unsigned thread, uint32_t span)
{
	return fortune(module, thread, span) >> 60 < 4;
}

void sim_module_make(struct sim_module *module, const char *dir, uint32_t number, uint32_t run,
		     uint64_t seed)
{
	memset(module, 0, sizeof *module);
	module->number = number;
	module->seed = seed;
	module->safe_ns = UINT64_MAX;
	memset(module->trace_id, (int)(run + 1), 16);
	ring_writer_prepare(&module->ring, dir, (uint8_t)(number + 1), SIM_RING_BYTES);
	/* There is no process behind it but the test's: its lock alone is its
	 * life. */
	module->ring.header->pid = 0;
	for (unsigned i = 0; i < SIM_THREADS; i++)
		ring_pen_init(&module->threads[i].pen, &module->ring, i + 1);
}

void sim_module_publish(struct sim_module *module, uint64_t mono_ns, uint64_t boot_ns,
			uint64_t wall_ns)
{
	struct wire_ring_header *header = module->ring.header;

	header->anchor_ticks = header->anchor_mono_ns = mono_ns;
	header->anchor_boot_ns = boot_ns;
	header->anchor_wall_ns = wall_ns;
	ring_writer_publish(&module->ring);
	module->published = true;
}

/* ---- blocks ------------------------------------------------------------------ */

static bool block_is_free(const struct sim_module *module, uint32_t block)
{
	uint32_t generation = atomic_load_explicit(&module->ring.lines[block].generation,
						   memory_order_relaxed);

	for (unsigned i = 0; i < SIM_THREADS; i++)
		if (module->threads[i].pen.block == block)
			return false;
	return generation == 0 || ring_writer_returned(&module->ring, block) == generation;
}

static uint32_t blocks_free(const struct sim_module *module)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SIM_BLOCKS; i++)
		n += block_is_free(module, i);
	return n;
}

static bool block_open(struct sim_module *module, struct ring_pen *pen)
{
	for (uint32_t i = 0; i < SIM_BLOCKS; i++) {
		if (!block_is_free(module, i))
			continue;
		ring_pen_open(pen, i);
		return true;
	}
	return false;
}

/* Blocks it takes: whole in one, or cut over as many as it needs. */
static bool put(struct sim_module *module, struct ring_pen *pen, const uint8_t *record,
		uint32_t length)
{
	uint32_t done = 0, flags = WIRE_FRAGMENT_FIRST;

	if (pen->block != UINT32_MAX && pen->at + record_padded(length) > WIRE_BLOCK_BYTES)
		ring_pen_seal(pen);
	if (pen->block == UINT32_MAX && !block_open(module, pen))
		return false;
	if (length <= WIRE_BLOCK_BYTES) {
		ring_pen_record(pen, record, length);
		return true;
	}
	/* The open block is one of them. */
	if (blocks_free(module) < length / (WIRE_BLOCK_BYTES - 16))
		return false;
	while (done < length) {
		uint32_t head = done == 0 ? sizeof(struct wire_fragment_first)
					  : sizeof(struct wire_head);
		uint32_t take;

		if (pen->block == UINT32_MAX && !block_open(module, pen))
			abort();
		take = WIRE_BLOCK_BYTES - pen->at - head;
		if (take > length - done)
			take = length - done;
		if (done + take == length)
			flags |= WIRE_FRAGMENT_LAST;
		ring_pen_fragment(pen, flags, length, record + done, take);
		done += take;
		flags = 0;
		if (done < length)
			ring_pen_seal(pen);
	}
	return true;
}

/* ---- records ------------------------------------------------------------------ */

static uint32_t start_make(const struct sim_module *module, uint64_t id, uint64_t ticks,
			   uint8_t *record)
{
	uint64_t root = sim_span_id(module->number, 0, 0);
	struct wire_start start = {
		.head = record_make_head(WIRE_START, sizeof start + sizeof NAME - 1, 0, 1),
		.ticks = ticks,
		.name_length = sizeof NAME - 1,
	};

	memcpy(start.trace_id, module->trace_id, 16);
	memcpy(start.span_id, &id, 8);
	if (id != root)
		memcpy(start.parent_span_id, &root, 8);
	memcpy(record, &start, sizeof start);
	memcpy(record + sizeof start, NAME, sizeof NAME - 1);
	return start.head.length;
}

static uint32_t attribute_make(const uint8_t id[8], const char *key, enum wire_value_type type,
			       const void *value, uint32_t len, uint8_t *record)
{
	uint32_t key_len = (uint32_t)strlen(key);
	uint32_t fixed = record_put_attribute(record, id, type, key_len, len);

	memcpy(record + fixed, key, key_len);
	memcpy(record + fixed + key_len, value, len);
	return fixed + key_len + len;
}

static uint32_t event_make(const uint8_t id[8], uint64_t ticks, uint8_t *record)
{
	struct wire_event event = {
		.head = record_make_head(WIRE_EVENT, sizeof event + 4, 0, 0),
		.ticks = ticks,
		.name_length = 4,
	};

	memcpy(event.span_id, id, 8);
	memcpy(record, &event, sizeof event);
	memcpy(record + sizeof event, "tick", 4);
	return event.head.length;
}

static uint32_t record_make(const struct sim_module *module, unsigned thread,
			    struct sim_record what, uint8_t *record)
{
	static char payload[SIM_PAYLOAD_MAX];
	uint64_t id = sim_span_id(module->number, thread, what.span), number = what.span;
	uint8_t id_bytes[8];

	memcpy(id_bytes, &id, 8);
	switch (what.kind) {
	case SIM_START:
		return start_make(module, id, what.ticks, record);
	case SIM_NUMBER:
		return attribute_make(id_bytes, "n", WIRE_INT, &number, 8, record);
	case SIM_PAYLOAD:
		return attribute_make(id_bytes, "payload", WIRE_STRING, payload,
				      sim_payload(module, thread, what.span, payload), record);
	case SIM_EVENT:
		return event_make(id_bytes, what.ticks, record);
	default:
		return record_put_end(record, id_bytes, what.ticks, 0);
	}
}

static uint8_t kind_after(const struct sim_module *module, unsigned thread, uint32_t span,
			  uint8_t kind)
{
	bool root = thread == 0 && span == 0;

	switch (kind) {
	case SIM_START:
		return SIM_NUMBER;
	case SIM_NUMBER:
		return SIM_PAYLOAD;
	case SIM_PAYLOAD:
		if (sim_has_event(module, thread, span))
			return SIM_EVENT;
		return root ? 0 : SIM_END; /* the root stays open */
	case SIM_EVENT:
		return root ? 0 : SIM_END;
	default:
		return 0;
	}
}

static bool record_write(struct sim_module *module, unsigned thread, struct sim_record what)
{
	static uint8_t bytes[SIM_PAYLOAD_MAX + 256];
	struct sim_thread *row = &module->threads[thread];

	if (row->count == SIM_RECORDS_MAX ||
	    !put(module, &row->pen, bytes, record_make(module, thread, what, bytes)))
		return false;
	row->records[row->count++] = what;
	return true;
}

bool sim_module_write(struct sim_module *module, unsigned thread, uint64_t ticks,
		      uint64_t when_ns)
{
	struct sim_thread *row = &module->threads[thread];
	struct sim_record what = {
		.kind = row->next ? row->next : SIM_START,
		.span = row->next ? row->spans - 1 : row->spans,
		.ticks = ticks,
		.when_ns = when_ns,
	};

	if (module->dead || !record_write(module, thread, what))
		return false;
	if (what.kind == SIM_START)
		row->spans++;
	row->next = kind_after(module, thread, what.span, what.kind);
	return true;
}

static bool run_over_write(struct sim_module *module)
{
	struct wire_run run = {.head = record_make_head(WIRE_RUN, sizeof run, WIRE_RUN_END, 0)};

	memcpy(run.trace_id, module->trace_id, 16);
	return put(module, &module->threads[0].pen, (const uint8_t *)&run, sizeof run);
}

bool sim_module_leave(struct sim_module *module, bool run_over, uint64_t ticks,
		      uint64_t when_ns)
{
	struct sim_thread *first = &module->threads[0];
	struct wire_process_end_record end = {
		.head = record_make_head(WIRE_PROCESS_END, sizeof end, WIRE_PROCESS_CODE_KNOWN,
					 WIRE_PROCESS_EXIT),
		.ticks = ticks,
	};

	if (module->dead || blocks_free(module) < SIM_BLOCKS / 2)
		return false;
	for (unsigned i = 0; i < SIM_THREADS; i++)
		while (module->threads[i].next)
			if (!sim_module_write(module, i, ticks, when_ns))
				return false;
	/* What follows is small, and is written whole or not at all. */
	if (blocks_free(module) < 2)
		return false;
	if (first->spans > 0 &&
	    !record_write(
		    module, 0,
		    (struct sim_record){.kind = SIM_END, .ticks = ticks, .when_ns = when_ns}))
		return false;
	if (first->spans > 0 && run_over && !run_over_write(module))
		return false;
	if (!put(module, &first->pen, (const uint8_t *)&end, sizeof end))
		return false;
	module->clean = true;
	sim_module_die(module);
	return true;
}

void sim_module_die(struct sim_module *module)
{
	if (module->dead)
		return;
	if (module->published)
		ring_writer_die(&module->ring);
	module->dead = true;
}

void sim_module_ask_flush(struct sim_module *module, uint64_t when_ns)
{
	if (module->dead || module->flush_ns > module->flushed_ns)
		return;
	module->flush_ns = when_ns;
	/* F1 pairs with F2 in the drain. */
	atomic_store_explicit(&module->ring.header->flush_req, ++module->flush_asked,
			      memory_order_release);
}

void sim_module_see_flush(struct sim_module *module)
{
	if (module->flush_asked > 0 &&
	    ring_writer_flush_ack(&module->ring) == module->flush_asked)
		module->flushed_ns = module->flush_ns;
}

void sim_module_close(struct sim_module *module)
{
	ring_writer_close(&module->ring);
}
