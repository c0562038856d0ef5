/* Totals since the log began, over any number of agents. Each stage writes its
 * own into LEDGER frames, at a moment when its counters say just what the frames
 * in front of that one did; whoever reads the log takes them from there and
 * counts what follows. So a kill at any instruction counts nothing twice and
 * leaves nothing out. */
#include <string.h>

#include "pipeline.h"

enum ledger_of {
	LEDGER_PIPELINE,
	LEDGER_ASSEMBLE,
	LEDGER_DRAIN,
};

static const char *const ledger_names[] = {
	[LEDGER_PIPELINE] = "pipeline",
	[LEDGER_ASSEMBLE] = "assemble",
	[LEDGER_DRAIN] = "drain",
};

static const uint8_t of_export[8] = "export";

static int add_ledger(struct pipeline *p, const char *name, const uint8_t *sub,
		      const void *ledger, size_t len, uint64_t *ret_segment)
{
	struct wal_location location;
	uint64_t sequence;
	uint8_t key[16] = {0};
	int r;

	memcpy(key, name, strnlen(name, sizeof key));
	r = pipeline_add_keyed(p, WAL_LEDGER, key, sub, (struct bytes){ledger, len}, &sequence,
			       &location);
	if (r == 0)
		*ret_segment = location.segment;
	return r;
}

static int mark(struct pipeline *p, enum ledger_of of, const void *ledger, size_t len, bool all)
{
	struct ledger_frame *frame = &p->ledger_frames[of];
	uint64_t segment;
	int r;

	_Static_assert(sizeof(struct drain_ledger) <= sizeof frame->payload, "it fits");
	if (!all && frame->len == len && memcmp(frame->payload, ledger, len) == 0)
		return 0;
	r = add_ledger(p, ledger_names[of], NULL, ledger, len, &segment);
	if (r < 0)
		return r;
	memcpy(frame->payload, ledger, len);
	frame->len = (uint32_t)len;
	return 0;
}

int pipeline_mark_ledgers(struct pipeline *p, bool all)
{
	struct assemble_ledger assembled;
	struct drain_ledger drained;
	int r;

	assemble_ledger(p->assemble, &assembled);
	drain_ledger(p->drain, &drained);
	r = mark(p, LEDGER_PIPELINE, &p->ledger, sizeof p->ledger, all);
	if (r == 0)
		r = mark(p, LEDGER_DRAIN, &drained, sizeof drained, all);
	/* What is parked would have to count as late: it is gone in a moment. */
	if (r == 0 && (all || assembled.parked == 0))
		r = mark(p, LEDGER_ASSEMBLE, &assembled, sizeof assembled, all);
	return r;
}

static uint64_t sum_settled(const struct export_outcome *outcome)
{
	return outcome->sent + outcome->rejected_partial + outcome->rejected_status +
	       outcome->dropped_too_large + outcome->dropped_backlog + outcome->dropped_lost;
}

int pipeline_mark_destination(struct pipeline *p, struct destination *destination,
			      uint64_t done, uint64_t *ret_segment)
{
	struct export_outcome settled = *export_settled(&destination->export);
	struct export_ahead all = export_ahead(&destination->export);
	struct export_ahead ahead = destination_ahead(destination);
	struct destination_ledger ledger = {
		.number = done,
		.uncounted = destination->ledger.uncounted,
		.ahead_after = ahead.after,
		.ahead_number = ahead.number,
		.ahead_sent = ahead.outcome.sent,
		.ahead_rejected_partial = ahead.outcome.rejected_partial,
		.ahead_rejected_status = ahead.outcome.rejected_status,
		.ahead_dropped_too_large = ahead.outcome.dropped_too_large,
		.ahead_dropped_backlog = ahead.outcome.dropped_backlog,
		.ahead_dropped_lost = ahead.outcome.dropped_lost,
	};

	/* In order by now: `done` is behind it. */
	if (!ahead.after)
		export_outcome_add(&settled, &all.outcome);
	ledger.sent = settled.sent;
	ledger.rejected_partial = settled.rejected_partial;
	ledger.rejected_status = settled.rejected_status;
	ledger.dropped_too_large = settled.dropped_too_large;
	ledger.dropped_backlog = settled.dropped_backlog;
	ledger.dropped_lost = settled.dropped_lost;
	/* Only after giving up can the cursor be ahead of what is settled. */
	if (done > export_acked(&destination->export))
		ledger.unsettled = done - sum_settled(&settled) - ledger.uncounted;
	return add_ledger(p, destination->name, of_export, &ledger, sizeof ledger, ret_segment);
}

/* ---- recovery ---------------------------------------------------------------- */

static void read_prefix(void *ledger, size_t size, struct bytes payload)
{
	memset(ledger, 0, size);
	memcpy(ledger, payload.at, payload.len < size ? payload.len : size);
}

static void recover_destination(struct pipeline *p, const uint8_t key[16], struct bytes payload)
{
	uint8_t own[16];

	for (uint32_t i = 0; i < p->destination_count; i++) {
		struct destination_ledger *ledger = &p->destinations[i].ledger;

		destination_key(&p->destinations[i], own);
		if (memcmp(own, key, 16) != 0)
			continue;
		read_prefix(ledger, sizeof *ledger, payload);
		/* Nobody knows any more what became of those. */
		ledger->dropped_backlog += ledger->unsettled;
		ledger->unsettled = 0;
	}
}

static bool is(const struct wal_key *key, enum ledger_of of)
{
	return strncmp((const char *)key->key, ledger_names[of], sizeof key->key) == 0;
}

void pipeline_recover_ledger(struct pipeline *p, const struct wal_key *key,
			     struct bytes payload)
{
	if (payload.len == 0)
		return;
	if (memcmp(key->sub, of_export, sizeof of_export) == 0)
		recover_destination(p, key->key, payload);
	else if (is(key, LEDGER_PIPELINE))
		read_prefix(&p->ledger, sizeof p->ledger, payload);
	else if (is(key, LEDGER_ASSEMBLE))
		assemble_recover_ledger(p->assemble, payload);
	else if (is(key, LEDGER_DRAIN))
		drain_recover_ledger(p->drain, payload);
}

void destination_recover_cursor(struct destination *destination, uint64_t number)
{
	struct destination_ledger *ledger = &destination->ledger;

	if (number <= ledger->number)
		return;
	ledger->uncounted += number - ledger->number;
	ledger->number = number;
	/* It knew nothing of what was ahead, and has sent it again. */
	ledger->ahead_after = ledger->ahead_number = 0;
}

void destination_resume(struct destination *destination)
{
	const struct destination_ledger *ledger = &destination->ledger;

	export_resume(&destination->export,
		      &(struct export_outcome){
			      .sent = ledger->sent,
			      .rejected_partial = ledger->rejected_partial,
			      .rejected_status = ledger->rejected_status,
			      .dropped_too_large = ledger->dropped_too_large,
			      .dropped_backlog = ledger->dropped_backlog,
			      .dropped_lost = ledger->dropped_lost,
		      });
	if (ledger->ahead_after <= ledger->number || ledger->ahead_number < ledger->ahead_after)
		return;
	export_resume_ahead(
		&destination->export,
		&(struct export_ahead){
			.after = ledger->ahead_after,
			.number = ledger->ahead_number,
			.outcome = {.sent = ledger->ahead_sent,
				    .rejected_partial = ledger->ahead_rejected_partial,
				    .rejected_status = ledger->ahead_rejected_status,
				    .dropped_too_large = ledger->ahead_dropped_too_large,
				    .dropped_backlog = ledger->ahead_dropped_backlog,
				    .dropped_lost = ledger->ahead_dropped_lost},
		});
}
