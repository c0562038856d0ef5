/* What becomes of a request: what is counted, sent again, halved or given up. */
#include "export/stage.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000u
#define MINUTE_NS UINT64_C(60000000000)

/* The peer's words are in these lines: nothing of them may look like a line of
 * our own. */
void export_say(struct export *export, int priority, const char *format, ...)
{
	char line[512];
	va_list args;

	if (!export->options.log)
		return;
	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	export->options.log(export->options.log_arg, priority, line);
}

static uint32_t random_bits(struct export *export)
{
	uint32_t bits = 0;

	(void)export->env->ops->random(export->env, &bits, sizeof(bits));
	return bits;
}

static void remember_error(struct export *export, const char *status, const char *message)
{
	(void)snprintf(export->last_error, sizeof(export->last_error), "%s: %s", status,
		       message);
	export->last_error_wall_ns = export->env->ops->wall_ns(export->env);
}

/* --- spans that are done with ------------------------------------------------- */

/* Requests end in any order, but a cursor is one number: what became of spans
 * behind an unfinished batch waits there. */
void export_settle(struct export *export, uint64_t number, const struct export_outcome *outcome)
{
	struct export_lane *lane = export_lane(export, number);
	struct export_batch *before = NULL;

	for (size_t i = 0; i < export->batches_n; i++) {
		struct export_batch *batch = &export->batches[i];

		if (batch->state == EXPORT_BATCH_FREE || batch->batch.first_number >= number ||
		    export_lane(export, batch->batch.first_number) != lane)
			continue;
		if (!before || batch->batch.first_number > before->batch.first_number)
			before = batch;
	}
	export_outcome_add(before ? &before->behind : &lane->settled, outcome);
}

/* Its spans are finished with; they are counted here. */
static void batch_finish(struct export *export, struct export_batch *batch,
			 struct export_outcome outcome)
{
	uint64_t number = batch->batch.first_number;

	export->counters.sent += outcome.sent;
	export->counters.rejected_partial += outcome.rejected_partial;
	export->counters.rejected_status += outcome.rejected_status;
	export_outcome_add(&outcome, &batch->behind);
	batch->behind = (struct export_outcome){0};
	batch->state = EXPORT_BATCH_FREE;
	export_settle(export, number, &outcome);
	export->memory -= batch->batch.size_bound;
	batch_reset(&batch->batch, BATCH_KEEP);
	buf_keep(&batch->wire, BATCH_KEEP);
	buf_keep(&batch->text, BATCH_KEEP);
	buf_fini(&batch->part);
	export_join_if_over(export);
}

/* How many spans the request under way has. */
static uint64_t asked(const struct export_batch *batch)
{
	return batch->isolation.on ? batch->isolation.now.n : batch->batch.spans_n;
}

/* They are done with: the batch is, or its next part goes. */
static void asked_over(struct export *export, struct export_batch *batch,
		       struct export_outcome outcome)
{
	bool taken = outcome.sent == asked(batch);

	export_outcome_add(&batch->isolated, &outcome);
	if (batch->isolation.on && isolation_next(&batch->isolation, taken)) {
		batch->formed = false;
		batch->state = EXPORT_BATCH_WAITING;
		batch->due_ns = 0;
		return;
	}
	outcome = batch->isolated;
	batch->isolated = (struct export_outcome){0};
	batch_finish(export, batch, outcome);
}

/* --- what becomes of a request -------------------------------------------- */

/* Additive increase, multiplicative decrease: a peer that is slow for one is not
 * made slower by eight, and one that is far away gets what fills the way there. */
static void streams_grow(struct export *export)
{
	if (export->in_flight + 1 < export->streams ||
	    export->streams >= export->options.streams_max)
		return;
	if (++export->streams_streak < export->streams)
		return;
	export->streams_streak = 0;
	export->streams++;
}

static void streams_cut(struct export *export, uint64_t sent_ns, uint64_t now_ns)
{
	if (sent_ns <= export->streams_cut_ns)
		return;
	export->streams_cut_ns = now_ns;
	export->streams_streak = 0;
	export->streams -= export->streams / 2;
}

static void batch_accepted(struct export *export, struct export_batch *batch,
			   const struct transport_answer *answer)
{
	uint64_t n = asked(batch);
	uint64_t rejected = answer->rejected < n ? answer->rejected : n;

	if (export->failures)
		export_say(export, PRIORITY_INFO, "%s is back after %llu failures",
			   export->options.endpoint.authority,
			   (unsigned long long)export->failures);
	export->failures = 0;
	export->accepted_ns = export_now(export);
	streams_grow(export);
	squeeze_heard(&export->squeeze, answer->compressions_known);
	throttle_succeeded(&export->throttle);
	if (rejected)
		export_say(export, PRIORITY_ERROR, "%s rejected %llu of %llu spans: %s",
			   export->options.endpoint.authority, (unsigned long long)rejected,
			   (unsigned long long)n, answer->message);
	else if (answer->message[0]) {
		export->counters.warnings++;
		export_say(export, PRIORITY_WARNING, "%s warns: %s",
			   export->options.endpoint.authority, answer->message);
	}
	asked_over(export, batch,
		   (struct export_outcome){.sent = n - rejected, .rejected_partial = rejected});
}

/* --- what the peer refuses for good --------------------------------------------- */

static void again_at_once(struct export_batch *batch)
{
	batch->formed = false;
	batch->state = EXPORT_BATCH_WAITING;
	batch->due_ns = 0;
}

static void drop(struct export *export, struct export_batch *batch)
{
	export_say(export, PRIORITY_ERROR,
		   "%s refused %llu spans for good, they are dropped: %s",
		   export->options.endpoint.authority, (unsigned long long)asked(batch),
		   export->last_error);
	asked_over(export, batch, (struct export_outcome){.rejected_status = asked(batch)});
}

/* A span that is refused alone: where the owner keeps such, and dropped. */
static void park(struct export *export, struct export_batch *batch,
		 const struct transport_answer *answer)
{
	const struct export_options *options = &export->options;
	struct bytes message = framed_message(export_batch_asked(batch));
	int r;

	r = options->park
		    ? options->park(options->log_arg, message, answer->status, answer->message)
		    : 0;
	export->counters.parked += r == 0 && options->park;
	export->counters.park_failures += r < 0;
	export_say(export, PRIORITY_ERROR, "%s refused a span for good, it is %s: %s",
		   options->endpoint.authority,
		   r == 0 && options->park ? "kept in rejected/" : "dropped",
		   export->last_error);
	asked_over(export, batch, (struct export_outcome){.rejected_status = 1});
}

/* A peer that refuses everything must not be asked about every span. */
static bool may_halve(struct export *export)
{
	uint64_t now_ns = export_now(export);

	if (now_ns - export->halving_ns >= MINUTE_NS) {
		export->halving_ns = now_ns;
		export->halvings = 0;
	}
	return export->halvings++ < EXPORT_HALVINGS_PER_MINUTE;
}

static void halve(struct export *export, struct export_batch *batch)
{
	if (!may_halve(export)) {
		export->counters.not_isolated += asked(batch);
		drop(export, batch);
		return;
	}
	if (batch->isolation.on) {
		isolation_refused(&batch->isolation);
	} else {
		export_say(export, PRIORITY_WARNING,
			   "%s refused %llu spans, looking for what it means: %s",
			   export->options.endpoint.authority, (unsigned long long)asked(batch),
			   export->last_error);
		isolation_begin(&batch->isolation, (uint32_t)batch->batch.spans_n);
	}
	again_at_once(batch);
}

static void batch_refused(struct export *export, struct export_batch *batch,
			  const struct transport_answer *answer)
{
	remember_error(export, answer->status, answer->message);
	if (!answer->content_refused)
		drop(export, batch);
	else if (asked(batch) == 1)
		park(export, batch, answer);
	else if (export->options.keep_together)
		drop(export, batch);
	else
		halve(export, batch);
}

void export_unsendable(struct export *export, struct export_batch *batch, const char *why)
{
	const struct transport_answer answer = {.verdict = TRANSPORT_REFUSED,
						.content_refused = true,
						.status = "UNSENDABLE",
						.message = why};

	batch_refused(export, batch, &answer);
}

static void batch_retry(struct export *export, struct export_batch *batch,
			const struct transport_answer *answer)
{
	uint64_t now_ns = export_now(export);
	uint64_t wait_ns = backoff_next(&batch->backoff, random_bits(export));

	streams_cut(export, batch->sent_ns, now_ns);
	throttle_failed(&export->throttle, batch->sent_ns, now_ns, answer->delay_ns,
			random_bits(export));
	batch->state = EXPORT_BATCH_WAITING;
	batch->due_ns = now_ns + wait_ns;
	if (batch->due_ns < export->throttle.until_ns)
		wait_ns = export->throttle.until_ns - now_ns;
	remember_error(export, answer->status, answer->message);
	export->failures++;
	export_say(export, PRIORITY_WARNING, "%s failed, retrying in %llu ms: %s",
		   export->options.endpoint.authority,
		   (unsigned long long)(wait_ns / NS_PER_MS), export->last_error);
}

/* The peer may not know how it was compressed. Other bytes are another request
 * (rule 5), and this one was not taken in: it goes at once. */
static void batch_reform(struct export *export, struct export_batch *batch,
			 const struct transport_answer *answer)
{
	export_say(export, PRIORITY_WARNING, "%s does not understand %s: %s",
		   export->options.endpoint.authority, compression_name(batch->compression),
		   answer->message);
	squeeze_refused(&export->squeeze, batch->compression, answer->compressions_known);
	again_at_once(batch);
}

void export_answered(struct export *export, struct export_batch *batch,
		     const struct transport_answer *answer)
{
	assert(batch->state == EXPORT_BATCH_SENT);
	export->in_flight--;
	switch (answer->verdict) {
	case TRANSPORT_ACCEPTED:
		batch_accepted(export, batch, answer);
		break;
	case TRANSPORT_RETRY:
		batch_retry(export, batch, answer);
		break;
	case TRANSPORT_UNSENT:
		batch->state = EXPORT_BATCH_WAITING;
		batch->due_ns = 0;
		break;
	case TRANSPORT_REFUSED:
		if (answer->form_refused && batch->compression != COMPRESSION_NONE)
			batch_reform(export, batch, answer);
		else
			batch_refused(export, batch, answer);
		break;
	}
}

static void on_done(void *arg, void *tag, const struct transport_answer *answer)
{
	export_answered(arg, tag, answer);
}

static void on_changed(void *arg, bool up, const char *why)
{
	struct export *export = arg;
	struct transport *transport = &export->transport.of;
	uint64_t now_ns = export_now(export), due_ns;

	if (up) {
		export->counters.connects++;
		return;
	}
	if (!*why)
		return;
	export->counters.connect_failures++;
	export->failures++;
	remember_error(export, "UNAVAILABLE", why);
	due_ns = transport->ops->next_due(transport, true);
	export_say(export, PRIORITY_WARNING, "%s, trying again in %llu ms", why,
		   (unsigned long long)(due_ns > now_ns ? (due_ns - now_ns) / NS_PER_MS : 0));
}

const struct transport_news export_news = {
	.done = on_done,
	.changed = on_changed,
};
