/* What the same span costs with LTTng-UST: lttng_cost ATTRIBUTES SPANS, under a
 * session that has the provider's events enabled. Prints ns per span. */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng_provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void one_span(int attributes, uint64_t id)
{
	static const uint8_t trace_id[16] = {1};

	lttng_ust_tracepoint(spanring_bench, start, trace_id, id, 0, "generate_content");
	if (attributes) {
		lttng_ust_tracepoint(spanring_bench, text, id, "gen_ai.operation",
				     "a value of 24 characters");
		lttng_ust_tracepoint(spanring_bench, text, id, "gen_ai.req.model",
				     "gemini-1.5-pro-xxxxxxxxx");
		lttng_ust_tracepoint(spanring_bench, text, id, "gen_ai.sys.names",
				     "another of 24 characters");
		lttng_ust_tracepoint(spanring_bench, number, id, "gen_ai.use.token", 912);
	}
	lttng_ust_tracepoint(spanring_bench, end, id);
}

int main(int argc, char **argv)
{
	int attributes = argc > 1 ? atoi(argv[1]) : 0;
	long spans = argc > 2 ? atol(argv[2]) : 1000000;
	double began;

	for (long i = 0; i < spans / 4; i++)
		one_span(attributes, (uint64_t)i + 1);
	began = now_ns();
	for (long i = 0; i < spans; i++)
		one_span(attributes, (uint64_t)i + 1);
	printf("%.1f\n", (now_ns() - began) / (double)spans);
	return 0;
}
