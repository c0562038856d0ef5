#include "assemble/assemble.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "assemble/stage.h"
#include "wire/record.h"

/* How soon a full stage behind us is asked again. */
#define RETRY_NS UINT64_C(10000000)

static int store_load(void *arg, const struct log_place *place, size_t len, uint8_t *at)
{
	const struct assemble *a = arg;

	return a->ops.load(a->ops.arg, place, len, at);
}

/* Where leaving the memory begins: a quarter below what may be refused. */
static uint64_t store_bytes(uint64_t memory_bytes_max)
{
	return memory_bytes_max - memory_bytes_max / 4;
}

int assemble_new(struct assemble **ret_assemble, struct env *env,
		 const struct assemble_options *options, const struct assemble_ops *ops)
{
	struct trace_run_ops run_ops = {ops->run_seen, ops->run_over, ops->run_state, ops->arg};
	struct assemble *a;
	int r;

	a = calloc(1, sizeof *a);
	if (!a)
		return -ENOMEM;
	a->env = env;
	a->options = *options;
	a->ops = *ops;
	r = env->ops->random(env, &a->seed, sizeof a->seed);
	if (r < 0) {
		free(a);
		return r;
	}
	clock_init(&a->clock, env, options->boot_id, options->time_namespace);
	span_store_init(&a->store, store_bytes(options->memory_bytes_max));
	a->store.load = store_load;
	a->store.arg = a;
	trace_run_table_init(&a->runs, &run_ops, a->seed, options->idle_timeout_ns,
			     options->run_forget_ns);
	map_init(&a->sources, 16, a->seed);
	map_init(&a->users, 8, a->seed);
	process_table_init(&a->processes, a->seed);
	list_init(&a->ages);
	list_init(&a->places);
	list_init(&a->ready);
	list_init(&a->gone);
	a->recovering = true;
	*ret_assemble = a;
	return 0;
}

static void free_spans(struct assemble *a, struct source *source)
{
	size_t at = 0;
	void *span;

	while (map_next(&source->spans, &at, &span))
		open_span_free(&a->store, span);
	map_fini(&source->spans);
}

void assemble_free(struct assemble *a)
{
	size_t at = 0;
	void *source;

	if (!a)
		return;
	while (map_next(&a->sources, &at, &source)) {
		free_spans(a, source);
		limit_user_put(&a->users, ((struct source *)source)->user);
		source_free(source);
	}
	map_fini(&a->sources);
	limit_user_put(&a->users, a->senders);
	map_fini(&a->users);
	process_table_fini(&a->processes);
	trace_run_table_fini(&a->runs);
	span_store_fini(&a->store);
	buf_fini(&a->span);
	buf_fini(&a->closing);
	buf_fini(&a->state);
	buf_fini(&a->cut);
	buf_fini(&a->mapped);
	(void)reserve_spend(&a->reserve); /* nobody is waiting for it */
	free(a->rings);
	free(a);
}

/* ---- rings ---- */

static struct source *ring_source(const struct assemble *a, uint32_t ring)
{
	return ring < a->ring_cap ? a->rings[ring] : NULL;
}

static int rings_reserve(struct assemble *a, uint32_t ring)
{
	uint32_t cap = a->ring_cap ? a->ring_cap : 16;
	struct source **rings;

	if (ring < a->ring_cap)
		return 0;
	if (ring >= UINT32_MAX / 2)
		return -ENOMEM;
	while (cap <= ring)
		cap *= 2;
	rings = realloc(a->rings, cap * sizeof(struct source *));
	if (!rings)
		return -ENOMEM;
	memset(rings + a->ring_cap, 0, (cap - a->ring_cap) * sizeof(struct source *));
	a->rings = rings;
	a->ring_cap = cap;
	return 0;
}

struct source *stage_source(struct assemble *a, const uint8_t instance[16])
{
	struct source *source = map_get(&a->sources, instance);

	if (source)
		return source;
	source = source_new(instance, a->seed);
	if (!source)
		return NULL;
	if (map_put(&a->sources, instance, source) < 0) {
		source_free(source);
		return NULL;
	}
	return source;
}

/* From now on its user holds what it holds. Without memory for the user nobody's
 * share is asked for, only that of the ring. */
void stage_identify(struct assemble *a, struct source *source,
		    const struct ring_identity *identity)
{
	source_identify(source, &a->clock, identity);
	if (source->user)
		return;
	source->user = limit_user_get(&a->users, source->identity.uid, &a->options.limits,
				      a->clock.mono_ns);
	if (!source->user)
		return;
	source->holds.within = &source->user->holds;
	source->user->holds.memory_bytes += source->holds.memory_bytes;
	source->user->holds.open_spans += source->holds.open_spans;
}

int assemble_ring_seen(struct assemble *a, uint32_t ring, const struct ring_identity *identity)
{
	struct source *source;
	int r;

	clock_sample(&a->clock);
	r = rings_reserve(a, ring);
	if (r < 0)
		return r;
	source = stage_source(a, identity->instance);
	if (!source)
		return -ENOMEM;
	stage_identify(a, source, identity);
	source->ring = ring;
	a->rings[ring] = source;
	process_see(a, source); /* of one that is known from the log */
	return 0;
}

static void update_gauges(struct assemble *a)
{
	a->counters.memory_bytes = a->store.memory_bytes;
	a->counters.spilled_bytes = a->store.spilled_bytes;
	a->counters.runs = a->runs.seen_count;
	a->counters.runs_over = a->runs.over_said;
}

static uint64_t settle_above(const struct assemble *a)
{
	return a->options.memory_bytes_max - a->options.memory_bytes_max / 8;
}

/* What cannot leave the memory otherwise and waits for a round only can be finished
 * now, oldest first. What another thread wrote of such a span and was not read yet
 * comes too late then, and is counted: of a few spans some records, where refusing
 * would cost whole spans. */
static void settle_early(struct assemble *a, struct source *source)
{
	uint64_t enough = settle_above(a) - a->options.memory_bytes_max / 16;
	struct list *node;

	while (a->store.memory_bytes > enough) {
		node = list_first(&source->ended_before);
		if (!node)
			node = list_first(&source->ended);
		if (!node)
			return;
		finish_queue(a, list_entry(node, struct open_span, due));
		if (finish_ready(a) == 0)
			return; /* the log takes nothing for now */
	}
}

/* Nobody may be refused for what could still leave the memory. That happens between
 * two batches only: the log has a batch whole before the first of its records is
 * applied, so a span written to the log in between would lack what follows. Hence
 * the room for a batch below memory_bytes_max. Large values went by themselves; now
 * the spans of many small ones, then those that have ended. */
static void limit_memory(struct assemble *a, struct source *source)
{
	if (a->store.memory_bytes <= a->store.memory_bytes_max)
		a->unload_above = 0;
	else if (a->store.memory_bytes > a->unload_above)
		recover_unload(a);
	if (source && a->store.memory_bytes > settle_above(a))
		settle_early(a, source);
}

/* What a batch of small records takes at most, beyond its bytes: each START may
 * want a span, a run and a chunk. Then maps that double. */
#define RESERVE_BYTES (UINT64_C(4) << 20)

int stage_reserve(struct assemble *a, const struct source *source, const struct slice *slices,
		  uint32_t n)
{
	uint64_t bytes = RESERVE_BYTES + 2 * map_bytes(&a->runs.runs);

	if (source)
		bytes += 2 * map_bytes(&source->spans);
	for (uint32_t i = 0; i < n; i++)
		bytes += 2 * slices[i].records.len;
	return reserve_fill(&a->reserve, bytes);
}

int assemble_reserve(struct assemble *a, uint32_t ring, const struct slice *slices, uint32_t n)
{
	return stage_reserve(a, ring_source(a, ring), slices, n);
}

void assemble_push(struct assemble *a, uint32_t ring, const struct slice *slices, uint32_t n,
		   uint64_t segment, uint32_t offset, const uint32_t *offsets)
{
	struct source *source = ring_source(a, ring);

	clock_sample(&a->clock);
	/* Before, too: what was recovered may be more than the memory holds. */
	limit_memory(a, source);
	if (source)
		apply_slices(a, source, slices, n, segment, offset, offsets);
	limit_memory(a, source);
	(void)trace_run_table_introduce(&a->runs); /* the tick tries again what was refused */
	update_gauges(a);
}

void assemble_round_end(struct assemble *a, uint32_t ring, uint64_t round)
{
	struct source *source = ring_source(a, ring);

	/* Rounds of a ring follow each other: that one ended is all that counts. */
	(void)round;
	if (!source)
		return;
	finish_queue_all(a, &source->ended_before);
	list_splice(&source->ended_before, &source->ended);
	apply_drop_parked(a, &source->parked_before);
	list_splice(&source->parked_before, &source->parked);
	if (source->closing_due) {
		closing_begin(a, source, source->closing_kind);
		source->closing_due = false;
	}
	source->closing_due = source->closing_now;
	source->closing_now = false;
	(void)finish_ready(a); /* what is not taken now waits for the tick */
	update_gauges(a);
}

void assemble_settled(struct assemble *a, uint32_t ring)
{
	struct source *source = ring_source(a, ring);

	if (!source)
		return;
	finish_queue_all(a, &source->ended_before);
	finish_queue_all(a, &source->ended);
	(void)finish_ready(a);
	update_gauges(a);
}

void assemble_end_lost(struct assemble *a, uint32_t ring, const uint8_t span_id[8])
{
	struct source *source = ring_source(a, ring);
	struct open_span *span;

	if (!source)
		return;
	span = map_get(&source->spans, span_id);
	if (!span) {
		/* Its START may be in a block that this round does not read; if
		 * not, it was finished long ago and this was said before. */
		span = apply_new_span(a, source, span_id, a->segment);
		if (!span)
			return;
		list_append(&source->parked, &span->due);
	}
	if (span->flags & (SPAN_ENDED | SPAN_READY | SPAN_END_LOST | SPAN_STALE))
		return;
	span->flags |= SPAN_END_LOST | SPAN_ENDED | SPAN_CLOSING;
	span->close = SPAN_CLOSE_END_LOST;
	if (!(span->flags & SPAN_STARTED))
		return;
	a->counters.end_lost++;
	list_append(&source->ended, &span->due);
}

static void say_death(const struct assemble *a, const struct source *source, uint64_t open)
{
	char how[128], line[256];

	death_describe(source, how, sizeof how);
	(void)snprintf(line, sizeof line, "assemble: pid %u: %s; ending its %llu open spans",
		       source->identity.pid, how, (unsigned long long)open);
	a->ops.log(a->ops.arg, LOG_NOTICE, line);
}

static void source_dies(struct assemble *a, struct source *source, const struct death *death)
{
	size_t before;

	source->death = *death;
	source->dead = true;
	begin_leave_run(a, source);
	process_see(a, source);
	process_ends(a, source);
	apply_drop_parked(a, &source->parked_before);
	apply_drop_parked(a, &source->parked);
	finish_queue_all(a, &source->ended_before);
	finish_queue_all(a, &source->ended);
	if (source->closing_due || source->closing_now)
		closing_begin(a, source, source->closing_kind);
	source->closing_due = false;
	source->closing_now = false;
	stale_forget(a, source);
	before = source->spans.count;
	closing_begin(a, source, SPAN_CLOSE_DEATH);
	if (before)
		say_death(a, source, before);
}

bool assemble_ring_dead(struct assemble *a, uint32_t ring, const struct death *death)
{
	struct source *source = ring_source(a, ring);

	if (!source)
		return true;
	clock_sample(&a->clock);
	if (!source->dead)
		source_dies(a, source, death);
	(void)finish_ready(a); /* what is not taken now waits for the tick */
	update_gauges(a);
	return source->spans.count == 0;
}

void assemble_ring_refused(struct assemble *a, uint32_t ring, uint64_t calls)
{
	struct source *source = ring_source(a, ring);

	if (!source)
		return;
	clock_sample(&a->clock);
	source->refused = calls;
	process_refused(a, source);
}

bool assemble_ring_idle(const struct assemble *a, uint32_t ring)
{
	const struct source *source = ring_source(a, ring);

	return !source || source->spans.count == 0;
}

static void source_goes(struct assemble *a, struct source *source)
{
	source->gone = true;
	list_move(&a->gone, &source->among_gone);
}

void assemble_ring_gone(struct assemble *a, uint32_t ring)
{
	struct source *source = ring_source(a, ring);
	struct death death = {.cause = DEATH_UNKNOWN, .seen_mono_ns = a->clock.mono_ns};

	if (!source)
		return;
	a->rings[ring] = NULL;
	source->ring = SOURCE_NO_RING;
	source_goes(a, source);
	/* A ring that was put aside for its lies never died; its spans end as
	 * those of any process of which no more is heard. */
	if (!source->dead)
		source_dies(a, source, &death);
}

void stage_end_closed(struct assemble *a, struct source *source)
{
	struct death death = {.cause = DEATH_UNKNOWN};

	clock_sample(&a->clock);
	death.seen_mono_ns = a->clock.mono_ns;
	source_goes(a, source);
	source_dies(a, source, &death);
}

void stage_forget_source(struct assemble *a, struct source *source)
{
	map_remove(&a->sources, source->instance);
	begin_leave_run(a, source);
	process_leave(a, source);
	apply_source_kept(a, source, 0);
	limit_user_put(&a->users, source->user);
	source_free(source);
}

static void sweep_gone(struct assemble *a)
{
	struct list *node, *next;

	for (node = a->gone.next; node != &a->gone; node = next) {
		struct source *source = list_entry(node, struct source, among_gone);

		next = node->next;
		if (source->spans.count == 0)
			stage_forget_source(a, source);
	}
}

/* ---- time ---- */

int assemble_tick(struct assemble *a, uint64_t now_ns)
{
	int work;

	clock_sample(&a->clock);
	work = trace_run_table_introduce(&a->runs);
	work += finish_ready(a);
	work += stale_tick(a);
	work += process_tick(a);
	work += trace_run_table_tick(&a->runs, now_ns);
	sweep_gone(a);
	update_gauges(a);
	return work;
}

uint64_t assemble_next_due(const struct assemble *a, uint64_t now_ns)
{
	uint64_t due = trace_run_table_next_due(&a->runs, now_ns);
	/* The clocks want to be looked at from time to time. */
	uint64_t sample = now_ns + TICKS_INTERVAL_NS_MAX;

	if (a->options.stale_ttl_ns && !list_empty(&a->ages) && a->stale_due_ns < due)
		due = a->stale_due_ns;
	if ((!list_empty(&a->ready) || !list_empty(&a->gone) ||
	     !list_empty(&a->processes.unsaved)) &&
	    due > now_ns + RETRY_NS)
		due = now_ns + RETRY_NS;
	return due < sample ? due : sample;
}

void assemble_flush(struct assemble *a)
{
	(void)finish_ready(a); /* what is not taken stays for the next life */
	trace_run_table_flush(&a->runs, a->clock.mono_ns);
	update_gauges(a);
}

void assemble_set_limits(struct assemble *a, uint64_t memory_bytes_max,
			 uint64_t idle_timeout_ns, uint32_t open_spans_max,
			 uint64_t stale_ttl_ns, const struct assemble_limits *limits)
{
	a->options.stale_ttl_ns = stale_ttl_ns;
	a->stale_due_ns = 0;
	a->options.memory_bytes_max = memory_bytes_max;
	a->options.open_spans_max = open_spans_max;
	a->store.memory_bytes_max = store_bytes(memory_bytes_max);
	a->runs.idle_timeout_ns = idle_timeout_ns;
	a->unload_above = 0;
	a->options.limits = *limits;
}

bool assemble_run_awaited(const struct assemble *a, const uint8_t trace_id[16])
{
	const struct trace_run *run = trace_run_find(&a->runs, trace_id);

	return run && !(run->flags & RUN_OVER);
}

/* ---- for status ---- */

const struct assemble_counters *assemble_counters(const struct assemble *a)
{
	return &a->counters;
}

static struct open_span_view view_of(const struct assemble *a, const struct open_span *span)
{
	/* START is the first record and never spilled. */
	const struct span_chunk *chunk = span->first;
	struct open_span_view view = {.pid = span->source->identity.pid};
	struct record_start start;

	while (!chunk->len)
		chunk = chunk->next;
	start = record_get_start(chunk->at);
	memcpy(view.trace_id, span->run->trace_id, 16);
	memcpy(view.span_id, span->span_id, 8);
	view.name = (struct bytes){start.name.at, start.name.length};
	view.start_wall_ns = span->flags & SPAN_WALL_TIME
				     ? span->start_ticks
				     : clock_wall_ns(&a->clock, &span->source->clock,
						     span->start_ticks, span->run->offset_ns);
	return view;
}

void assemble_each_open(const struct assemble *a, uint32_t max,
			void (*each)(void *arg, const struct open_span_view *view), void *arg)
{
	const struct list *node = a->ages.next;

	for (uint32_t i = 0; i < max && node != &a->ages; i++, node = node->next) {
		struct open_span_view view =
			view_of(a, list_entry(node, const struct open_span, ages));

		each(arg, &view);
	}
}
