/* A traced process that writes what it is known to write. Each of its threads
 * writes one row of records; record n of thread t of module m is the same in
 * every run of a seed, so whoever finds it in an archive can tell whether it is
 * right, and whether one is missing or there twice.
 *
 * The first span of thread 0 is the module's root; every other span is a child
 * of it. A span is START, the attribute "n" (its number), the attribute
 * "payload" (text made from its id), sometimes an event, END. Some payloads are
 * longer than a block.
 *
 * The rings are real (ring_writer.h). They are made beforehand, under their
 * temporary names, so that processes forked later share their mappings; nothing
 * here allocates, and all of it may lie in shared memory. */
#ifndef SUPPORT_SIM_MODULE_H
#define SUPPORT_SIM_MODULE_H

#include "ring_writer.h"

#define SIM_MODULES_MAX 24
#define SIM_THREADS 2
#define SIM_RECORDS_MAX 4096
#define SIM_PAYLOAD_MAX 60000
#define SIM_RING_BYTES (1u << 20)
#define SIM_BLOCKS 8u /* so many of a ring's blocks are used: they come round soon */

enum sim_record_kind {
	SIM_START = 1,
	SIM_NUMBER,
	SIM_PAYLOAD,
	SIM_EVENT,
	SIM_END,
};

struct sim_record {
	uint8_t kind;	  /* enum sim_record_kind */
	uint32_t span;	  /* of its thread, from 0 */
	uint64_t ticks;	  /* START and END: what was written */
	uint64_t when_ns; /* by the world's clock, which nobody steps */
};

struct sim_thread {
	struct ring_pen pen;
	struct sim_record records[SIM_RECORDS_MAX];
	uint32_t count;
	uint32_t spans; /* started */
	uint8_t next;	/* what comes next: enum sim_record_kind; 0 a new span */
};

struct sim_module {
	struct ring_writer ring;
	struct sim_thread threads[SIM_THREADS];
	uint32_t number; /* in its world */
	uint8_t trace_id[16];
	uint64_t seed;
	bool published, dead;
	bool lost, was_lost; /* its machine lost power, now or before: its ring is gone */
	bool clean;	     /* it said that it exits with 0 */
	/* What it wrote before this moment must be in the archive. */
	uint64_t safe_ns;
	uint32_t flush_asked; /* in the ring's header */
	uint64_t flush_ns;    /* everything written before this is meant by it */
	uint64_t flushed_ns;  /* and is safe, says the agent */
};

/* Makes the ring, not yet visible. */
void sim_module_make(struct sim_module *module, const char *dir, uint32_t number, uint32_t run,
		     uint64_t seed);
/* The ring becomes visible; the four clocks are its anchors. */
void sim_module_publish(struct sim_module *module, uint64_t mono_ns, uint64_t boot_ns,
			uint64_t wall_ns);
/* Writes the next record of a thread. False: no block is free, or it has
 * written all it may. */
bool sim_module_write(struct sim_module *module, unsigned thread, uint64_t ticks,
		      uint64_t when_ns);
/* Ends the open spans, the root last, and says that the process exits; the ring
 * must have room. Then dies. */
bool sim_module_leave(struct sim_module *module, bool run_over, uint64_t ticks,
		      uint64_t when_ns);
void sim_module_die(struct sim_module *module);
void sim_module_ask_flush(struct sim_module *module, uint64_t when_ns);
/* Looks for the answer. */
void sim_module_see_flush(struct sim_module *module);
void sim_module_close(struct sim_module *module);

uint64_t sim_span_id(uint32_t module, unsigned thread, uint32_t span);
void sim_span_place(uint64_t id, uint32_t *ret_module, unsigned *ret_thread,
		    uint32_t *ret_span);
/* What the payload of a span is; writes at most SIM_PAYLOAD_MAX bytes. */
uint32_t sim_payload(const struct sim_module *module, unsigned thread, uint32_t span, char *at);
bool sim_has_event(const struct sim_module *module, unsigned thread, uint32_t span);

#endif
