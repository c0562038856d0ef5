#include "base/ticks.h"

#include <string.h>

/* No machine we run on counts slower than 50 MHz or faster than 10 GHz. */
#define SLOPE_MIN 0.1
#define SLOPE_MAX 20.0

/* A disagreement of a whole millisecond within one interval is no drift. */
#define STEP_NS 1000000.0

#define MONO_NS_MAX ((double)INT64_MAX)

void ticks_table_init(struct ticks_table *table)
{
	memset(table, 0, sizeof *table);
	table->interval_ns = TICKS_INTERVAL_NS_MIN;
}

bool ticks_table_wants(const struct ticks_table *table, uint64_t mono_ns)
{
	return table->count == 0 || mono_ns - table->sample_mono_ns >= table->interval_ns;
}

static double slope_between(uint64_t ticks0, uint64_t mono0, uint64_t ticks1, uint64_t mono1)
{
	return (double)(mono1 - mono0) / (double)(ticks1 - ticks0);
}

static bool slope_sane(double slope)
{
	return slope >= SLOPE_MIN && slope <= SLOPE_MAX;
}

/* mono + distance * slope for ticks on either side of the knot. */
static uint64_t line_at(uint64_t knot_ticks, uint64_t knot_mono, double slope, uint64_t ticks)
{
	double mono;

	if (ticks >= knot_ticks) {
		mono = (double)(ticks - knot_ticks) * slope;
		if (mono >= MONO_NS_MAX - (double)knot_mono)
			return (uint64_t)INT64_MAX;
		return knot_mono + (uint64_t)mono;
	}
	mono = (double)(knot_ticks - ticks) * slope;
	if (mono >= (double)knot_mono)
		return 0;
	return knot_mono - (uint64_t)mono;
}

/* Drops every second knot of the older half. The kept ones lie on the same
 * nearly straight line; their slopes are made anew to stay continuous. */
static void table_thin(struct ticks_table *table)
{
	uint32_t half = TICKS_KNOTS_MAX / 2, kept = 0;

	for (uint32_t i = 0; i < table->count; i++)
		if (i >= half || i % 2 == 0)
			table->knots[kept++] = table->knots[i];
	table->count = kept;
	for (uint32_t i = 0; i + 1 < kept; i++) {
		struct ticks_knot *knot = &table->knots[i];

		knot->slope = slope_between(knot->ticks, knot->mono_ns, knot[1].ticks,
					    knot[1].mono_ns);
	}
}

static void table_knot(struct ticks_table *table, uint64_t ticks, uint64_t mono_ns,
		       double slope)
{
	if (table->count == TICKS_KNOTS_MAX)
		table_thin(table);
	table->knots[table->count++] = (struct ticks_knot){ticks, mono_ns, slope};
}

/* The slope from a knot on the old line towards where the clock will be: after
 * a second, or after as long as the last interval was if that was longer. A
 * shorter run would make much of the jitter of one reading. */
static double slope_to_meet(const struct ticks_table *table, uint64_t line_ns, uint64_t mono_ns,
			    double measured)
{
	uint64_t run = mono_ns - table->sample_mono_ns;
	double ahead = (double)(int64_t)(mono_ns - line_ns), slope;

	if (run < TICKS_INTERVAL_NS_MAX)
		run = TICKS_INTERVAL_NS_MAX;
	slope = measured * (1.0 + ahead / (double)run);
	return slope < SLOPE_MIN ? SLOPE_MIN : slope > SLOPE_MAX ? SLOPE_MAX : slope;
}

/* The two clocks disagree by more than drift explains: a suspend during which
 * the TSC went on, or a machine that was moved. Nobody knows when within the
 * interval it happened, so the interval becomes one straight line. */
static void table_step(struct ticks_table *table, uint64_t ticks, uint64_t mono_ns)
{
	struct ticks_knot *last = &table->knots[table->count - 1];
	double slope = last->slope;

	if (mono_ns < last->mono_ns)
		mono_ns = last->mono_ns;
	last->slope = slope_between(last->ticks, last->mono_ns, ticks, mono_ns);
	table_knot(table, ticks, mono_ns, slope);
}

static void table_extend(struct ticks_table *table, uint64_t ticks, uint64_t mono_ns,
			 double measured)
{
	const struct ticks_knot *last = &table->knots[table->count - 1];
	uint64_t line_ns = line_at(last->ticks, last->mono_ns, last->slope, ticks);
	double error = (double)(int64_t)(mono_ns - line_ns);

	if (!slope_sane(measured) || error > STEP_NS || error < -STEP_NS)
		table_step(table, ticks, mono_ns);
	else
		table_knot(table, ticks, line_ns,
			   slope_to_meet(table, line_ns, mono_ns, measured));
}

void ticks_table_add(struct ticks_table *table, uint64_t ticks, uint64_t mono_ns)
{
	double measured;

	if (ticks == 0)
		return;
	if (table->count == 0) {
		table_knot(table, ticks, mono_ns, 1.0);
		goto sampled;
	}
	if (ticks <= table->sample_ticks || mono_ns <= table->sample_mono_ns) {
		table->refused++;
		return;
	}
	measured = slope_between(table->sample_ticks, table->sample_mono_ns, ticks, mono_ns);
	if (!table->sloped && !slope_sane(measured)) {
		table->refused++;
		return;
	}
	if (table->interval_ns < TICKS_INTERVAL_NS_MAX)
		table->interval_ns *= 2;
	if (table->sloped) {
		table_extend(table, ticks, mono_ns, measured);
	} else {
		table->knots[0].slope = measured;
		table->sloped = true;
		table_knot(table, ticks, mono_ns, measured);
	}
sampled:
	table->sample_ticks = ticks;
	table->sample_mono_ns = mono_ns;
}

void ticks_source_init(struct ticks_source *source, bool tsc, uint64_t anchor_ticks,
		       uint64_t anchor_mono_ns, int64_t shift_ns, bool other_boot)
{
	*source = (struct ticks_source){
		.tsc = tsc,
		.other_boot = other_boot,
		.anchor_ticks = anchor_ticks,
		.anchor_mono_ns = anchor_mono_ns - (uint64_t)shift_ns,
		.shift_ns = shift_ns,
	};
}

/* Before the agent's first sample: the ring's own anchor, if a line from it to
 * that sample runs about as the clock does; else the first line backwards. */
static uint64_t before_table(const struct ticks_table *table, const struct ticks_source *source,
			     uint64_t ticks)
{
	const struct ticks_knot *first = &table->knots[0];
	double slope = first->slope, own;

	if (source->anchor_ticks < first->ticks && source->anchor_mono_ns < first->mono_ns) {
		own = slope_between(source->anchor_ticks, source->anchor_mono_ns, first->ticks,
				    first->mono_ns);
		if (slope_sane(own) &&
		    (!table->sloped || (own > slope * 0.99 && own < slope * 1.01)))
			slope = own;
	}
	return line_at(first->ticks, first->mono_ns, slope, ticks);
}

/* The last knot at or before `ticks`, which is not before the first one. */
static const struct ticks_knot *table_knot_at(const struct ticks_table *table, uint64_t ticks)
{
	uint32_t low = 0, high = table->count;

	/* Nearly every question is about the last seconds. */
	if (ticks >= table->knots[high - 1].ticks)
		return &table->knots[high - 1];
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (table->knots[middle].ticks <= ticks)
			low = middle;
		else
			high = middle;
	}
	return &table->knots[low];
}

static uint64_t within_table(const struct ticks_table *table, uint64_t ticks)
{
	const struct ticks_knot *knot = table_knot_at(table, ticks);
	uint64_t mono = line_at(knot->ticks, knot->mono_ns, knot->slope, ticks);

	/* After thinning or a step two lines may not meet exactly. */
	if (knot != &table->knots[table->count - 1] && mono > knot[1].mono_ns)
		mono = knot[1].mono_ns;
	return mono;
}

static uint64_t shifted(uint64_t ticks, int64_t shift_ns)
{
	if (ticks > (uint64_t)INT64_MAX)
		ticks = (uint64_t)INT64_MAX;
	if (shift_ns >= 0)
		return ticks > (uint64_t)shift_ns ? ticks - (uint64_t)shift_ns : 0;
	ticks += (uint64_t) - (shift_ns + 1) + 1;
	return ticks > (uint64_t)INT64_MAX ? (uint64_t)INT64_MAX : ticks;
}

uint64_t ticks_mono_ns(const struct ticks_table *table, const struct ticks_source *source,
		       uint64_t ticks)
{
	if (!source->tsc)
		return shifted(ticks, source->shift_ns);
	if (table->count == 0)
		return source->anchor_mono_ns;
	if (source->other_boot)
		return line_at(source->anchor_ticks, source->anchor_mono_ns,
			       table->knots[table->count - 1].slope, ticks);
	if (ticks < table->knots[0].ticks)
		return before_table(table, source, ticks);
	return within_table(table, ticks);
}
