/* The times of records. Every record carries ticks of its process's clock;
 * the agent turns them into its own CLOCK_MONOTONIC (base/ticks.h), that into
 * time since boot by adding the suspends it noticed, and that into wall time by
 * the one offset of the record's run. A later step of the wall clock therefore
 * moves no span of a run that has begun. */
#ifndef ASSEMBLE_CLOCK_H
#define ASSEMBLE_CLOCK_H

#include "base/env.h"
#include "base/slice.h"
#include "base/ticks.h"

#define CLOCK_SUSPENDS_MAX 64

/* From `mono_ns` on, CLOCK_BOOTTIME is `ahead_ns` ahead of CLOCK_MONOTONIC. */
struct clock_suspend {
	uint64_t mono_ns;
	uint64_t ahead_ns;
};

struct clock {
	struct env *env;
	struct ticks_table table;
	struct clock_suspend suspends[CLOCK_SUSPENDS_MAX];
	uint32_t suspend_count;
	uint8_t boot_id[16];
	uint64_t time_namespace;
	/* As read by the last clock_sample(). */
	uint64_t mono_ns;
	int64_t wall_minus_boot_ns;
};

/* How one ring's ticks become times. */
struct source_clock {
	struct ticks_source ticks;
	bool other_boot;
	int64_t own_wall_minus_mono_ns; /* of the ring's anchors, for another boot */
};

void clock_init(struct clock *clock, struct env *env, const uint8_t boot_id[16],
		uint64_t time_namespace);

/* Reads all clocks. Cheap; before work that asks for times. */
void clock_sample(struct clock *clock);

/* A ring in another time namespace counts from another zero. What it is ahead
 * follows from the wall clock, which has no namespaces: right as long as the
 * wall clock was not set between the ring's anchor and now, else wrong by that
 * step. A ring of another boot knows its wall time from its anchors alone. */
void source_clock_init(struct source_clock *source, const struct clock *clock,
		       const struct ring_identity *identity);

uint64_t clock_mono_ns(const struct clock *clock, const struct source_clock *source,
		       uint64_t ticks);

/* How long the machine has been suspended until then, since boot. */
uint64_t clock_suspended_ns(const struct clock *clock, uint64_t mono_ns);

/* `offset_ns`: wall minus boot of the run. */
uint64_t clock_wall_of_mono(const struct clock *clock, const struct source_clock *source,
			    uint64_t mono_ns, int64_t offset_ns);
uint64_t clock_wall_ns(const struct clock *clock, const struct source_clock *source,
		       uint64_t ticks, int64_t offset_ns);

#endif
