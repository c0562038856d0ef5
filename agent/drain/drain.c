#include "drain/drain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "drain/liveness.h"
#include "drain/ring_state.h"
#include "drain/round.h"
#include "drain/stage.h"
#include "wire/record.h"

/* How often a silent ring's lock is asked for: so that a thousand of them cost
 * 0.2 % of a core, and a death is seen within a second. Where the kernel tells
 * us of the death (a pidfd), asking is only the safety net. */
#define LOCK_INTERVAL_MIN_NS UINT64_C(50000000)
#define LOCK_INTERVAL_MAX_NS UINT64_C(1000000000)
#define LOCK_INTERVAL_RING_NS UINT64_C(500000)
#define LOCKS_PER_TICK 1000

/* An idle ring costs a microsecond a look: beyond 2,000 of them they are looked at
 * less often, 10,000 twice a second. One that fills up rings the bell. */
#define LOOK_INTERVAL_RING_NS UINT64_C(50000)

#define WAKE_INTERVAL_NS UINT64_C(2000000)

/* ---- the table ------------------------------------------------------------- */

struct ring *stage_ring_find(struct drain *drain, const uint8_t instance[16])
{
	return map_get(&drain->by_instance, instance);
}

static int table_slot(struct drain *drain, uint32_t *ret_index)
{
	struct ring **rings;
	uint32_t cap = drain->ring_cap ? drain->ring_cap * 2 : 16;

	for (uint32_t i = 0; i < drain->ring_count && drain->rings_used < drain->ring_count;
	     i++)
		if (!drain->rings[i]) {
			*ret_index = i;
			return 0;
		}
	if (drain->ring_count == drain->ring_cap) {
		rings = reallocarray(drain->rings, cap, sizeof *rings);
		if (!rings)
			return -ENOMEM;
		drain->rings = rings;
		drain->ring_cap = cap;
	}
	drain->rings[drain->ring_count] = NULL;
	*ret_index = drain->ring_count++;
	return 0;
}

int stage_ring_add(struct drain *drain, const uint8_t instance[16], struct ring **ret_ring)
{
	struct ring *ring;
	uint32_t index;
	int r;

	if (drain->rings_used >= drain->options.rings_max)
		return -ENFILE;
	ring = malloc(sizeof *ring);
	if (!ring)
		return -ENOMEM;
	r = table_slot(drain, &index);
	if (r == 0)
		r = map_put(&drain->by_instance, instance, ring);
	if (r < 0) {
		free(ring);
		return r;
	}
	ring_init(ring, index);
	memcpy(ring->identity.instance, instance, 16);
	drain->rings[index] = ring;
	drain->rings_used++;
	*ret_ring = ring;
	return 0;
}

static void ring_close(struct drain *drain, struct ring *ring)
{
	if (ring->pidfd >= 0)
		(void)drain->env->ops->watch(drain->env, ring->pidfd, 0, NULL, NULL);
	liveness_end(ring, drain->env);
	ctl_close(&ring->ctl);
	ring_map_close(&ring->map, drain->env);
	ring_fini(ring);
}

void stage_ring_drop(struct drain *drain, struct ring *ring)
{
	(void)map_remove(&drain->by_instance, ring->identity.instance);
	find_user_left(drain, ring);
	ring_close(drain, ring);
	follow_leave(drain, ring);
	drain->rings[ring->index] = NULL;
	drain->rings_used--;
	free(ring);
}

/* ---- saying things --------------------------------------------------------- */

void stage_log(const struct drain *drain, int priority, const char *format, ...)
{
	char line[512];
	va_list args;

	if (!drain->ops.log)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	drain->ops.log(drain->ops.arg, priority, line);
}

void stage_quarantine(struct drain *drain, struct ring *ring, const char *reason)
{
	char name[RING_DIR_NAME_BYTES];

	if (ring->quarantined)
		return;
	ring->quarantined = true;
	/* So that its calls and flushes fail at once, not by a full ring. */
	if (ctl_is_open(&ring->ctl))
		ctl_please_stop(&ring->ctl);
	drain->counters.rings_quarantined++;
	ring_dir_name(name, ring->identity.instance, WIRE_RING_SUFFIX);
	stage_log(drain, LOG_ERR, "%s of pid %u is not read any more: %s", name,
		  ring->identity.pid, reason);
}

int stage_state_put(struct drain *drain, struct ring *ring)
{
	struct buf state = BUF_INIT;
	uint64_t sequence, segment;
	int r;

	r = ring_state_write(ring, &state);
	if (r == 0)
		r = drain->ops.ring_state(drain->ops.arg, ring->index, buf_bytes(&state),
					  &sequence, &segment);
	if (r == 0) {
		ring->in_log = true;
		ring->state_segment = segment;
	}
	buf_fini(&state);
	return r;
}

/* ---- one ring -------------------------------------------------------------- */

/* Rings come due together, so that a thousand idle ones are one wake. */
static uint64_t due_after(uint64_t now_ns, uint64_t interval_ns)
{
	return (now_ns / interval_ns + 1) * interval_ns;
}

static uint64_t look_interval(const struct drain *drain)
{
	uint64_t interval_ns = drain->rings_used * LOOK_INTERVAL_RING_NS;

	return interval_ns > drain->options.idle_interval_ns ? interval_ns
							     : drain->options.idle_interval_ns;
}

static uint64_t lock_interval(const struct drain *drain, const struct ring *ring)
{
	uint64_t interval_ns = drain->rings_used * LOCK_INTERVAL_RING_NS;

	if (ring->pid_watched || interval_ns > LOCK_INTERVAL_MAX_NS)
		return LOCK_INTERVAL_MAX_NS;
	return interval_ns < LOCK_INTERVAL_MIN_NS ? LOCK_INTERVAL_MIN_NS : interval_ns;
}

/* Asks whether a silent ring's process lives. */
static void ask_lock(struct drain *drain, struct ring *ring, uint64_t now_ns)
{
	if (ring->lock_free || now_ns < ring->lock_due_ns ||
	    drain->locks_asked >= LOCKS_PER_TICK)
		return;
	drain->locks_asked++;
	ring->lock_due_ns = now_ns + lock_interval(drain, ring);
	/* An error is no proof of death. */
	if (liveness_locked(ring, drain->env) != 0)
		return;
	ring->lock_free = true;
	ring->lock_free_ns = now_ns;
}

static void tell_lost_ends(struct drain *drain, struct ring *ring)
{
	for (uint32_t i = 0; i < WIRE_LOST_END_SLOTS; i++) {
		const struct wire_lost_end *slot = &ring->map.live->lost_end[i];
		uint64_t bit = UINT64_C(1) << (i % 64);
		uint8_t span_id[8];

		if (!(ring->round.lost[i / 64] & bit))
			continue;
		memcpy(span_id, slot->span_id, 8);
		ring->lost_told[i / 64] |= bit;
		drain->ops.end_lost(drain->ops.arg, ring->index, span_id);
	}
}

static void round_over(struct drain *drain, struct ring *ring, uint64_t now_ns)
{
	struct ring_round *round = &ring->round;

	round->active = false;
	ring->behind_since_ns = 0;
	ring->counters.rounds++;
	/* A span whose END came now is finished by the next round. */
	if (round->gave || round->waits)
		ring->rounds_owed = 1;
	else if (ring->rounds_owed > 0)
		ring->rounds_owed--;
	if (round->lost[0] | round->lost[1]) {
		tell_lost_ends(drain, ring);
		ring->rounds_owed = 1;
	}
	drain->ops.round_end(drain->ops.arg, ring->index, round->number);
	if (round->flush != ring->flush_told) {
		ring->flush_told = round->flush;
		drain->ops.flush_wanted(drain->ops.arg, ring->index, round->flush);
	}
	if (round->final)
		ring->phase = RING_DYING;
	/* The process says that this ring is complete, though it lives and keeps
	 * the mapping. What its other threads wrote before that is below the
	 * marks of a round that begins now. */
	if (ring->farewell.said && ring->farewell.how == WIRE_PROCESS_SHUTDOWN &&
	    !ring->lock_free) {
		ring->lock_free = true;
		ring->lock_free_ns = now_ns;
	}
}

/* Spans that ended still wait for rounds; nothing more will be read. */
static void rounds_finish(struct drain *drain, struct ring *ring)
{
	for (int i = 0; i < 2; i++) {
		if (!ring->round.active)
			ring->round.number++;
		ring->round.active = false;
		drain->ops.round_end(drain->ops.arg, ring->index, ring->round.number);
	}
}

static void ring_failed(struct drain *drain, struct ring *ring, int error, const char *reason)
{
	if (error == -EPROTO) {
		rounds_finish(drain, ring);
		stage_quarantine(drain, ring, reason);
	} else if (error != -ENOBUFS) {
		stage_log(drain, LOG_ERR, "a ring cannot be read for now: %s",
			  strerror(-error));
	}
}

/* Begins a round if there is reason to. 1: one is active. 0: the ring is
 * idle. */
static int round_start(struct drain *drain, struct ring *ring, uint64_t now_ns,
		       const char **ret_reason)
{
	int r;

	if (ring->round.active)
		return 1;
	if (!ring->lock_free && !round_worthwhile(ring)) {
		ask_lock(drain, ring, now_ns);
		if (!ring->lock_free)
			return 0;
	}
	r = round_begin(ring, drain->env, ring->lock_free, ret_reason);
	return r < 0 ? r : 1;
}

/* S2, pairs with S1 in libclient/ring.h: loaded behind the marks, by whose
 * acquire (C2) it sees every mark that was set before what was read. Relaxed is
 * enough for that. */
static void tell_settled(struct drain *drain, struct ring *ring)
{
	if (drain->ops.settled &&
	    !atomic_load_explicit(&ring->map.live->shared, memory_order_relaxed))
		drain->ops.settled(drain->ops.arg, ring->index);
}

/* What a process lost for want of room, in time or memory: not what it was told is wrong
 * or over a limit of its own. */
static void tell_refused(struct drain *drain, struct ring *ring)
{
	static const enum wire_refusal against_its_will[] = {
		WIRE_REFUSED_RING_FULL, WIRE_REFUSED_TOO_LARGE, WIRE_REFUSED_NO_MEMORY,
		WIRE_REFUSED_REENTRANT, WIRE_REFUSED_END_LOST,
	};
	uint64_t refused[WIRE_REFUSED_SLOTS], calls = 0;

	if (!drain->ops.refused || !ring->map.live)
		return;
	ring_refused(ring, refused);
	for (size_t i = 0; i < sizeof against_its_will / sizeof against_its_will[0]; i++)
		calls += refused[against_its_will[i]];
	if (calls <= ring->refused_told)
		return;
	ring->refused_told = calls;
	drain->ops.refused(drain->ops.arg, ring->index, calls);
}

static int live_tick(struct drain *drain, struct ring *ring, uint64_t now_ns)
{
	uint64_t before = ring->counters.bytes;
	const char *reason = "";
	int r;

	if (!ctl_is_open(&ring->ctl))
		find_ctl(drain, ring, now_ns);
	ring->tick_bytes = 0;
	ring->due_ns = due_after(now_ns, look_interval(drain));
	r = round_start(drain, ring, now_ns, &reason);
	if (r == 0) {
		ring->behind_since_ns = 0;
		return 0;
	}
	if (ring->behind_since_ns == 0)
		ring->behind_since_ns = now_ns;
	if (r > 0)
		r = round_run(ring, &drain->collect, drain->options.round_bytes_max, &reason);
	tell_refused(drain, ring);
	if (r >= 0)
		tell_settled(drain, ring);
	if (r < 0)
		ring_failed(drain, ring, r, reason);
	else if (r == 1)
		round_over(drain, ring, now_ns);
	/* The rest of a round waits for nothing but the others' turns. */
	drain->counters.turns_cut += r == 0;
	ring->due_ns = r == 0 ? now_ns : due_after(now_ns, drain->options.busy_interval_ns);
	return ring->counters.bytes != before || ring->phase == RING_DYING;
}

/* Nothing of a quarantined ring is read, but its death is still noticed. */
static int quarantined_tick(struct drain *drain, struct ring *ring, uint64_t now_ns)
{
	ring->due_ns = due_after(now_ns, drain->options.idle_interval_ns);
	ask_lock(drain, ring, now_ns);
	if (ring->lock_free)
		ring->phase = RING_DYING;
	return ring->lock_free;
}

/* What a dead process could not record is forgotten with its ring's file, and
 * nobody may have looked while it lived. */
static void keep_refused(struct drain *drain, struct ring *ring)
{
	uint64_t *refused = ring->counters.refused;
	char reasons[384] = "";
	size_t used = 0;

	if (!ring->map.live)
		return;
	ring_refused(ring, refused);
	for (int i = 0; i < WIRE_REFUSED_SLOTS; i++) {
		drain->counters.refused[i] += refused[i];
		if (i < WIRE_REFUSED_COUNT && refused[i] && used < sizeof reasons)
			used += (size_t)snprintf(reasons + used, sizeof reasons - used,
						 "%s%s %" PRIu64, used ? ", " : "",
						 drain_refused_table.rows[i].key, refused[i]);
	}
	if (used)
		stage_log(drain, LOG_WARNING,
			  "calls of pid %" PRIu32 ", now gone, were refused: %s",
			  ring->identity.pid, reasons);
}

static int dying_tick(struct drain *drain, struct ring *ring, uint64_t now_ns)
{
	bool known = true;

	ring->death = (struct death){.seen_mono_ns = ring->lock_free_ns};
	if (ring->map.fd >= 0)
		known = liveness_cause(ring);
	if (!known && now_ns < ring->lock_free_ns + LIVENESS_CAUSE_NS) {
		ring->due_ns = due_after(now_ns, drain->options.busy_interval_ns);
		return 0;
	}
	ring->phase = RING_DEAD;
	ring->due_ns = UINT64_MAX;
	drain->counters.rings_dead++;
	keep_refused(drain, ring);
	tell_refused(drain, ring);
	drain->ops.ring_dead(drain->ops.arg, ring->index, &ring->death);
	return 1;
}

static int ring_tick(struct drain *drain, struct ring *ring, uint64_t now_ns)
{
	if (ring->phase == RING_FOUND && !find_attach(drain, ring, now_ns)) {
		if (ring->behind_since_ns == 0)
			ring->behind_since_ns = now_ns;
		ring->due_ns = due_after(now_ns, drain->options.busy_interval_ns);
		return 0;
	}
	switch (ring->phase) {
	case RING_LIVE:
		return ring->quarantined ? quarantined_tick(drain, ring, now_ns)
					 : live_tick(drain, ring, now_ns);
	case RING_DYING:
		return dying_tick(drain, ring, now_ns);
	default:
		ring->due_ns = UINT64_MAX;
		return 0;
	}
}

/* ---- the stage ------------------------------------------------------------- */

int drain_new(struct drain **ret_drain, struct env *env, const struct drain_options *options,
	      const struct drain_ops *ops)
{
	struct drain *drain = calloc(1, sizeof *drain);
	uint64_t seed = 0;
	int r;

	if (!drain)
		return -ENOMEM;
	/* Without randomness the table is as good as any other: ids that a
	 * hostile process chose cost a file each. */
	(void)env->ops->random(env, &seed, sizeof seed);
	map_init(&drain->by_instance, 16, seed);
	map_init(&drain->users, 8, seed);
	drain->env = env;
	drain->options = *options;
	drain->options.dir = NULL; /* borrowed for this call only */
	drain->ops = *ops;
	drain->ignored = calloc(IGNORED_SLOTS, sizeof *drain->ignored);
	if (!drain->ignored) {
		free(drain);
		return -ENOMEM;
	}
	r = follow_begin(drain, options->dir);
	if (r < 0) {
		follow_end(drain);
		free(drain->ignored);
		free(drain);
		return r;
	}
	collect_init(&drain->collect, env, &drain->ops, options->batch_bytes_max,
		     &drain->counters);
	*ret_drain = drain;
	return 0;
}

void drain_free(struct drain *drain)
{
	if (!drain)
		return;
	for (uint32_t i = 0; i < drain->ring_count; i++)
		if (drain->rings[i])
			stage_ring_drop(drain, drain->rings[i]);
	follow_end(drain);
	collect_fini(&drain->collect);
	map_fini(&drain->by_instance);
	map_fini(&drain->users);
	free(drain->rings);
	free(drain->ignored);
	free(drain);
}

static bool wake_due(struct drain *drain, uint64_t now_ns)
{
	if (!drain->woken || now_ns < drain->wake_due_ns)
		return false;
	drain->woken = false;
	drain->wake_due_ns = now_ns + WAKE_INTERVAL_NS;
	return true;
}

int drain_tick(struct drain *drain, uint64_t now_ns)
{
	int work = find_rings(drain, now_ns);
	bool all = wake_due(drain, now_ns);

	health_look(drain, now_ns);
	drain->locks_asked = 0;
	for (uint32_t i = 0; i < drain->ring_count; i++) {
		struct ring *ring = drain->rings[i];

		if (ring && (ring->due_ns <= now_ns || (all && ring->phase == RING_LIVE)))
			work += ring_tick(drain, ring, now_ns);
	}
	return work;
}

uint64_t drain_next_due(const struct drain *drain, uint64_t now_ns)
{
	uint64_t due_ns = due_after(now_ns, drain->options.idle_interval_ns);

	if (drain->woken && drain->wake_due_ns < due_ns)
		due_ns = drain->wake_due_ns;
	for (uint32_t i = 0; i < drain->ring_count; i++)
		if (drain->rings[i] && drain->rings[i]->due_ns < due_ns)
			due_ns = drain->rings[i]->due_ns;
	return due_ns;
}

static void ring_logged(struct drain *drain, struct ring *ring, uint64_t sequence)
{
	while (ring->returning_head != RING_NONE) {
		uint32_t index = ring->returning_head;
		struct ring_block *block = &ring->blocks[index];

		if (block->sequence > sequence)
			return;
		ring->returning_head = block->next;
		if (ring->returning_head == RING_NONE)
			ring->returning_tail = RING_NONE;
		*block = (struct ring_block){.generation = block->generation,
					     .next = RING_NONE,
					     .phase = BLOCK_FREE};
		ctl_return(&ring->ctl, index, block->generation);
		drain->counters.blocks_returned++;
	}
}

void drain_logged(struct drain *drain, uint64_t sequence)
{
	for (uint32_t i = 0; i < drain->ring_count; i++) {
		struct ring *ring = drain->rings[i];

		/* Without its answers (a full mount) the blocks wait. */
		if (ring && ring->returning_head != RING_NONE && ctl_is_open(&ring->ctl))
			ring_logged(drain, ring, sequence);
	}
}

void drain_flush_ack(struct drain *drain, uint32_t index, uint32_t request)
{
	struct ring *ring = stage_ring_at(drain, index);

	if (ring && ctl_is_open(&ring->ctl))
		ctl_flush_ack(&ring->ctl, request);
}

void drain_remove(struct drain *drain, uint32_t index)
{
	struct ring *ring = stage_ring_at(drain, index);
	int r;

	if (!ring || ring->phase != RING_DEAD)
		return;
	r = find_remove(drain, ring);
	if (r < 0) {
		stage_log(drain, LOG_ERR, "a dead ring's files cannot be removed: %s",
			  strerror(-r));
		/* It keeps its index, or it would be found and read again. */
		ring_close(drain, ring);
		ring->phase = RING_STUCK;
		ring->due_ns = UINT64_MAX;
	} else {
		stage_ring_drop(drain, ring);
	}
	drain->ops.ring_gone(drain->ops.arg, index);
}

int drain_carry(struct drain *drain, uint64_t segment)
{
	for (uint32_t i = 0; i < drain->ring_count; i++) {
		struct ring *ring = drain->rings[i];
		int r;

		/* Behind its CLOSED frame, a RING frame would bring it back. */
		if (!ring || !ring->seen_told || ring->counted || ring->phase == RING_STUCK ||
		    ring->state_segment > segment)
			continue;
		r = stage_state_put(drain, ring);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- waiting --------------------------------------------------------------- */

bool drain_before_sleep(struct drain *drain)
{
	bool changed = false;

	/* S1: sequentially consistent against the client's flush_req store and
	 * its load of `sleeping`: one of the two sees the other. A wake lost all
	 * the same is bounded by the poll. */
	atomic_store_explicit(&drain->directory->page->sleeping, 1, memory_order_seq_cst);
	for (uint32_t i = 0; i < drain->ring_count; i++) {
		struct ring *ring = drain->rings[i];

		if (!ring || ring->phase != RING_LIVE || ring->quarantined)
			continue;
		/* S1. */
		if (atomic_load_explicit(&ring->map.live->flush_req, memory_order_seq_cst) ==
		    ring->flush_told)
			continue;
		ring->due_ns = 0;
		changed = true;
	}
	return changed;
}

void drain_after_sleep(struct drain *drain)
{
	/* Relaxed: a wake too many costs nothing. */
	atomic_store_explicit(&drain->directory->page->sleeping, 0, memory_order_relaxed);
}

_Atomic uint32_t *drain_doorbell(struct drain *drain)
{
	return &drain->directory->page->doorbell;
}

void drain_wake(struct drain *drain)
{
	drain->woken = true;
}

void drain_set_limits(struct drain *drain, uint32_t rings_max, uint32_t rings_per_user_max,
		      uint64_t round_bytes_max)
{
	drain->options.rings_max = rings_max;
	drain->options.rings_per_user_max = rings_per_user_max;
	drain->options.round_bytes_max = round_bytes_max;
}
