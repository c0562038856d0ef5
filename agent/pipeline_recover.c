/* After a start: what the log holds is given back to the stages, oldest first.
 * Nothing here can fail for damage; a frame that does not make sense is left
 * out and said. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "pipeline.h"

struct recovery {
	struct pipeline *pipeline;
	struct slice *slices;
	uint32_t *offsets;
	uint64_t slice_cap, offset_cap;
	uint64_t frames, odd;
};

static int slices_grow(struct recovery *recovery, uint64_t want)
{
	uint64_t cap = recovery->slice_cap ? recovery->slice_cap * 2 : 256;
	struct slice *slices;
	uint32_t *offsets;

	if (want <= recovery->slice_cap)
		return 0;
	slices = reallocarray(recovery->slices, cap, sizeof *slices);
	if (!slices)
		return -ENOMEM;
	recovery->slices = slices;
	offsets = reallocarray(recovery->offsets, cap, sizeof *offsets);
	if (!offsets)
		return -ENOMEM;
	recovery->offsets = offsets;
	recovery->slice_cap = cap;
	return 0;
}

static int recover_slices(struct recovery *recovery, const struct wal_entry *entry)
{
	struct pipeline *p = recovery->pipeline;
	const uint8_t *instance = entry->payload.at;
	uint32_t n = 0;
	size_t at = 0;
	int r;

	if (entry->payload.len < sizeof(struct wal_record))
		return -EBADMSG;
	for (;;) {
		r = slices_grow(recovery, (uint64_t)n + 1);
		if (r == 0)
			r = wal_record_next(entry->payload, &at, &recovery->slices[n],
					    &recovery->offsets[n]);
		if (r <= 0)
			break;
		n++;
	}
	if (r < 0)
		return r;
	r = drain_recover_slices(p->drain, instance, recovery->slices, n,
				 entry->location.segment);
	if (r < 0)
		return r;
	return assemble_recover_slices(p->assemble, instance, recovery->slices, n,
				       entry->location.segment, entry->location.offset,
				       recovery->offsets);
}

static int recover_span(struct recovery *recovery, const struct wal_entry *entry)
{
	struct wal_span head;

	if (entry->payload.len < sizeof head)
		return -EBADMSG;
	memcpy(&head, entry->payload.at, sizeof head);
	pipeline_note_recovered(recovery->pipeline, &entry->span);
	if (recovery->pipeline->receive)
		receive_note(recovery->pipeline->receive, &entry->span);
	assemble_recover_span(recovery->pipeline->assemble, &entry->span, head.instance,
			      head.span_id);
	return 0;
}

static void recover_cursor(struct pipeline *p, const struct wal_key *key, struct bytes payload,
			   uint64_t segment)
{
	uint8_t own[16];
	uint64_t number;

	for (uint32_t i = 0; i < p->destination_count; i++) {
		struct destination *destination = &p->destinations[i];

		destination_key(destination, own);
		if (memcmp(own, key->key, 16) != 0 || payload.len != sizeof(uint64_t))
			continue;
		memcpy(&number, payload.at, sizeof number);
		destination_recover_cursor(destination, number);
		destination->cursor_segment = segment;
	}
}

static int recover_ring(struct pipeline *p, const struct wal_key *key, struct bytes payload,
			uint64_t segment)
{
	struct ring_identity identity;
	int r;

	r = drain_recover_state(p->drain, key->key, payload, segment, &identity);
	if (r == 0)
		assemble_recover_ring(p->assemble, &identity);
	return r;
}

static int recover_state(struct pipeline *p, const struct wal_key *key, struct bytes payload,
			 const struct log_place *place)
{
	int r = drain_recover_span(p->drain, key->key, place->segment);

	if (r == -ENOMEM)
		return r;
	/* Among too many rings it waits for a later start. */
	return assemble_recover_state(p->assemble, key->key, key->sub, payload, place);
}

static int recover_keyed(struct recovery *recovery, const struct wal_entry *entry)
{
	struct pipeline *p = recovery->pipeline;
	uint64_t segment = entry->location.segment;
	struct log_place place = {segment, entry->location.offset, sizeof(struct wal_key)};
	struct wal_key key;
	struct bytes payload;

	if (entry->payload.len < sizeof key)
		return -EBADMSG;
	memcpy(&key, entry->payload.at, sizeof key);
	payload =
		(struct bytes){entry->payload.at + sizeof key, entry->payload.len - sizeof key};
	switch (entry->kind) {
	case WAL_STATE:
		return recover_state(p, &key, payload, &place);
	case WAL_RUN:
		return assemble_recover_run(p->assemble, key.key, payload, segment);
	case WAL_RING:
		return recover_ring(p, &key, payload, segment);
	case WAL_CLOSED:
		drain_recover_closed(p->drain, key.key, payload);
		assemble_recover_closed(p->assemble, key.key, entry->damaged_before);
		return 0;
	case WAL_ARCHIVE:
		return p->archive && !p->options->archive_anew
			       ? archive_recover(p->archive, key.key, payload, segment)
			       : 0;
	case WAL_CURSOR:
		recover_cursor(p, &key, payload, segment);
		return 0;
	case WAL_PROCESS:
		return assemble_recover_process(
			p->assemble, (const struct process_key *)key.key, payload, segment);
	case WAL_LEDGER:
		pipeline_recover_ledger(p, &key, payload);
		return 0;
	default:
		return 0;
	}
}

static int recover_entry(void *arg, const struct wal_entry *entry)
{
	struct recovery *recovery = arg;
	int r;

	recovery->frames++;
	if (entry->kind == WAL_RECORD)
		r = recover_slices(recovery, entry);
	else if (entry->kind == WAL_SPAN)
		r = recover_span(recovery, entry);
	else
		r = recover_keyed(recovery, entry);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		recovery->odd++;
	return 0;
}

/* Whoever noted a number has had that span. */
static void keep_numbers(struct pipeline *p)
{
	for (uint32_t i = 0; i < p->destination_count; i++) {
		wal_numbers_behind(p->wal, p->destinations[i].ledger.number);
		wal_numbers_behind(p->wal, p->destinations[i].ledger.ahead_number);
	}
	if (p->archive)
		wal_numbers_behind(p->wal, archive_last_number(p->archive));
}

int pipeline_recover(struct pipeline *p)
{
	struct recovery recovery = {.pipeline = p};
	int r;

	p->ledger.began_wall_ns = p->started_wall_ns;
	r = wal_recover(p->wal, recover_entry, &recovery);
	p->ledger.starts++;
	free(recovery.slices);
	free(recovery.offsets);
	if (r < 0) {
		log_line(LOG_ERR, "wal", "recovery stopped: %s", strerror(-r));
		return r;
	}
	assemble_recovered(p->assemble);
	if (recovery.frames)
		log_line(LOG_INFO, "wal",
			 "recovered %llu entries, %llu open spans, last span number %llu",
			 (unsigned long long)recovery.frames,
			 (unsigned long long)assemble_counters(p->assemble)->open,
			 (unsigned long long)wal_last_span_number(p->wal));
	if (recovery.odd)
		log_line(LOG_WARNING, "wal", "%llu entries made no sense and were left out",
			 (unsigned long long)recovery.odd);
	keep_numbers(p);
	r = p->archive ? archive_recovered(p->archive) : 0;
	return r < 0 ? r : drain_recovered(p->drain);
}
