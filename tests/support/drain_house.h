/* A drain in a directory of its own, with a pipeline that only writes down what
 * it is told, and checks on the way what must always hold: slices of a thread
 * follow each other without a gap, and so do the bytes of a block. */
#ifndef SUPPORT_DRAIN_HOUSE_H
#define SUPPORT_DRAIN_HOUSE_H

#include "base/env_linux.h"
#include "drain/drain.h"
#include "ring_writer.h"

#define HOUSE_RINGS 64

struct kept_slice {
	uint32_t ring;
	uint8_t instance[16];
	struct slice slice; /* records: heap */
	uint64_t sequence;
	uint32_t batch;
};

struct house_ring {
	bool seen, dead, gone;
	struct ring_identity identity;
	struct death death;
	uint64_t rounds;
	uint32_t settled; /* how often it was said */
	uint32_t flushes, flush_request;
	uint32_t ends_lost;
	uint8_t lost_span[8];
	uint8_t *state;
	size_t state_len;
	uint32_t states;
	uint32_t state_at; /* slices that came before the last state */
};

struct house {
	char dir[64];
	struct env *env;
	struct drain *drain;
	struct drain_options options;
	uint64_t now_ns;
	uint64_t sequence;
	struct kept_slice *slices;
	uint32_t slice_count, slice_cap;
	uint32_t batches;
	bool refuse;	    /* answer -ENOBUFS */
	uint32_t too_big;   /* records longer than this: -E2BIG; 0 none are */
	struct house_ring rings[HOUSE_RINGS];
	char said[4096];    /* what was logged, one line each */
	int fds_before;
};

void house_build(struct house *house);
/* Closes the drain and removes the directory; no descriptor may be left. */
void house_tear_down(struct house *house);

void house_start(struct house *house);	 /* drain_new, recovered */
void house_stop(struct house *house);	 /* as if the agent died */
/* A new agent that knows what the log was given. */
void house_restart(struct house *house);
/* The same with a log that lost everything. */
void house_forget(struct house *house);

/* One tick, `ms` later. */
void house_tick(struct house *house, uint64_t ms);
/* Ticks until nothing more comes, in steps of the idle interval. */
void house_settle(struct house *house);

/* The records of a thread, joined, in order. Caller frees. */
uint8_t *house_records(const struct house *house, uint8_t seed, uint32_t thread,
		       size_t *ret_len);
/* How many whole records a thread has given; `dropped` are those that were. */
uint32_t house_count(const struct house *house, uint8_t seed, uint32_t thread,
		     uint32_t *ret_dropped);
/* The index of a ring by its seed, or HOUSE_RINGS. */
uint32_t house_ring(const struct house *house, uint8_t seed);
struct drain_ring_counters house_counters(const struct house *house, uint8_t seed);
/* written = drained + held + dropped, for every ring there is. */
void house_check_ledgers(const struct house *house);
int house_files(const struct house *house);

#endif
