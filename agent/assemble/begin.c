/* A span that has its START begins: it gets its run, and a new run its name. */
#include <errno.h>

#include "assemble/stage.h"
#include "wire/record.h"

static uint64_t start_wall_ns(const struct assemble *a, const struct open_span *span)
{
	const struct source *source = span->source;

	if (span->flags & SPAN_WALL_TIME)
		return span->start_ticks;
	if (!source->identified)
		return a->clock.mono_ns + (uint64_t)span->run->offset_ns;
	return clock_wall_ns(&a->clock, &source->clock, span->start_ticks,
			     span->run->offset_ns);
}

void begin_leave_run(struct assemble *a, struct source *source)
{
	struct trace_run *run;

	if (!source->writes)
		return;
	source->writes = false;
	run = trace_run_find(&a->runs, source->writes_of);
	if (run)
		trace_run_writer_left(&a->runs, run);
}

static void enter_run(struct assemble *a, struct source *source, struct trace_run *run)
{
	if (source->writes && memcmp(source->writes_of, run->trace_id, 16) == 0)
		return;
	begin_leave_run(a, source);
	if (source->dead)
		return;
	source->writes = true;
	memcpy(source->writes_of, run->trace_id, 16);
	run->writers++;
}

struct trace_run *begin_find_run(struct assemble *a, struct source *source,
				 const uint8_t trace_id[16])
{
	struct trace_run *run = source->last_run;

	/* Forgetting any run makes every remembered pointer doubtful. */
	if (run && source->last_run_forgotten == a->runs.forgotten &&
	    memcmp(run->trace_id, trace_id, 16) == 0)
		return run;
	run = trace_run_get(&a->runs, trace_id, a->clock.mono_ns);
	source->last_run = run;
	source->last_run_forgotten = a->runs.forgotten;
	if (run)
		enter_run(a, source, run);
	return run;
}

/* Not known of another boot, whose clock was another one. */
static uint64_t start_mono_ns(const struct assemble *a, const struct open_span *span,
			      uint64_t wall_ns)
{
	const struct source *source = span->source;
	int64_t mono_ns = (int64_t)wall_ns - span->run->offset_ns;

	if (source->clock.other_boot)
		return 0;
	if (source->identified && !(span->flags & SPAN_WALL_TIME))
		return clock_mono_ns(&a->clock, &source->clock, span->start_ticks);
	return mono_ns > 0 ? (uint64_t)mono_ns : 0;
}

/* At last without a name: its file can do without. */
static void introduce(struct assemble *a, struct open_span *span, const uint8_t *start)
{
	struct record_text name = record_get_start(start).name;
	struct run_words words = {source_service(span->source), {name.at, name.length}};
	uint64_t wall_ns = start_wall_ns(a, span);

	span->run->begun_mono_ns = start_mono_ns(a, span, wall_ns);
	if (trace_run_introduce(span->run, &words, wall_ns) < 0 &&
	    !(reserve_spend(&a->reserve) &&
	      trace_run_introduce(span->run, &words, wall_ns) == 0))
		(void)trace_run_introduce(span->run, &(struct run_words){{NULL, 0}, {NULL, 0}},
					  wall_ns);
}

int begin_span(struct assemble *a, struct open_span *span, const uint8_t *start)
{
	struct source *source = span->source;
	struct trace_run *run;
	uint64_t boot;

	run = begin_find_run(a, source, start + offsetof(struct wire_start, trace_id));
	if (!run)
		return -ENOMEM;
	memcpy(&boot, a->clock.boot_id, 8);
	if (!source->clock.other_boot)
		trace_run_fix_offset(run, boot, a->clock.wall_minus_boot_ns);
	span->run = run;
	span->flags |= SPAN_STARTED;
	trace_run_span_opened(&a->runs, run, a->clock.mono_ns);
	if (run->user == USER_UNKNOWN)
		run->user = source_user(source);
	if (!run->first_wall_ns)
		introduce(a, span, start);
	list_append(&a->ages, &span->ages);
	a->counters.open++;
	holder_open(&source->holds, 1);
	return 0;
}
