/* From the ticks in a ring to CLOCK_MONOTONIC of the agent, in nanoseconds.
 *
 * A TSC has no unit: the agent samples (tsc, monotonic) pairs and keeps a
 * piecewise linear function through them. That function is continuous and
 * rising, and what it once said of a moment that has passed it says for ever:
 * a new sample does not bend the past, it puts a knot where the old line leads
 * and gives the next line the slope that meets the clock one interval later.
 * So a span's start and end, and those of its children, always fit each other
 * whenever they were converted; the error is what the clock drifted within one
 * interval, well below a microsecond. Only thinning out of very old knots
 * changes anything, by less than that.
 *
 * Pure functions over the caller's storage. */
#ifndef BASE_TICKS_H
#define BASE_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#define TICKS_KNOTS_MAX 128
#define TICKS_INTERVAL_NS_MIN UINT64_C(1000000)	   /* between the first samples: 1 ms */
#define TICKS_INTERVAL_NS_MAX UINT64_C(1000000000) /* later: 1 s */

struct ticks_knot {
	uint64_t ticks;
	uint64_t mono_ns;
	double slope; /* nanoseconds a tick, from here to the next knot */
};

struct ticks_table {
	struct ticks_knot knots[TICKS_KNOTS_MAX];
	uint32_t count;
	bool sloped;			       /* at least two samples: slopes are measured */
	uint64_t sample_ticks, sample_mono_ns; /* the last pair as it was read */
	uint64_t interval_ns;		       /* until the next one is wanted */
	uint64_t refused; /* pairs that made no sense: a TSC that went back */
};

void ticks_table_init(struct ticks_table *table);

/* Whether it is time for another pair. */
bool ticks_table_wants(const struct ticks_table *table, uint64_t mono_ns);

/* Adds a pair read just now. `ticks` 0 (no TSC) is ignored. */
void ticks_table_add(struct ticks_table *table, uint64_t ticks, uint64_t mono_ns);

/* How one ring counts. Filled by ticks_source_init() from numbers that the
 * ring's owner wrote; a lie in them bends that ring's times only. */
struct ticks_source {
	bool tsc;
	bool other_boot; /* the table says nothing of that boot */
	uint64_t anchor_ticks;
	uint64_t anchor_mono_ns; /* in the agent's monotonic clock */
	int64_t shift_ns;	 /* of another time namespace: what its clock is ahead */
};

void ticks_source_init(struct ticks_source *source, bool tsc, uint64_t anchor_ticks,
		       uint64_t anchor_mono_ns, int64_t shift_ns, bool other_boot);

/* Rising in `ticks`, never fails; absurd ticks give the nearest possible time. */
uint64_t ticks_mono_ns(const struct ticks_table *table, const struct ticks_source *source,
		       uint64_t ticks);

#endif
