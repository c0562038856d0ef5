#include "export/export.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "export/json_form.h"
#include "export/stage.h"

#define NS_PER_MS 1000000u
/* Requests under way before anything is known of the peer. */
#define STREAMS_FIRST 2

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* --- batches -------------------------------------------------------------- */

/* A reload may have changed how many spans a batch holds. */
static int batch_fit(const struct export *export, struct export_batch *batch)
{
	struct batch fresh;
	int r;

	if (batch->batch.spans_max == export->options.batch_spans_max)
		return 0;
	r = batch_init(&fresh, export->options.batch_spans_max);
	if (r < 0)
		return r;
	batch_fini(&batch->batch);
	batch->batch = fresh;
	return 0;
}

static void batch_open(struct export *export, struct export_lane *lane,
		       struct export_batch *batch)
{
	batch->state = EXPORT_BATCH_FILLING;
	batch->opened_ns = export_now(export);
	batch->attempts = 0;
	batch->formed = false;
	batch->compression = COMPRESSION_NONE;
	batch->backoff = BACKOFF_RETRY;
	lane->filling = batch;
}

/* Out of memory it stays as it is and is sealed by a later tick. */
static void filling_seal(struct export *export, struct export_lane *lane)
{
	struct export_batch *batch = lane->filling;

	if (batch_seal(&batch->batch, &export->spare) < 0)
		return;
	buf_keep(&export->spare, BATCH_KEEP);
	batch->state = EXPORT_BATCH_WAITING;
	batch->due_ns = 0;
	lane->filling = NULL;
}

/* --- sending -------------------------------------------------------------- */

static int deadlines_check(struct export *export, uint64_t now_ns)
{
	static const struct transport_answer answer = {.verdict = TRANSPORT_RETRY,
						       .status = "DEADLINE_EXCEEDED",
						       .message = "no answer in time"};
	struct transport *transport = &export->transport.of;
	int work = 0;

	for (size_t i = 0; i < export->batches_n; i++) {
		struct export_batch *batch = &export->batches[i];

		if (batch->state != EXPORT_BATCH_SENT || now_ns < batch->deadline_ns)
			continue;
		transport->ops->cancel(transport, batch, batch->sent_ns, now_ns);
		export_answered(export, batch, &answer);
		work++;
	}
	return work;
}

/* How it goes, whole or in part; the same for every attempt. -ENOMEM: try again
 * later; others: it cannot go like this. */
static int batch_form(struct export *export, struct export_batch *batch)
{
	const struct isolation_part *part = &batch->isolation.now;
	int r = 0;

	if (batch->formed)
		return 0;
	if (batch->isolation.on)
		r = batch_part(&batch->batch, part->first, part->n, &batch->part);
	if (r < 0)
		return r;
	batch->plain = export_batch_asked(batch);
	if (export_in_json(export->options.protocol)) {
		r = json_form(batch->plain, &batch->text);
		if (r < 0)
			return r;
		batch->plain = buf_bytes(&batch->text);
	}
	batch->compression = squeeze_run(&export->squeeze, batch->plain, &batch->wire);
	batch->formed = true;
	return 0;
}

static int batch_send(struct export *export, struct export_batch *batch, uint64_t now_ns)
{
	bool limited = export->options.timeout_ms != EXPORT_TIMEOUT_NONE;
	struct transport *transport = &export->transport.of;
	struct transport_request request = {
		.timeout_ns = limited ? export->options.timeout_ms * NS_PER_MS : 0,
	};
	int r = batch_form(export, batch);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || batch->plain.len - TRANSPORT_FRAMING > export->options.request_bytes_max) {
		export_unsendable(export, batch,
				  r < 0 ? "it cannot be written as JSON"
					: "it is larger than export.request_max");
		return 0;
	}
	request.compression = batch->compression;
	request.framed =
		batch->compression == COMPRESSION_NONE ? batch->plain : buf_bytes(&batch->wire);
	r = transport->ops->begin(transport, batch, &request);
	if (r < 0)
		return r;
	batch->state = EXPORT_BATCH_SENT;
	export->live_was_last = !export_in_backlog(export, batch->batch.first_number);
	batch->sent_ns = now_ns;
	batch->deadline_ns = limited ? add_saturated(now_ns, request.timeout_ns) : UINT64_MAX;
	export->in_flight++;
	export->counters.requests++;
	export->counters.retries += batch->attempts++ ? 1 : 0;
	export->counters.isolation_requests += batch->isolation.on;
	export->counters.bytes += batch->plain.len;
	export->counters.wire_bytes += request.framed.len;
	return 0;
}

static bool transport_ready(const struct export *export)
{
	return export->transport.of.ops->ready(&export->transport.of);
}

static int batches_send(struct export *export, uint64_t now_ns)
{
	struct export_batch *batch;
	int work = 0;

	while (export->in_flight < export->streams && now_ns >= export->throttle.until_ns &&
	       transport_ready(export)) {
		batch = export_batch_next(export, now_ns);
		if (!batch || batch_send(export, batch, now_ns) < 0)
			break;
		work++;
	}
	return work;
}

static bool filling_due(const struct export *export, const struct export_lane *lane,
			uint64_t now_ns)
{
	const struct export_batch *batch = lane->filling;

	return batch && (export->flushing || batch_full(&batch->batch) ||
			 now_ns >= batch->opened_ns + export->options.delay_ms * NS_PER_MS);
}

static int filling_tick(struct export *export, struct export_lane *lane, uint64_t now_ns)
{
	if (!filling_due(export, lane, now_ns))
		return 0;
	filling_seal(export, lane);
	return 1;
}

/* The batch the connection would be used for first. */
static bool anything_to_send(const struct export *export)
{
	for (size_t i = 0; i < export->batches_n; i++)
		if (export->batches[i].state == EXPORT_BATCH_WAITING)
			return true;
	return false;
}

int export_tick(struct export *export, uint64_t now_ns)
{
	struct transport *transport = &export->transport.of;
	int work = deadlines_check(export, now_ns);

	work += filling_tick(export, &export->live, now_ns);
	work += filling_tick(export, &export->backlog, now_ns);
	transport->ops->want(transport, anything_to_send(export));
	work += batches_send(export, now_ns);
	work += transport->ops->tick(transport, now_ns);
	if (export->flushing && export_idle(export))
		export->flushing = false;
	return work;
}

static uint64_t batch_due(const struct export *export, const struct export_batch *batch)
{
	switch (batch->state) {
	case EXPORT_BATCH_FILLING:
		return export->flushing
			       ? 0
			       : batch->opened_ns + export->options.delay_ms * NS_PER_MS;
	case EXPORT_BATCH_WAITING:
		/* Neither a full pipe nor a missing connection comes by waiting
		 * for this batch. */
		if (export->in_flight >= export->streams || !transport_ready(export))
			return UINT64_MAX;
		return batch->due_ns > export->throttle.until_ns ? batch->due_ns
								 : export->throttle.until_ns;
	case EXPORT_BATCH_SENT:
		return batch->deadline_ns;
	default:
		return UINT64_MAX;
	}
}

uint64_t export_next_due(const struct export *export, uint64_t now_ns)
{
	const struct transport *transport = &export->transport.of;
	uint64_t due = transport->ops->next_due(transport, anything_to_send(export));

	for (size_t i = 0; i < export->batches_n; i++) {
		uint64_t batch = batch_due(export, &export->batches[i]);

		due = batch < due ? batch : due;
	}
	return due < now_ns ? now_ns : due;
}

/* --- taking --------------------------------------------------------------- */

static int span_add(struct export *export, struct export_lane *lane,
		    const struct finished_span *span)
{
	struct batch *batch;
	size_t before;
	int r;

	if (!lane->filling) {
		struct export_batch *fresh = export_batch_free(export, lane);

		if (!fresh)
			return -ENOBUFS;
		r = batch_fit(export, fresh);
		if (r < 0)
			return r;
		batch_open(export, lane, fresh);
	}
	batch = &lane->filling->batch;
	before = batch->size_bound;
	r = batch_add(batch, span, export->options.batch_bytes_max);
	export->memory += batch->size_bound - before;
	if (r < 0 && !batch->spans_n) {
		lane->filling->state = EXPORT_BATCH_FREE;
		lane->filling = NULL;
	}
	return r;
}

/* Spans in front of this one that never came. */
static void note_lost(struct export *export, const struct export_lane *lane, uint64_t number)
{
	struct export_outcome lost = {.dropped_lost = number - lane->last_number - 1};

	export->counters.dropped_lost += lost.dropped_lost;
	if (lost.dropped_lost)
		export_settle(export, number, &lost);
}

static void drop_too_large(struct export *export, struct export_lane *lane,
			   const struct finished_span *span)
{
	struct export_outcome dropped = {.dropped_too_large = 1};

	note_lost(export, lane, span->number);
	export->counters.pushed++;
	export->counters.dropped_too_large++;
	export_settle(export, span->number, &dropped);
	lane->last_number = span->number;
	export_join_if_over(export);
	export_say(export, PRIORITY_ERROR,
		   "a span of %zu bytes is larger than the largest request, dropped",
		   span->span.len);
}

int export_push(struct export *export, const struct finished_span *span)
{
	struct export_lane *lane = export_lane(export, span->number);
	int r;

	assert(span->number > lane->last_number);
	if (batch_size_alone(span) > export->options.request_bytes_max) {
		drop_too_large(export, lane, span);
		return 0;
	}
	if (export_memory_full(export, lane, batch_size_alone(span)))
		return -ENOBUFS;
	r = span_add(export, lane, span);
	if (r == -ENOSPC) {
		filling_seal(export, lane);
		r = lane->filling ? -ENOBUFS : span_add(export, lane, span);
	}
	if (r < 0)
		return r;
	note_lost(export, lane, span->number);
	export->counters.pushed++;
	lane->last_number = span->number;
	if (batch_full(&lane->filling->batch))
		filling_seal(export, lane);
	return 0;
}

void export_give_up(struct export *export, uint64_t number)
{
	struct export_lane *lane = export_lane(export, number);
	struct export_outcome given_up = {.dropped_backlog = number - lane->last_number};

	if (number <= lane->last_number)
		return;
	export->counters.dropped_backlog += given_up.dropped_backlog;
	export_settle(export, number, &given_up);
	lane->last_number = number;
	export_join_if_over(export);
}

/* --- asking --------------------------------------------------------------- */

uint64_t export_waiting(const struct export *export)
{
	uint64_t n = 0;

	for (size_t i = 0; i < export->batches_n; i++)
		n += export->batches[i].batch.spans_n;
	return n;
}

void export_flush(struct export *export)
{
	export->flushing = true;
}

bool export_idle(const struct export *export)
{
	return export_waiting(export) == 0;
}

bool export_connected(const struct export *export)
{
	return export->transport.of.ops->connected(&export->transport.of);
}

/* --- life ----------------------------------------------------------------- */

static void transport_begin(struct export *export)
{
	export->streams = export->options.streams_max < STREAMS_FIRST
				  ? export->options.streams_max
				  : STREAMS_FIRST;
	export->streams_streak = 0;
	export->streams_cut_ns = 0;
	switch (export->options.protocol) {
	case EXPORT_GRPC:
		grpc_transport_init(&export->transport.grpc, export->env, &export->options,
				    &export_news, export);
		break;
	case EXPORT_HTTP_PROTOBUF:
	case EXPORT_HTTP_JSON:
		http_transport_init(&export->transport.http, export->env, &export->options,
				    &export_news, export);
		break;
	case EXPORT_CONSOLE:
	case EXPORT_STDOUT:
		console_transport_init(&export->transport.console, export->env,
				       &export->options, &export_news, export);
		break;
	}
}

static void transport_end(struct export *export)
{
	export->transport.of.ops->fini(&export->transport.of);
}

int export_init(struct export *export, struct env *env, const struct export_options *options,
		uint64_t first_number)
{
	int r;

	*export = (struct export){.env = env,
				  .options = *options,
				  .live.last_number = first_number ? first_number - 1 : 0};
	r = export_options_fill(&export->options);
	if (r < 0)
		return r;
	squeeze_init(&export->squeeze, export->options.compression);
	transport_begin(export);
	while (export->batches_n < export->options.streams_max + 2) {
		r = batch_init(&export->batches[export->batches_n].batch,
			       export->options.batch_spans_max);
		if (r < 0) {
			export_fini(export);
			return r;
		}
		export->batches_n++;
	}
	return 0;
}

void export_resume(struct export *export, const struct export_outcome *settled)
{
	export->live.settled = *settled;
	export->counters.sent = settled->sent;
	export->counters.rejected_partial = settled->rejected_partial;
	export->counters.rejected_status = settled->rejected_status;
	export->counters.dropped_too_large = settled->dropped_too_large;
	export->counters.dropped_backlog = settled->dropped_backlog;
	export->counters.dropped_lost = settled->dropped_lost;
	export->counters.pushed = settled->sent + settled->rejected_partial +
				  settled->rejected_status + settled->dropped_too_large;
}

int export_reload(struct export *export, const struct export_options *options)
{
	struct export_options filled = *options;
	int r;

	r = export_options_fill(&filled);
	if (r < 0)
		return r;
	transport_end(export);
	squeeze_fini(&export->squeeze);
	squeeze_init(&export->squeeze, filled.compression);
	for (size_t i = 0; i < export->batches_n; i++) {
		export->batches[i].formed = false;
		if (export->batches[i].state != EXPORT_BATCH_SENT)
			continue;
		export->batches[i].state = EXPORT_BATCH_WAITING;
		export->batches[i].due_ns = 0;
	}
	export->in_flight = 0;
	export->failures = 0;
	export->throttle = (struct throttle){0};
	export->options = filled;
	/* New ones are empty until batch_fit(). */
	if (export->batches_n < filled.streams_max + 2)
		export->batches_n = filled.streams_max + 2;
	transport_begin(export);
	return 0;
}

void export_fini(struct export *export)
{
	transport_end(export);
	for (size_t i = 0; i < export->batches_n; i++) {
		batch_fini(&export->batches[i].batch);
		buf_fini(&export->batches[i].wire);
		buf_fini(&export->batches[i].part);
		buf_fini(&export->batches[i].text);
	}
	export->batches_n = 0;
	squeeze_fini(&export->squeeze);
	buf_fini(&export->spare);
}
