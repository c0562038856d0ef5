#include "assemble/clock.h"

#include "wire/abi.h"

/* Clocks read one after the other differ by what passed in between; a
 * suspend is longer than that. */
#define SUSPEND_NS_MIN UINT64_C(1000000)
#define READING_NS_MAX UINT64_C(2000)
#define READING_TRIES 4

static bool id_known(const uint8_t id[16])
{
	static const uint8_t zero[16];

	return memcmp(id, zero, 16) != 0;
}

void clock_init(struct clock *clock, struct env *env, const uint8_t boot_id[16],
		uint64_t time_namespace)
{
	*clock = (struct clock){.env = env, .time_namespace = time_namespace};
	memcpy(clock->boot_id, boot_id, 16);
	ticks_table_init(&clock->table);
	clock_sample(clock);
}

/* The jump is dated to the sample before it: nothing of ours ran while the
 * machine slept, and little between that sample and the sleep. */
static void clock_note_suspend(struct clock *clock, uint64_t since_mono_ns, uint64_t ahead_ns)
{
	uint32_t n = clock->suspend_count;

	if (n && ahead_ns < clock->suspends[n - 1].ahead_ns + SUSPEND_NS_MIN)
		return;
	if (n == CLOCK_SUSPENDS_MAX) {
		memmove(clock->suspends, clock->suspends + 1,
			sizeof clock->suspends - sizeof clock->suspends[0]);
		n--;
	}
	clock->suspends[n] = (struct clock_suspend){n ? since_mono_ns : 0, ahead_ns};
	clock->suspend_count = n + 1;
}

struct reading {
	uint64_t mono_ns, boot_ns, wall_ns, ticks;
};

/* All clocks at one moment: again if we were interrupted in between. */
static struct reading clock_read(struct env *env)
{
	struct reading reading;

	for (int try = 0; try < READING_TRIES; try++) {
		reading.mono_ns = env->ops->mono_ns(env);
		reading.ticks = env->ops->ticks(env);
		reading.boot_ns = env->ops->boot_ns(env);
		reading.wall_ns = env->ops->wall_ns(env);
		if (env->ops->mono_ns(env) - reading.mono_ns <= READING_NS_MAX)
			break;
	}
	return reading;
}

void clock_sample(struct clock *clock)
{
	struct reading reading = clock_read(clock->env);
	uint64_t ahead = 0;

	if (ticks_table_wants(&clock->table, reading.mono_ns))
		ticks_table_add(&clock->table, reading.ticks, reading.mono_ns);
	if (reading.boot_ns > reading.mono_ns + SUSPEND_NS_MIN)
		ahead = reading.boot_ns - reading.mono_ns;
	clock_note_suspend(clock, clock->mono_ns + 1, ahead);
	/* The suspended time as we will add it again, so that the sum is exact. */
	ahead = clock_suspended_ns(clock, reading.mono_ns);
	clock->wall_minus_boot_ns = (int64_t)(reading.wall_ns - reading.mono_ns - ahead);
	clock->mono_ns = reading.mono_ns;
}

static int64_t time_namespace_shift(const struct clock *clock,
				    const struct ring_identity *identity)
{
	uint64_t suspended = clock_suspended_ns(clock, clock->mono_ns);
	uint64_t wall_minus_mono, ring_wall_minus_mono;

	if (!clock->time_namespace || !identity->time_namespace ||
	    clock->time_namespace == identity->time_namespace)
		return 0;
	wall_minus_mono = (uint64_t)clock->wall_minus_boot_ns + suspended;
	ring_wall_minus_mono = identity->anchor_wall_ns - identity->anchor_mono_ns;
	return (int64_t)(wall_minus_mono - ring_wall_minus_mono);
}

void source_clock_init(struct source_clock *source, const struct clock *clock,
		       const struct ring_identity *identity)
{
	bool tsc = identity->clock == WIRE_CLOCK_TSC;
	int64_t shift;

	source->other_boot = id_known(clock->boot_id) && id_known(identity->boot_id) &&
			     memcmp(clock->boot_id, identity->boot_id, 16) != 0;
	source->own_wall_minus_mono_ns =
		(int64_t)(identity->anchor_wall_ns - identity->anchor_mono_ns);
	shift = source->other_boot ? 0 : time_namespace_shift(clock, identity);
	ticks_source_init(&source->ticks, tsc, identity->anchor_ticks, identity->anchor_mono_ns,
			  shift, source->other_boot);
}

uint64_t clock_mono_ns(const struct clock *clock, const struct source_clock *source,
		       uint64_t ticks)
{
	return ticks_mono_ns(&clock->table, &source->ticks, ticks);
}

uint64_t clock_suspended_ns(const struct clock *clock, uint64_t mono_ns)
{
	for (uint32_t i = clock->suspend_count; i > 0; i--)
		if (clock->suspends[i - 1].mono_ns <= mono_ns)
			return clock->suspends[i - 1].ahead_ns;
	return clock->suspend_count ? clock->suspends[0].ahead_ns : 0;
}

uint64_t clock_wall_of_mono(const struct clock *clock, const struct source_clock *source,
			    uint64_t mono_ns, int64_t offset_ns)
{
	int64_t wall;

	if (source->other_boot)
		wall = (int64_t)(mono_ns + (uint64_t)source->own_wall_minus_mono_ns);
	else
		wall = (int64_t)(mono_ns + clock_suspended_ns(clock, mono_ns) +
				 (uint64_t)offset_ns);
	return wall > 0 ? (uint64_t)wall : 0;
}

uint64_t clock_wall_ns(const struct clock *clock, const struct source_clock *source,
		       uint64_t ticks, int64_t offset_ns)
{
	return clock_wall_of_mono(clock, source, clock_mono_ns(clock, source, ticks),
				  offset_ns);
}
