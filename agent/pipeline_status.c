/* The pipeline's state as JSON: what `spanring status` shows and scripts read.
 * Names are stable; members are only added. No attribute values are in it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/env_linux.h"
#include "otlp/json_text.h"
#include "pipeline.h"
#include "wire/abi.h"

#define OPEN_SPANS_SHOWN 200
#define RINGS_SHOWN 1000

/* Writes commas between members, so that no member must know its neighbour. */
struct writer {
	struct buf *out;
	bool first;
};

static void comma(struct writer *w)
{
	if (!w->first)
		(void)buf_append_byte(w->out, ',');
	w->first = false;
}

static void name(struct writer *w, const char *key)
{
	comma(w);
	if (key)
		(void)buf_printf(w->out, "\"%s\":", key);
}

static void open_with(struct writer *w, const char *key, char bracket)
{
	name(w, key);
	(void)buf_append_byte(w->out, (uint8_t)bracket);
	w->first = true;
}

static void close_with(struct writer *w, char bracket)
{
	(void)buf_append_byte(w->out, (uint8_t)bracket);
	w->first = false;
}

static void number(struct writer *w, const char *key, uint64_t value)
{
	name(w, key);
	(void)buf_printf(w->out, "%" PRIu64, value);
}

static void truth(struct writer *w, const char *key, bool value)
{
	name(w, key);
	(void)buf_append_text(w->out, value ? "true" : "false");
}

static void text(struct writer *w, const char *key, struct bytes value)
{
	name(w, key);
	json_text_string(w->out, value);
}

static void hex(struct writer *w, const char *key, const uint8_t *at, size_t len)
{
	name(w, key);
	(void)buf_append_byte(w->out, '"');
	for (size_t i = 0; i < len; i++)
		(void)buf_printf(w->out, "%02x", at[i]);
	(void)buf_append_byte(w->out, '"');
}

/* ---- parts ------------------------------------------------------------------ */

static void agent_part(struct writer *w, struct pipeline *p)
{
	open_with(w, "agent", '{');
	text(w, "version", bytes_of(SPANRING_VERSION));
	number(w, "pid", (uint64_t)getpid());
	number(w, "started_unix_nano", p->started_wall_ns);
	number(w, "now_unix_nano", p->env->ops->wall_ns(p->env));
	text(w, "ring_dir", bytes_of(p->options->ring_dir));
	text(w, "state_dir", bytes_of(p->options->state_dir));
	text(w, "archive_dir",
	     bytes_of(p->options->archive_enabled ? p->options->archive_dir : ""));
	text(w, "io", bytes_of(env_linux_uses_uring(p->env) ? "io_uring" : "thread"));
	truth(w, "stopping", p->stopping);
	close_with(w, '}');
}

/* What is wrong now; empty when all is well. */
static void conditions_part(struct writer *w, struct pipeline *p)
{
	open_with(w, "conditions", '[');
	for (int i = 0; i < CONDITIONS; i++) {
		const struct condition_state *state = &p->conditions.of[i];

		if (!state->raised)
			continue;
		open_with(w, NULL, '{');
		text(w, "name", bytes_of(condition_name(i)));
		number(w, "since_unix_nano", state->since_wall_ns);
		text(w, "text", bytes_of(state->text));
		close_with(w, '}');
	}
	close_with(w, ']');
}

static const char *const refusals[WIRE_REFUSED_COUNT] = {
	"ring_full", "too_large", "no_memory", "reentrant",
	"inherited", "invalid",	  "limit",     "end_lost",
};

static void refused_part(struct writer *w, const uint64_t *refused)
{
	open_with(w, "refused", '{');
	for (int i = 0; i < WIRE_REFUSED_COUNT; i++)
		if (refused[i])
			number(w, refusals[i], refused[i]);
	close_with(w, '}');
}

static void ring_part(struct writer *w, const struct ring_identity *identity,
		      const struct drain_ring_counters *counters, bool alive)
{
	open_with(w, NULL, '{');
	hex(w, "instance", identity->instance, 16);
	number(w, "pid", identity->pid);
	number(w, "uid", identity->uid);
	truth(w, "alive", alive);
	text(w, "clock", bytes_of(identity->clock == WIRE_CLOCK_TSC ? "tsc" : "monotonic"));
	number(w, "written", counters->written);
	number(w, "drained", counters->drained);
	number(w, "held", counters->held);
	number(w, "dropped_abandoned", counters->dropped_abandoned);
	number(w, "dropped_damaged", counters->dropped_damaged);
	number(w, "dropped_too_large", counters->dropped_too_large);
	number(w, "bytes", counters->bytes);
	refused_part(w, counters->refused);
	close_with(w, '}');
}

static void rings_part(struct writer *w, struct pipeline *p)
{
	struct ring_identity identity;
	struct drain_ring_counters counters;
	uint32_t shown = 0;
	bool alive;

	open_with(w, "rings", '[');
	for (uint32_t i = 0; i < drain_ring_count(p->drain) && shown < RINGS_SHOWN; i++) {
		if (!drain_ring(p->drain, i, &identity, &counters, &alive))
			continue;
		ring_part(w, &identity, &counters, alive);
		shown++;
	}
	close_with(w, ']');
}

struct open_walk {
	struct writer *writer;
	uint64_t now_ns;
};

static void open_span(void *arg, const struct open_span_view *view)
{
	struct open_walk *walk = arg;
	struct writer *w = walk->writer;

	open_with(w, NULL, '{');
	hex(w, "trace_id", view->trace_id, 16);
	hex(w, "span_id", view->span_id, 8);
	text(w, "name", view->name);
	number(w, "pid", view->pid);
	number(w, "age_ns",
	       walk->now_ns > view->start_wall_ns ? walk->now_ns - view->start_wall_ns : 0);
	close_with(w, '}');
}

static void open_spans_part(struct writer *w, struct pipeline *p)
{
	struct open_walk walk = {w, p->env->ops->wall_ns(p->env)};

	open_with(w, "open_spans", '[');
	assemble_each_open(p->assemble, OPEN_SPANS_SHOWN, open_span, &walk);
	close_with(w, ']');
}

static void drain_part(struct writer *w, struct pipeline *p)
{
	const struct drain_counters *counters = drain_counters(p->drain);

	open_with(w, "drain", '{');
	number(w, "rings_seen", counters->rings_seen);
	number(w, "rings_dead", counters->rings_dead);
	number(w, "rings_quarantined", counters->rings_quarantined);
	number(w, "rings_ignored", counters->rings_ignored);
	number(w, "blocks_returned", counters->blocks_returned);
	number(w, "bytes", counters->bytes);
	/* Of dead processes: the living have theirs in their ring. */
	refused_part(w, counters->refused);
	close_with(w, '}');
}

static void log_part(struct writer *w, struct pipeline *p)
{
	const struct wal_counters *counters = wal_counters(p->wal);

	open_with(w, "log", '{');
	number(w, "bytes", wal_bytes(p->wal));
	number(w, "bytes_max", wal_max_bytes(p->wal));
	number(w, "last_span_number", wal_last_span_number(p->wal));
	number(w, "frames", counters->frames);
	number(w, "commits", counters->commits);
	number(w, "commit_failures", counters->commit_failures);
	number(w, "syncs", counters->syncs);
	number(w, "sync_failures", counters->sync_failures);
	number(w, "damaged_frames", counters->damaged_frames);
	number(w, "corrupt_segments", counters->corrupt_segments);
	number(w, "segments_deleted", counters->segments_deleted);
	truth(w, "failing", condition_is_raised(&p->conditions, CONDITION_LOG_WRITE_FAILING));
	close_with(w, '}');
}

/* The ledger of records, each term counted where it happens. */
static void records_part(struct writer *w, struct pipeline *p)
{
	const struct assemble_counters *counters = assemble_counters(p->assemble);

	open_with(w, "records", '{');
	number(w, "handed_in", counters->records);
	number(w, "applied", counters->applied);
	number(w, "parked", counters->parked);
	number(w, "dropped_late", counters->dropped_late);
	number(w, "dropped_unknown_type", counters->dropped_unknown_type);
	number(w, "dropped_damaged", counters->dropped_damaged);
	number(w, "dropped_limit", counters->dropped_limit);
	number(w, "dropped_duplicate_start", counters->dropped_duplicate_start);
	close_with(w, '}');
}

static void spans_part(struct writer *w, struct pipeline *p)
{
	const struct assemble_counters *counters = assemble_counters(p->assemble);

	open_with(w, "spans", '{');
	number(w, "started", counters->started);
	number(w, "finished", counters->finished);
	number(w, "open", counters->open);
	number(w, "closed_by_death", counters->closed_by_death);
	number(w, "end_lost", counters->end_lost);
	number(w, "dropped_invalid", counters->dropped_invalid);
	number(w, "memory_bytes", counters->memory_bytes);
	number(w, "spilled_bytes", counters->spilled_bytes);
	number(w, "runs", counters->runs);
	number(w, "runs_over", counters->runs_over);
	close_with(w, '}');
}

static void destination_part(struct writer *w, const struct destination *destination,
			     uint64_t last)
{
	const struct export_counters *counters = &destination->export.counters;

	open_with(w, NULL, '{');
	text(w, "name", bytes_of(destination->name));
	text(w, "authority", bytes_of(destination->options.endpoint.authority));
	truth(w, "connected", export_connected(&destination->export));
	number(w, "finished", last - destination->first_number);
	number(w, "unsent", last - destination_done(destination));
	number(w, "pushed", counters->pushed);
	number(w, "sent", counters->sent);
	number(w, "waiting",
	       export_waiting(&destination->export) + (last - destination->pushed_number));
	number(w, "rejected", counters->rejected_partial + counters->rejected_status);
	number(w, "dropped_too_large", counters->dropped_too_large);
	number(w, "dropped_backlog", destination->dropped_backlog);
	number(w, "requests", counters->requests);
	number(w, "retries", counters->retries);
	number(w, "connects", counters->connects);
	text(w, "last_error", bytes_of(destination->export.last_error));
	close_with(w, '}');
}

static void export_part(struct writer *w, struct pipeline *p)
{
	open_with(w, "export", '[');
	for (uint32_t i = 0; i < p->destination_count; i++)
		destination_part(w, &p->destinations[i], wal_last_span_number(p->wal));
	close_with(w, ']');
}

static void archive_part(struct writer *w, struct pipeline *p)
{
	const struct archive_counters *counters;

	if (!p->archive)
		return;
	counters = archive_counters(p->archive);
	open_with(w, "archive", '{');
	number(w, "spans", counters->spans);
	number(w, "archived", counters->archived);
	number(w, "waiting", counters->waiting);
	number(w, "dropped_filtered", counters->dropped_filtered);
	number(w, "dropped_invalid", counters->dropped_invalid);
	number(w, "dropped_lost", counters->dropped_lost);
	number(w, "recovered", counters->recovered);
	number(w, "repeated", counters->repeated);
	number(w, "open_runs", counters->open_runs);
	number(w, "sealed", counters->sealed);
	number(w, "reopened", counters->reopened);
	number(w, "kept_aside", counters->kept_aside);
	number(w, "failures", counters->failures);
	open_with(w, "newest", '[');
	for (uint64_t i = p->sealed_count > PIPELINE_SEALED_KEPT
				  ? p->sealed_count - PIPELINE_SEALED_KEPT
				  : 0;
	     i < p->sealed_count; i++) {
		const struct sealed_run *run = &p->sealed[i % PIPELINE_SEALED_KEPT];

		open_with(w, NULL, '{');
		hex(w, "trace_id", run->trace_id, 16);
		text(w, "path", bytes_of(run->path));
		number(w, "spans", run->spans);
		truth(w, "complete", run->complete);
		close_with(w, '}');
	}
	close_with(w, ']');
	close_with(w, '}');
}

int pipeline_status(struct pipeline *p, struct buf *out)
{
	struct writer w = {out, true};

	open_with(&w, NULL, '{');
	agent_part(&w, p);
	conditions_part(&w, p);
	rings_part(&w, p);
	open_spans_part(&w, p);
	drain_part(&w, p);
	records_part(&w, p);
	spans_part(&w, p);
	log_part(&w, p);
	export_part(&w, p);
	archive_part(&w, p);
	close_with(&w, '}');
	(void)buf_append_byte(out, '\n');
	return buf_failed(out) ? -ENOMEM : 0;
}
