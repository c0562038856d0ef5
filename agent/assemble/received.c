/* Spans that come finished: over a socket, or out of the log of an earlier life.
 * What is known of them is what stands in their bytes. */
#include <errno.h>

#include "assemble/stage.h"
#include "otlp/pb.h"

/* Nobody's number: whoever sends over sockets shares what one user has. */
#define SENDERS_UID UINT32_MAX

#define RESOURCE_ATTRIBUTES 1
#define KEY_VALUE_KEY 1
#define KEY_VALUE_VALUE 2
#define ANY_VALUE_STRING 1
#define SPAN_NAME 5
#define SPAN_START_TIME 7

static struct bytes field_bytes(struct bytes message, uint32_t number)
{
	struct pb_reader reader = pb_read(message);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == number && field.wire == PB_BYTES)
			return field.bytes;
	return (struct bytes){NULL, 0};
}

static struct bytes service_of(struct bytes resource)
{
	struct pb_reader reader = pb_read(resource);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0) {
		if (field.number != RESOURCE_ATTRIBUTES || field.wire != PB_BYTES ||
		    !bytes_equal(field_bytes(field.bytes, KEY_VALUE_KEY),
				 bytes_of("service.name")))
			continue;
		return field_bytes(field_bytes(field.bytes, KEY_VALUE_VALUE), ANY_VALUE_STRING);
	}
	return (struct bytes){NULL, 0};
}

static uint64_t start_wall_ns_of(struct bytes span)
{
	struct pb_reader reader = pb_read(span);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == SPAN_START_TIME && field.wire == PB_FIXED64)
			return field.value;
	return 0;
}

void received_introduce(struct trace_run *run, const struct finished_span *span)
{
	/* Known nearly always, and then its bytes need not be looked through. */
	if (run->first_wall_ns)
		return;
	/* Without memory the archive names it by the span itself. */
	(void)trace_run_introduce(run,
				  &(struct run_words){service_of(span->resource),
						      field_bytes(span->span, SPAN_NAME)},
				  start_wall_ns_of(span->span));
}

/* Without memory for the user nobody's share is asked for. */
static bool senders_may_begin_a_run(struct assemble *a)
{
	if (!a->senders)
		a->senders = limit_user_get(&a->users, SENDERS_UID, &a->options.limits,
					    a->clock.mono_ns);
	return !a->senders || limit_user_run(a->senders, &a->options.limits, a->clock.mono_ns);
}

int assemble_admits(struct assemble *a, const uint8_t trace_id[16])
{
	const struct trace_run *run = trace_run_find(&a->runs, trace_id);
	uint64_t spans_max = a->options.limits.run_spans_max;

	if (run && spans_max && run->spans + run->ledger.received >= spans_max) {
		a->counters.limits.run_spans++;
		return -EDQUOT;
	}
	if (!run && !senders_may_begin_a_run(a)) {
		a->counters.limits.runs++;
		return -EDQUOT;
	}
	return 0;
}

void assemble_received(struct assemble *a, const struct finished_span *span)
{
	struct trace_run *run = trace_run_get(&a->runs, span->trace_id, a->clock.mono_ns);
	uint64_t boot;

	a->counters.received++;
	a->counters.finished++;
	a->counters.kinds_mapped += span->kind_mapped;
	/* Without memory for the run its spans are in the log all the same;
	 * the next one, or the next life, makes it. */
	if (!run)
		return;
	memcpy(&boot, a->clock.boot_id, 8);
	trace_run_fix_offset(run, boot, a->clock.wall_minus_boot_ns);
	received_introduce(run, span);
	run->ledger.received++;
	run->ledger.finished++;
	trace_run_span_added(&a->runs, run, span->number, a->clock.mono_ns);
	(void)trace_run_table_introduce(&a->runs); /* the tick tries again what was refused */
}
