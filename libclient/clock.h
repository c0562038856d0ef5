/* The time of records: raw ticks, as the ring's header says which.
 *
 * The TSC is taken only where the kernel itself keeps time by it: then it is
 * constant, synchronised between the CPUs, and three times as cheap to read.
 * The agent converts. Set once per process; any thread, any signal handler. */
#ifndef LIBCLIENT_CLOCK_H
#define LIBCLIENT_CLOCK_H

#include "environment.h"
#include "wire/abi.h"

#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

extern enum wire_clock clock_kind;

/* Chooses the clock; a wish for a TSC that is not there is not granted. */
void clock_choose(enum environment_clock wish);

/* One moment on all four clocks, as close together as a few tries get them. */
struct clock_anchor {
	uint64_t ticks, mono_ns, boot_ns, wall_ns;
};
struct clock_anchor clock_anchor(void);

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec now = {0};

	(void)clock_gettime(id, &now); /* cannot fail for the ids we ask */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
	if (__builtin_expect(clock_kind == WIRE_CLOCK_TSC, 1))
		return __rdtsc();
#endif
	return clock_ns(CLOCK_MONOTONIC);
}

#endif
