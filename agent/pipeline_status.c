/* The pipeline's state as JSON: what `spanring status` shows and scripts read.
 * Names are stable; members are only added. The numbers come from the tables of
 * pipeline_view.c; no attribute values are in it. */
#include <errno.h>
#include <unistd.h>

#include "base/env_linux.h"
#include "pipeline_ledger_view.h"
#include "pipeline_view.h"
#include "serve/json_object.h"
#include "wire/abi.h"

#define OPEN_SPANS_SHOWN 200
#define RINGS_SHOWN 1000

static void numbers(struct json_writer *w, const struct view_part *part)
{
	for (int i = 0; i < VIEW_SOURCES_MAX && part->sources[i].table; i++)
		if (part->sources[i].table != &drain_refused_table)
			json_counters(w, part->sources[i].table, part->sources[i].counters);
}

/* A part that is nothing but its numbers. */
static void plain_part(struct json_writer *w, const struct pipeline_view *view,
		       const char *name)
{
	const struct view_part *part = pipeline_view_part(view, name, 0);

	if (!part)
		return;
	json_open(w, name, '{');
	numbers(w, part);
	json_close(w, '}');
}

static void agent_part(struct json_writer *w, struct pipeline *p)
{
	json_open(w, "agent", '{');
	json_text(w, "version", bytes_of(SPANRING_VERSION));
	json_number(w, "pid", (uint64_t)getpid());
	json_number(w, "started_unix_nano", p->started_wall_ns);
	json_number(w, "now_unix_nano", p->env->ops->wall_ns(p->env));
	json_text(w, "ring_dir", bytes_of(p->options->ring_dir));
	json_text(w, "state_dir", bytes_of(p->options->state_dir));
	json_text(w, "archive_dir",
		  bytes_of(p->options->archive_enabled ? p->options->archive_dir : ""));
	json_text(w, "io", bytes_of(env_linux_uses_uring(p->env) ? "io_uring" : "thread"));
	json_text(w, "open", bytes_of(env_linux_uses_openat2(p->env) ? "openat2" : "openat"));
	json_truth(w, "stopping", p->stopping);
	json_number(w, "reloads", p->reloads);
	json_number(w, "reload_failures", p->reload_failures);
	json_close(w, '}');
}

/* What is wrong now; empty when all is well. */
static void conditions_part(struct json_writer *w, struct pipeline *p)
{
	json_open(w, "conditions", '[');
	for (int i = 0; i < CONDITIONS; i++) {
		const struct condition_state *state = &p->conditions.of[i];

		if (!state->raised)
			continue;
		json_open(w, NULL, '{');
		json_text(w, "name", bytes_of(condition_name(i)));
		json_number(w, "since_unix_nano", state->since_wall_ns);
		json_text(w, "text", bytes_of(state->text));
		json_close(w, '}');
	}
	json_close(w, ']');
}

/* Most processes are refused nothing, so only what happened is told. */
static void refused_part(struct json_writer *w, const uint64_t *refused)
{
	const struct counter_table *table = &drain_refused_table;

	json_open(w, "refused", '{');
	for (size_t i = 0; i < table->count; i++)
		if (counter_value(&table->rows[i], refused))
			json_number(w, table->rows[i].key,
				    counter_value(&table->rows[i], refused));
	json_close(w, '}');
}

static void ring_part(struct json_writer *w, const struct ring_identity *identity,
		      const struct drain_ring_counters *counters, bool alive)
{
	json_open(w, NULL, '{');
	json_hex(w, "instance", identity->instance, 16);
	json_number(w, "pid", identity->pid);
	json_number(w, "uid", identity->uid);
	json_truth(w, "alive", alive);
	json_text(w, "clock",
		  bytes_of(identity->clock == WIRE_CLOCK_TSC ? "tsc" : "monotonic"));
	json_counters(w, &drain_ring_counter_table, counters);
	refused_part(w, counters->refused);
	json_close(w, '}');
}

static void rings_part(struct json_writer *w, struct pipeline *p)
{
	struct ring_identity identity;
	struct drain_ring_counters counters;
	uint32_t shown = 0;
	bool alive;

	json_open(w, "rings", '[');
	for (uint32_t i = 0; i < drain_ring_count(p->drain) && shown < RINGS_SHOWN; i++) {
		if (!drain_ring(p->drain, i, &identity, &counters, &alive))
			continue;
		ring_part(w, &identity, &counters, alive);
		shown++;
	}
	json_close(w, ']');
}

struct open_walk {
	struct json_writer *writer;
	uint64_t now_ns;
};

static void open_span(void *arg, const struct open_span_view *view)
{
	struct open_walk *walk = arg;
	struct json_writer *w = walk->writer;

	json_open(w, NULL, '{');
	json_hex(w, "trace_id", view->trace_id, 16);
	json_hex(w, "span_id", view->span_id, 8);
	json_text(w, "name", view->name);
	json_number(w, "pid", view->pid);
	json_number(w, "age_ns",
		    walk->now_ns > view->start_wall_ns ? walk->now_ns - view->start_wall_ns
						       : 0);
	json_close(w, '}');
}

static void open_spans_part(struct json_writer *w, struct pipeline *p)
{
	struct open_walk walk = {w, p->env->ops->wall_ns(p->env)};

	json_open(w, "open_spans", '[');
	assemble_each_open(p->assemble, OPEN_SPANS_SHOWN, open_span, &walk);
	json_close(w, ']');
}

static void drain_part(struct json_writer *w, struct pipeline *p,
		       const struct pipeline_view *view)
{
	json_open(w, "drain", '{');
	numbers(w, pipeline_view_part(view, "drain", 0));
	/* Of dead processes: the living have theirs in their ring. */
	refused_part(w, drain_counters(p->drain)->refused);
	json_close(w, '}');
}

static void all_rings_part(struct json_writer *w, const struct pipeline_view *view)
{
	json_open(w, "all_rings", '{');
	numbers(w, pipeline_view_part(view, "all_rings", 0));
	refused_part(w, view->rings.refused);
	json_close(w, '}');
}

static void export_part(struct json_writer *w, struct pipeline *p,
			const struct pipeline_view *view)
{
	json_open(w, "export", '[');
	for (uint32_t i = 0; i < p->destination_count; i++) {
		const struct destination *destination = &p->destinations[i];

		json_open(w, NULL, '{');
		json_text(w, "name", bytes_of(destination->name));
		json_text(w, "authority", bytes_of(destination->options.endpoint.authority));
		numbers(w, pipeline_view_part(view, "export", i));
		json_text(w, "last_error", bytes_of(destination->export.last_error));
		json_close(w, '}');
	}
	json_close(w, ']');
}

/* By rule, those that are used. */
static void redact_part(struct json_writer *w, struct pipeline *p,
			const struct pipeline_view *view)
{
	const char *name;
	uint64_t hits;
	bool used;

	json_open(w, "redact", '{');
	numbers(w, pipeline_view_part(view, "redact", 0));
	json_open(w, "rules", '{');
	for (uint32_t i = 0; redact_rule_view(&p->redact, i, &name, &hits, &used); i++)
		if (used)
			json_number(w, name, hits);
	json_close(w, '}');
	json_close(w, '}');
}

static void sealed_part(struct json_writer *w, const struct sealed_run *run)
{
	json_open(w, NULL, '{');
	json_hex(w, "trace_id", run->trace_id, 16);
	json_text(w, "path", bytes_of(run->path));
	json_number(w, "spans", run->spans);
	json_truth(w, "complete", run->complete);
	json_close(w, '}');
}

static void archive_part(struct json_writer *w, struct pipeline *p,
			 const struct pipeline_view *view)
{
	const struct view_part *part = pipeline_view_part(view, "archive", 0);
	uint64_t first = p->sealed_count > PIPELINE_SEALED_KEPT
				 ? p->sealed_count - PIPELINE_SEALED_KEPT
				 : 0;

	if (!part)
		return;
	json_open(w, "archive", '{');
	numbers(w, part);
	json_open(w, "newest", '[');
	for (uint64_t i = first; i < p->sealed_count; i++)
		sealed_part(w, &p->sealed[i % PIPELINE_SEALED_KEPT]);
	json_close(w, ']');
	json_close(w, '}');
}

int pipeline_status(struct pipeline *p, struct buf *out)
{
	struct json_writer w = {out, false};
	struct pipeline_view view;

	pipeline_view(p, &view);
	json_open(&w, NULL, '{');
	agent_part(&w, p);
	conditions_part(&w, p);
	rings_part(&w, p);
	open_spans_part(&w, p);
	drain_part(&w, p, &view);
	all_rings_part(&w, &view);
	plain_part(&w, &view, "ages");
	plain_part(&w, &view, "records");
	plain_part(&w, &view, "spans");
	plain_part(&w, &view, "limits");
	plain_part(&w, &view, "receive");
	plain_part(&w, &view, "log");
	redact_part(&w, p, &view);
	export_part(&w, p, &view);
	archive_part(&w, p, &view);
	pipeline_ledger_json(&w, p, &view);
	json_close(&w, '}');
	(void)buf_append_byte(out, '\n');
	return buf_failed(out) ? -ENOMEM : 0;
}
