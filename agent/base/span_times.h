/* When spans were finished, by their numbers: for the age of the oldest that a
 * reader of the log has not got. A fixed number of marks is kept; when they run
 * out every second one goes, so a long backlog is known less exactly, and an age
 * is never said younger than it is. One owner, one thread. */
#ifndef BASE_SPAN_TIMES_H
#define BASE_SPAN_TIMES_H

#include <stdint.h>

#define SPAN_TIMES_MARKS 256

struct span_times {
	struct {
		uint64_t number; /* this span and those behind it, to the next mark */
		int64_t ns;	 /* none of them was finished before */
	} marks[SPAN_TIMES_MARKS];
	uint32_t count;
	int64_t interval_ns; /* marks are not closer than this */
};

/* Spans from `number` on are finished at `ns`, of any clock that goes evenly. Numbers
 * ascend. */
void span_times_note(struct span_times *times, uint64_t number, int64_t ns);

/* Nobody will ask for a number below this. */
void span_times_forget(struct span_times *times, uint64_t number);

/* How old span `number` is, at most by the distance of two marks too old. 0 when
 * nothing is known of it. */
uint64_t span_times_age(const struct span_times *times, uint64_t number, int64_t now_ns);

#endif
