/* What a span costs its caller: one case, printed as nanoseconds per span.
 *
 *	client_cost CASE ATTRIBUTES THREADS SPANS
 *
 *	recycled     blocks that were used before, an agent that is never late
 *	first-lap    blocks that no memory stands behind yet, no agent
 *	unsampled    tracing is on, the sampler says no
 *	disabled     tracing is off
 *	paced        200,000 spans a second, for measuring an agent
 *	limit-mono   the limit: the same bytes by memcpy and one release store per
 *	limit-tsc    record, and the same two looks at the clock
 *
 * SPANRING_DIR names an empty directory of its own; SPANRING_CLOCK the clock.
 * ATTRIBUTES is 0 or 4: three strings (16-byte keys, 24-byte values) and one
 * integer. Each thread makes SPANS spans; the result is the mean over threads
 * of CPU-free wall time per span. */
#include <pthread.h>
#include <spanring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include "returner.h"
#include "wire/record.h"

#define THREADS_MAX 16

static struct {
	const char *name;
	int attributes;
	int threads;
	long spans;
} run;

static double now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void one_span(void)
{
	struct spanring_span span;

	(void)spanring_start(&span, "generate_content", NULL);
	if (run.attributes) {
		(void)spanring_set_string(&span, "gen_ai.operation", "a value of 24 characters");
		(void)spanring_set_string(&span, "gen_ai.req.model", "gemini-1.5-pro-xxxxxxxxx");
		(void)spanring_set_string(&span, "gen_ai.sys.names", "another of 24 characters");
		(void)spanring_set_int(&span, "gen_ai.use.token", 912);
	}
	(void)spanring_end(&span);
}

/* ---- the limit: what any recorder of these bytes must at least do ----------- */

/* A recorder that is read from elsewhere cannot stay in one block: this is what
 * a ring has in use between two looks of the returner. */
#define LIMIT_BYTES (16u * 16384u)

struct limit {
	uint8_t *at;
	uint32_t used;
	_Atomic uint32_t committed;
};

static inline uint64_t limit_clock(bool tsc)
{
	struct timespec ts;

#ifdef __x86_64__
	if (tsc)
		return __rdtsc();
#endif
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Not inlined: a library sees lengths at run time. */
static __attribute__((noinline)) void limit_record(struct limit *limit, const void *fixed, uint32_t fixed_len,
				const char *text, uint32_t text_len, const char *more,
				uint32_t more_len)
{
	uint32_t length = record_padded(fixed_len + text_len + more_len);
	uint8_t *to;

	if (limit->used + length > LIMIT_BYTES)
		limit->used = 0;
	to = limit->at + limit->used;
	memcpy(to, fixed, fixed_len);
	memcpy(to + fixed_len, text, text_len);
	memcpy(to + fixed_len + text_len, more, more_len);
	limit->used += length;
	/* The one publication a reader in another process needs; relaxed
	 * would not order the bytes before it. */
	atomic_store_explicit(&limit->committed, limit->used, memory_order_release);
}

static void limit_span(struct limit *limit, bool tsc, uint64_t number)
{
	static const char key[] = "gen_ai.operation", value[] = "a value of 24 characters";
	struct wire_attribute attribute = {.head = {80, WIRE_ATTRIBUTE, WIRE_STRING, 16}};
	struct wire_start start = {.head = {80, WIRE_START, 0, 1}, .name_length = 16};
	struct wire_end end = {.head = {24, WIRE_END, 0, 0}};
	int64_t tokens = 912;

	start.ticks = limit_clock(tsc);
	memcpy(start.span_id, &number, 8);
	memcpy(attribute.span_id, &number, 8);
	memcpy(end.span_id, &number, 8);
	limit_record(limit, &start, sizeof start, key, 16, NULL, 0);
	for (int i = 0; run.attributes && i < 3; i++)
		limit_record(limit, &attribute, sizeof attribute, key, 16, value, 24);
	if (run.attributes)
		limit_record(limit, &attribute, sizeof attribute, key, 16, (char *)&tokens, 8);
	end.ticks = limit_clock(tsc);
	limit_record(limit, &end, sizeof end, NULL, 0, NULL, 0);
}

static void limit_run(bool tsc)
{
	struct limit limit = {.at = malloc(LIMIT_BYTES)};

	if (!limit.at)
		exit(1);
	for (long i = 0; i < run.spans; i++)
		limit_span(&limit, tsc, (uint64_t)i + 1);
	free(limit.at);
}

/* ---- running ----------------------------------------------------------------- */

static pthread_barrier_t barrier;

/* The client looks for its agent's answer only now and then; a full ring before
 * that would measure refusals. */
static void wait_for_agent(void)
{
	struct spanring_report state = SPANRING_REPORT_INIT;

	for (int i = 0; i < 5000 && spanring_state(&state) == 1 && !state.agent; i++) {
		for (int k = 0; k < 20; k++)
			one_span();
		(void)nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
}

/* Bursts of two milliseconds, so that the sleeps are few. */
static void pace(long done, double began)
{
	double ahead = began + (double)done * 5000.0 - now_ns();

	if (done % 400 == 0 && ahead > 0)
		(void)nanosleep(&(struct timespec){0, (long)ahead}, NULL);
}

static void *worker(void *ret_ns)
{
	bool limit = strncmp(run.name, "limit", 5) == 0;
	bool paced = strcmp(run.name, "paced") == 0;
	struct spanring_span root;
	double began;

	/* All spans of a thread are one run's. */
	(void)spanring_enter(&root, "client_cost", NULL);
	if (strcmp(run.name, "recycled") == 0)
		for (long i = 0; i < run.spans / 4; i++)
			one_span();
	(void)pthread_barrier_wait(&barrier);
	began = now_ns();
	if (limit)
		limit_run(strcmp(run.name, "limit-tsc") == 0);
	for (long i = 0; !limit && i < run.spans; i++) {
		one_span();
		if (paced)
			pace(i, began);
	}
	*(double *)ret_ns = (now_ns() - began) / (double)run.spans;
	(void)spanring_end(&root);
	return NULL;
}

/* A result in which calls were refused would be a lie. */
static void check(void)
{
	struct spanring_report state = SPANRING_REPORT_INIT;

	(void)spanring_state(&state);
	if (state.refused_ring_full || state.refused_no_memory || state.ends_lost)
		(void)fprintf(stderr, "client_cost: %u spans were refused: the result is void\n",
			      state.refused_ring_full + state.refused_no_memory);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS_MAX];
	double ns[THREADS_MAX], sum = 0;

	if (argc != 5) {
		(void)fprintf(stderr, "usage: client_cost CASE ATTRIBUTES THREADS SPANS\n");
		return 2;
	}
	run.name = argv[1];
	run.attributes = atoi(argv[2]);
	run.threads = atoi(argv[3]);
	run.spans = atol(argv[4]);
	if (run.threads < 1 || run.threads > THREADS_MAX)
		return 2;
	if (strcmp(run.name, "recycled") == 0 && returner_start(getenv("SPANRING_DIR") ?: "") < 0)
		return 1;
	(void)spanring_init(NULL);
	if (strcmp(run.name, "recycled") == 0)
		wait_for_agent();
	(void)pthread_barrier_init(&barrier, NULL, (unsigned)run.threads);
	for (int i = 0; i < run.threads; i++)
		(void)pthread_create(&threads[i], NULL, worker, &ns[i]);
	for (int i = 0; i < run.threads; i++) {
		(void)pthread_join(threads[i], NULL);
		sum += ns[i];
	}
	check();
	if (strcmp(run.name, "recycled") == 0)
		(void)returner_stop();
	printf("%.1f\n", sum / run.threads);
	return 0;
}
