#include "base/span_times.h"

#include <string.h>

#define INTERVAL_MIN_NS INT64_C(100000000)

/* What a mark that goes stood for falls to the one before it, which is older. */
static void thin_out(struct span_times *times)
{
	int64_t apart_ns = (times->marks[times->count - 1].ns - times->marks[0].ns) /
			   (SPAN_TIMES_MARKS / 2);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < times->count; i += 2)
		times->marks[kept++] = times->marks[i];
	times->count = kept;
	/* As far apart as those that are left, or the old would get ever fewer. */
	if (times->interval_ns < apart_ns)
		times->interval_ns = apart_ns;
}

void span_times_note(struct span_times *times, uint64_t number, int64_t ns)
{
	if (times->count > 0) {
		int64_t *last_ns = &times->marks[times->count - 1].ns;

		if (ns < *last_ns)
			*last_ns = ns;
		if (ns - *last_ns < times->interval_ns)
			return;
	} else {
		times->interval_ns = INTERVAL_MIN_NS;
	}
	if (times->count == SPAN_TIMES_MARKS)
		thin_out(times);
	times->marks[times->count].number = number;
	times->marks[times->count].ns = ns;
	times->count++;
}

/* The mark that covers the number, or -1. */
static int32_t mark_of(const struct span_times *times, uint64_t number)
{
	int32_t low = -1, high = (int32_t)times->count;

	while (high - low > 1) {
		int32_t middle = (low + high) / 2;

		if (times->marks[middle].number <= number)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void span_times_forget(struct span_times *times, uint64_t number)
{
	int32_t first = mark_of(times, number);

	if (first <= 0)
		return;
	times->count -= (uint32_t)first;
	memmove(times->marks, times->marks + first, times->count * sizeof times->marks[0]);
	if (times->count == 1)
		times->interval_ns = INTERVAL_MIN_NS;
}

uint64_t span_times_age(const struct span_times *times, uint64_t number, int64_t now_ns)
{
	int32_t mark = mark_of(times, number);

	/* Older than every mark is at least as old as the first. */
	if (mark < 0 && times->count > 0)
		mark = 0;
	if (mark < 0 || now_ns < times->marks[mark].ns)
		return 0;
	return (uint64_t)(now_ns - times->marks[mark].ns);
}
