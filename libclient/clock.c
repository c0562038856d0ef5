#include "clock.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define ANCHOR_TRIES 5

enum wire_clock clock_kind = WIRE_CLOCK_MONOTONIC;

#if defined(__x86_64__)
static bool kernel_keeps_time_by_tsc(void)
{
	char name[8] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, name, sizeof name);
	(void)close(fd); /* read only: nothing can be lost */
	return got >= 4 && memcmp(name, "tsc\n", 4) == 0;
}
#else
static bool kernel_keeps_time_by_tsc(void)
{
	return false;
}
#endif

void clock_choose(enum environment_clock wish)
{
	clock_kind = WIRE_CLOCK_MONOTONIC;
	if (wish != ENVIRONMENT_CLOCK_MONOTONIC && kernel_keeps_time_by_tsc())
		clock_kind = WIRE_CLOCK_TSC;
}

/* The three system clocks are read between two readings of the ticks; the try
 * with the narrowest bracket wins, an interrupt widens it. */
struct clock_anchor clock_anchor(void)
{
	struct clock_anchor best = {0};
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < ANCHOR_TRIES; i++) {
		uint64_t before = clock_ticks();
		uint64_t mono = clock_ns(CLOCK_MONOTONIC);
		uint64_t boot = clock_ns(CLOCK_BOOTTIME);
		uint64_t wall = clock_ns(CLOCK_REALTIME);
		uint64_t width = clock_ticks() - before;

		if (width >= narrowest)
			continue;
		narrowest = width;
		best = (struct clock_anchor){before + width / 2, mono, boot, wall};
	}
	if (clock_kind == WIRE_CLOCK_MONOTONIC)
		best.mono_ns = best.ticks;
	return best;
}
