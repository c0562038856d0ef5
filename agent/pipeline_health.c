/* Whether the pipeline works, and how old what waits in it is. An age counts from
 * when something could have gone on, not from the last success of anybody: a
 * silent agent is not an unhealthy one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "otlp/pb.h"
#include "pipeline_view.h"

/* Beyond these the agent is not ready. README.md names them. */
#define TURN_LIMIT_NS UINT64_C(10000000000)
#define UNDRAINED_LIMIT_NS UINT64_C(5000000000)
#define UNLOGGED_LIMIT_NS UINT64_C(5000000000)
#define UNSYNCED_LIMIT_NS UINT64_C(10000000000)
#define UNARCHIVED_LIMIT_NS UINT64_C(60000000000)
#define UNSENT_LIMIT_NS UINT64_C(300000000000)

#define OTLP_SPAN_END_TIME 8 /* field of opentelemetry.proto.trace.v1.Span */

/* ---- ages -------------------------------------------------------------------- */

void pipeline_note_times(struct pipeline *p, uint64_t now_ns)
{
	uint64_t last = wal_last_span_number(p->wal), done = last;

	if (last > p->timed_number)
		span_times_note(&p->times, p->timed_number + 1, (int64_t)now_ns);
	p->timed_number = last;
	for (uint32_t i = 0; i < p->destination_count; i++)
		if (destination_done(&p->destinations[i]) < done)
			done = destination_done(&p->destinations[i]);
	if (p->archive && archive_mark(p->archive) < done)
		done = archive_mark(p->archive);
	span_times_forget(&p->times, done + 1);
}

static uint64_t span_end_ns(struct bytes span)
{
	struct pb_reader reader = pb_read(span);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == OTLP_SPAN_END_TIME && field.wire == PB_FIXED64)
			return field.value;
	return 0;
}

void pipeline_note_recovered(struct pipeline *p, const struct finished_span *span)
{
	int64_t now_ns = (int64_t)p->env->ops->mono_ns(p->env);
	int64_t age_ns = (int64_t)(p->env->ops->wall_ns(p->env) - span_end_ns(span->span));

	/* A clock that was set back since then makes nothing younger than new. */
	span_times_note(&p->times, span->number, now_ns - (age_ns > 0 ? age_ns : 0));
	p->timed_number = span->number;
}

static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
	return then_ns && now_ns > then_ns ? now_ns - then_ns : 0;
}

/* Of the first span behind the last that is done with. */
uint64_t pipeline_age_behind(const struct pipeline *p, uint64_t done)
{
	if (done >= wal_last_span_number(p->wal))
		return 0;
	return span_times_age(&p->times, done + 1, (int64_t)p->env->ops->mono_ns(p->env));
}

uint64_t pipeline_oldest_unsent_ns(const struct pipeline *p,
				   const struct destination *destination)
{
	return pipeline_age_behind(p, destination_done(destination));
}

void pipeline_ages(const struct pipeline *p, struct age_view *ret_ages)
{
	uint64_t now_ns = p->env->ops->mono_ns(p->env);
	const struct condition_state *failing = &p->conditions.of[CONDITION_LOG_WRITE_FAILING];

	*ret_ages = (struct age_view){
		.undrained_ns = since(now_ns, drain_behind_since_ns(p->drain)),
		.unlogged_ns = failing->raised ? since(now_ns, failing->since_mono_ns) : 0,
		.unsynced_ns = since(now_ns, wal_unsynced_since_ns(p->wal)),
		.unarchived_ns =
			p->archive ? pipeline_age_behind(p, archive_mark(p->archive)) : 0,
		.last_sync_ns = since(now_ns, wal_synced_ns(p->wal)),
		.last_turn_ns = since(now_ns, p->turned_ns),
	};
}

/* ---- checks ------------------------------------------------------------------- */

struct report {
	struct buf *out;
	struct buf lines;
	bool failed, degraded;
};

static void put_age(struct buf *out, uint64_t ns)
{
	(void)buf_printf(out, "%" PRIu64 ".%" PRIu64 " s", ns / 1000000000,
			 ns / 100000000 % 10);
}

static void check_age(struct report *report, const char *name, uint64_t age_ns,
		      uint64_t limit_ns, const char *help)
{
	bool failed = age_ns > limit_ns;

	(void)buf_printf(&report->lines, "%-8s %-20s ", failed ? "fail" : "ok", name);
	put_age(&report->lines, age_ns);
	(void)buf_append_text(&report->lines, " of at most ");
	put_age(&report->lines, limit_ns);
	if (failed)
		(void)buf_printf(&report->lines, ": %s", help);
	(void)buf_append_byte(&report->lines, '\n');
	report->failed |= failed;
}

static void check_destination(struct report *report, const struct pipeline *p,
			      const struct destination *destination)
{
	char name[32];

	(void)snprintf(name, sizeof name, "unsent %s", destination->name);
	check_age(report, name, pipeline_oldest_unsent_ns(p, destination), UNSENT_LIMIT_NS,
		  "the collector does not take spans; they wait in the log");
}

/* What the agent bears is said, and is no failure as long as nothing gets old. */
static void put_conditions(struct report *report, const struct pipeline *p)
{
	for (int i = 0; i < CONDITIONS; i++) {
		const struct condition_state *state = &p->conditions.of[i];

		if (!state->raised)
			continue;
		report->degraded = true;
		(void)buf_printf(&report->lines, "%-8s %-20s ", "degraded", condition_name(i));
		put_age(&report->lines,
			since(p->env->ops->mono_ns(p->env), state->since_mono_ns));
		(void)buf_printf(&report->lines, ": %s\n", state->text);
	}
}

static int report_end(struct report *report, const char *good, const char *bad)
{
	bool failed = report->failed || buf_failed(&report->lines);

	(void)buf_printf(report->out, "%s%s\n\n", failed ? bad : good,
			 report->degraded ? ", degraded" : "");
	(void)buf_append(report->out, report->lines.at, report->lines.len);
	buf_fini(&report->lines);
	if (buf_failed(report->out))
		return -ENOMEM;
	return failed ? 503 : 200;
}

int pipeline_live(struct pipeline *p, struct buf *out)
{
	struct report report = {.out = out, .lines = BUF_INIT};
	struct age_view ages;

	pipeline_ages(p, &ages);
	check_age(&report, "last turn", ages.last_turn_ns, TURN_LIMIT_NS,
		  "the agent's loop stands still");
	(void)buf_printf(&report.lines, "%-8s %-20s %" PRIu64 "\n", "ok", "turns", p->turns);
	return report_end(&report, "live", "not live");
}

int pipeline_ready(struct pipeline *p, struct buf *out)
{
	struct report report = {.out = out, .lines = BUF_INIT};
	struct age_view ages;

	pipeline_ages(p, &ages);
	/* Nothing is served before recovery is over. */
	(void)buf_printf(&report.lines, "%-8s recovered\n", "ok");
	if (p->stopping) {
		(void)buf_printf(&report.lines, "%-8s stopping\n", "fail");
		report.failed = true;
	}
	check_age(&report, "undrained", ages.undrained_ns, UNDRAINED_LIMIT_NS,
		  "rings fill up; the log may be full, see below");
	check_age(&report, "unlogged", ages.unlogged_ns, UNLOGGED_LIMIT_NS,
		  "the log cannot be written; free some space or check the disk");
	check_age(&report, "unsynced", ages.unsynced_ns, UNSYNCED_LIMIT_NS,
		  "the log cannot be synced; check the disk");
	if (p->archive)
		check_age(&report, "unarchived", ages.unarchived_ns, UNARCHIVED_LIMIT_NS,
			  "the archive directory takes nothing; see archive.dir");
	for (uint32_t i = 0; i < p->destination_count; i++)
		check_destination(&report, p, &p->destinations[i]);
	put_conditions(&report, p);
	return report_end(&report, "ready", "not ready");
}
