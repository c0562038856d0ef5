/* Which spans of a refused request the peer means: it is halved until each that is
 * refused stands alone, so that all others arrive. Parts are asked for one after
 * the other. One refused span of n costs at most 2 log2 n + 2 requests: where the
 * first half was taken the second must be what was meant, and is halved unasked.
 *
 * Only a list of parts; what is sent and counted is the stage's. */
#ifndef EXPORT_ISOLATE_H
#define EXPORT_ISOLATE_H

#include <stdbool.h>
#include <stdint.h>

/* Halves of 65,535 spans that wait at the same time. */
#define ISOLATION_WAITING_MAX 17

struct isolation_part {
	uint32_t first, n;
};

struct isolation {
	bool on;
	bool first_half; /* `now` is, and its other half is the next that waits */
	struct isolation_part now;
	struct isolation_part waiting[ISOLATION_WAITING_MAX];
	unsigned waiting_n;
};

/* A request with `n` > 1 spans was refused: the first half is `now`. */
void isolation_begin(struct isolation *isolation, uint32_t n);
/* So was `now`, which has more than one span. */
void isolation_refused(struct isolation *isolation);
/* `now` is done with, having been taken as a whole or not. False: all is, and the
 * isolation is over. */
bool isolation_next(struct isolation *isolation, bool taken);

#endif
