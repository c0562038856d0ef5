#include "export/isolate.h"

#include <assert.h>

/* The first half is the smaller one: where it is refused, both are asked for. */
static void halve(struct isolation *isolation, struct isolation_part part)
{
	uint32_t half = part.n / 2;

	assert(part.n > 1 && isolation->waiting_n < ISOLATION_WAITING_MAX);
	isolation->waiting[isolation->waiting_n++] =
		(struct isolation_part){part.first + half, part.n - half};
	isolation->now = (struct isolation_part){part.first, half};
	isolation->first_half = true;
}

void isolation_begin(struct isolation *isolation, uint32_t n)
{
	*isolation = (struct isolation){.on = true};
	halve(isolation, (struct isolation_part){0, n});
}

void isolation_refused(struct isolation *isolation)
{
	halve(isolation, isolation->now);
}

bool isolation_next(struct isolation *isolation, bool taken)
{
	struct isolation_part next;
	bool meant; /* it must hold what was refused */

	if (!isolation->waiting_n) {
		isolation->on = false;
		return false;
	}
	next = isolation->waiting[--isolation->waiting_n];
	meant = isolation->first_half && taken;
	isolation->first_half = false;
	isolation->now = next;
	/* Alone it is asked for all the same: for the peer's words about it. */
	if (meant && next.n > 1)
		halve(isolation, next);
	return true;
}
