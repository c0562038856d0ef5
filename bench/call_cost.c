/* The tail of what single calls cost their caller, in CPU time of the thread.
 *
 *	call_cost BYTES CALLS
 *
 * Sets a string attribute of BYTES so often, on spans of 16 attributes each, with
 * an agent that is never late; SPANRING_DIR names an empty directory of its own.
 * Prints microseconds: median, 99 %, 99.9 %, the most, and the same four for the
 * start and for the end of the spans, and for nothing at all: what the thread's
 * clock and the machine's interruptions add. */
#include <spanring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "returner.h"

#define ATTRIBUTES 16

struct costs {
	double *us;
	size_t count;
};

static double cpu_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void add(struct costs *costs, double began)
{
	costs->us[costs->count++] = cpu_us() - began;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const struct costs *costs, double part)
{
	size_t at = (size_t)(part * (double)costs->count);

	return costs->us[at < costs->count ? at : costs->count - 1];
}

static void print(struct costs *costs)
{
	qsort(costs->us, costs->count, sizeof *costs->us, compare);
	printf("%.2f %.2f %.2f %.2f ", quantile(costs, 0.5), quantile(costs, 0.99),
	       quantile(costs, 0.999), quantile(costs, 1));
}

/* Let the agent's stand-in give blocks back: what is refused costs nothing. */
static void rest(void)
{
	(void)nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void one_span(const char *value, size_t bytes, struct costs costs[3])
{
	struct spanring_span span;
	double began = cpu_us();

	(void)spanring_start(&span, "measured", NULL);
	add(&costs[1], began);
	for (int i = 0; i < ATTRIBUTES; i++) {
		began = cpu_us();
		(void)spanring_set_string_n(&span, "gen_ai.prompt", value, bytes);
		add(&costs[0], began);
		if (bytes > 65536)
			rest();
	}
	began = cpu_us();
	(void)spanring_end(&span);
	add(&costs[2], began);
	if (bytes > 1024)
		rest();
}

int main(int argc, char **argv)
{
	struct spanring_report state = SPANRING_REPORT_INIT;
	struct costs costs[3] = {{0}}, clock = {0};
	size_t bytes, calls;
	char *value;

	if (argc != 3)
		return 2;
	bytes = strtoul(argv[1], NULL, 10);
	calls = strtoul(argv[2], NULL, 10);
	value = malloc(bytes + 1);
	for (int i = 0; i < 3; i++)
		costs[i].us = calloc(calls + ATTRIBUTES, sizeof(double));
	clock.us = calloc(calls, sizeof(double));
	if (!value || !costs[0].us || !costs[1].us || !costs[2].us || !clock.us)
		return 1;
	memset(value, 'v', bytes);
	if (returner_start(getenv("SPANRING_DIR") ?: "") < 0 || spanring_init(NULL) < 0)
		return 1;
	for (int i = 0; i < 5000 && spanring_state(&state) == 1 && !state.agent; i++)
		rest();
	while (costs[0].count < calls)
		one_span(value, bytes, costs);
	while (clock.count < calls)
		add(&clock, cpu_us());
	for (int i = 0; i < 3; i++)
		print(&costs[i]);
	print(&clock);
	putchar('\n');
	(void)spanring_state(&state);
	if (state.refused_ring_full || state.refused_no_memory)
		(void)fprintf(stderr, "call_cost: %u calls were refused: the result is void\n",
			      state.refused_ring_full + state.refused_no_memory);
	(void)returner_stop();
	return 0;
}
