/* What the stages tell the pipeline, and what it does about it. */
#include "pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"

/* ---- appending -------------------------------------------------------------- */

/* A full log is written once and asked again, so that -ENOBUFS means that the
 * disk does not take more. */
int pipeline_add_keyed(struct pipeline *p, enum wal_kind kind, const uint8_t key[16],
		       const uint8_t *sub, struct bytes payload, uint64_t *ret_sequence,
		       struct wal_location *ret_location)
{
	struct wal_key head = {.version = 1};
	struct iovec parts[2] = {{&head, sizeof head}, {(void *)payload.at, payload.len}};
	int r;

	memcpy(head.key, key, 16);
	if (sub)
		memcpy(head.sub, sub, 8);
	r = wal_add(p->wal, kind, parts, 2, ret_sequence, ret_location);
	if (r == -ENOBUFS && wal_commit(p->wal) == 0)
		r = wal_add(p->wal, kind, parts, 2, ret_sequence, ret_location);
	if (r == 0 && *ret_sequence > p->last_sequence)
		p->last_sequence = *ret_sequence;
	return r;
}

/* For stages that remember only the segment their newest state lies in. */
static int add_state(struct pipeline *p, enum wal_kind kind, const uint8_t key[16],
		     const uint8_t *sub, struct bytes payload, uint64_t *ret_segment)
{
	struct wal_location location;
	uint64_t sequence;
	int r;

	r = pipeline_add_keyed(p, kind, key, sub, payload, &sequence, &location);
	if (r == 0)
		*ret_segment = location.segment;
	return r;
}

/* ---- drain's news ----------------------------------------------------------- */

static int grow(void *at, uint64_t *cap, uint64_t want, size_t item)
{
	uint64_t next = *cap ? *cap * 2 : 64;
	void *grown;

	if (want <= *cap)
		return 0;
	if (next < want)
		next = want;
	grown = reallocarray(*(void **)at, next, item);
	if (!grown)
		return -ENOMEM;
	*(void **)at = grown;
	*cap = next;
	return 0;
}

int news_ring_seen(void *arg, uint32_t ring, const struct ring_identity *identity)
{
	struct pipeline *p = arg;
	int r;

	r = grow(&p->instances, &p->instance_cap, (uint64_t)ring + 1, sizeof *p->instances);
	if (r < 0)
		return r;
	memcpy(p->instances[ring], identity->instance, 16);
	return assemble_ring_seen(p->assemble, ring, identity);
}

static int add_slices(struct pipeline *p, uint32_t ring, const struct slice *slices, uint32_t n,
		      uint64_t *ret_sequence, struct wal_location *ret_location)
{
	int r;

	r = wal_add_slices(p->wal, p->instances[ring], slices, n, ret_sequence, ret_location,
			   p->slice_offsets);
	if (r == -ENOBUFS && wal_commit(p->wal) == 0)
		r = wal_add_slices(p->wal, p->instances[ring], slices, n, ret_sequence,
				   ret_location, p->slice_offsets);
	return r;
}

int news_batch(void *arg, uint32_t ring, struct slice *slices, uint32_t n,
	       uint64_t *ret_sequence)
{
	struct pipeline *p = arg;
	struct wal_location location;
	int r;

	r = grow(&p->slice_offsets, &p->slice_offset_cap, n, sizeof *p->slice_offsets);
	if (r == 0)
		r = grow(&p->redacted, &p->redacted_cap, n, sizeof *p->redacted);
	if (r < 0)
		return -ENOBUFS;
	/* The drain's own slices stay as they are: it may offer them again. */
	if (n)
		memcpy(p->redacted, slices, n * sizeof *slices);
	slices = p->redacted;
	if (redact_push(&p->redact, slices, n) < 0)
		return -ENOBUFS;
	/* Behind this the log has the batch, and it is not asked for again. */
	if (assemble_reserve(p->assemble, ring, slices, n) < 0)
		return -ENOBUFS;
	r = add_slices(p, ring, slices, n, ret_sequence, &location);
	if (r < 0)
		return r;
	redact_taken(&p->redact);
	if (*ret_sequence > p->last_sequence)
		p->last_sequence = *ret_sequence;
	assemble_push(p->assemble, ring, slices, n, location.segment, location.offset,
		      p->slice_offsets);
	return 0;
}

void news_round_end(void *arg, uint32_t ring, uint64_t round)
{
	struct pipeline *p = arg;

	assemble_round_end(p->assemble, ring, round);
}

void news_settled(void *arg, uint32_t ring)
{
	struct pipeline *p = arg;

	assemble_settled(p->assemble, ring);
}

void news_ring_dead(void *arg, uint32_t ring, const struct death *death)
{
	struct pipeline *p = arg;

	(void)assemble_ring_dead(p->assemble, ring, death);
	if (grow(&p->dead, &p->dead_cap, (uint64_t)p->dead_count + 1, sizeof *p->dead) < 0) {
		/* The files stay; the next start finds the ring dead again. */
		log_line(LOG_ERR, "pipeline", "out of memory: a dead ring stays on disk");
		return;
	}
	p->dead[p->dead_count++] = (struct dead_ring){.ring = ring};
}

void news_refused(void *arg, uint32_t ring, uint64_t calls)
{
	struct pipeline *p = arg;

	assemble_ring_refused(p->assemble, ring, calls);
}

void news_end_lost(void *arg, uint32_t ring, const uint8_t span_id[8])
{
	struct pipeline *p = arg;

	assemble_end_lost(p->assemble, ring, span_id);
}

void news_flush_wanted(void *arg, uint32_t ring, uint32_t request)
{
	struct pipeline *p = arg;

	/* Without memory for the note the client's deadline passes: it asks
	 * again, nothing is lost. */
	if (grow(&p->acks, &p->ack_cap, (uint64_t)p->ack_count + 1, sizeof *p->acks) < 0)
		return;
	p->acks[p->ack_count++] = (struct pending_ack){p->last_sequence, ring, request};
}

void news_ring_gone(void *arg, uint32_t ring)
{
	struct pipeline *p = arg;

	assemble_ring_gone(p->assemble, ring);
}

int news_ring_state(void *arg, uint32_t ring, struct bytes state, uint64_t *ret_sequence,
		    uint64_t *ret_segment)
{
	struct pipeline *p = arg;
	struct wal_location location;
	int r;

	r = pipeline_add_keyed(p, WAL_RING, p->instances[ring], NULL, state, ret_sequence,
			       &location);
	if (r == 0)
		*ret_segment = location.segment;
	return r;
}

void news_ring_dir_moved(void *arg)
{
	const struct pipeline *p = arg;

	if (p->ring_dir_moved)
		p->ring_dir_moved(p->ring_dir_moved_arg);
}

/* ---- the receiver's news ------------------------------------------------------ */

/* Its senders keep what the log's disk refuses; memory is for those who cannot. */
int news_receive_ready(void *arg)
{
	struct pipeline *p = arg;

	if (condition_is_raised(&p->conditions, CONDITION_LOG_WRITE_FAILING) ||
	    (p->options->wal_sync_each &&
	     condition_is_raised(&p->conditions, CONDITION_LOG_SYNC_FAILING)))
		return -EIO;
	return 0;
}

/* Behind the log's other frames; written first where memory is full of those. */
static int add_span(struct pipeline *p, struct finished_span *span, const uint8_t *instance,
		    const uint8_t *span_id)
{
	uint64_t sequence;
	int r = assemble_map_kind(p->assemble, span);

	if (r == 0)
		r = wal_add_span(p->wal, span, instance, span_id, &sequence);
	if (r == -ENOBUFS && wal_commit(p->wal) == 0)
		r = wal_add_span(p->wal, span, instance, span_id, &sequence);
	if (r == 0 && sequence > p->last_sequence)
		p->last_sequence = sequence;
	return r;
}

int news_received(void *arg, struct finished_span *span)
{
	/* Its resource is that of the sender's next span, too, and stays as it came. */
	struct finished_span redacted = *span;
	struct pipeline *p = arg;
	int r;

	r = assemble_admits(p->assemble, span->trace_id);
	if (r == 0)
		r = redact_span(&p->redact, &redacted);
	if (r == 0)
		r = add_span(p, &redacted, NULL, NULL);
	if (r < 0)
		return r;
	redact_taken(&p->redact);
	assemble_received(p->assemble, &redacted);
	return 0;
}

uint64_t news_receive_sequence(void *arg)
{
	const struct pipeline *p = arg;

	return p->last_sequence;
}

/* ---- assembly's news --------------------------------------------------------- */

int news_finished(void *arg, struct finished_span *span, const uint8_t instance[16],
		  const uint8_t span_id[8], uint64_t *ret_number)
{
	struct pipeline *p = arg;
	int r = add_span(p, span, instance, span_id);

	if (r < 0)
		return r;
	*ret_number = span->number;
	if (p->receive)
		receive_note(p->receive, span);
	return 0;
}

/* It may stand in the file's name. */
static int redact_word(struct pipeline *p, const char *key, struct bytes word, struct buf *out)
{
	int r = redact_text_for_sink(&p->redact, &p->archive_redact, bytes_of(key), word,
				     &word);

	return r < 0 ? r : buf_append(out, word.at, word.len);
}

int news_run_seen(void *arg, const uint8_t trace_id[16], const struct run_words *words,
		  uint64_t first_wall_ns, uint32_t user)
{
	struct buf service = BUF_INIT, name = BUF_INIT;
	struct pipeline *p = arg;
	int r;

	if (!p->archive)
		return 0;
	r = redact_word(p, "service.name", words->service, &service);
	if (r == 0)
		r = redact_word(p, "spanring.run.name", words->name, &name);
	if (r == 0)
		r = archive_run_seen(p->archive, trace_id,
				     &(struct run_words){buf_bytes(&service), buf_bytes(&name)},
				     first_wall_ns, user);
	buf_fini(&service);
	buf_fini(&name);
	return r;
}

void news_run_over(void *arg, const uint8_t trace_id[16], uint64_t last_number, bool complete)
{
	struct pipeline *p = arg;

	if (p->archive)
		(void)archive_seal(p->archive, trace_id, last_number, complete);
}

int news_span_state(void *arg, const uint8_t instance[16], const uint8_t span_id[8],
		    struct bytes state, struct log_place *ret_place)
{
	struct wal_location location;
	uint64_t sequence;
	int r;

	r = pipeline_add_keyed(arg, WAL_STATE, instance, span_id, state, &sequence, &location);
	if (r == 0)
		*ret_place = (struct log_place){location.segment, location.offset,
						sizeof(struct wal_key)};
	return r;
}

int news_run_state(void *arg, const uint8_t trace_id[16], struct bytes state,
		   uint64_t *ret_segment)
{
	return add_state(arg, WAL_RUN, trace_id, NULL, state, ret_segment);
}

int news_process_state(void *arg, const struct process_key *key, struct bytes state,
		       uint64_t *ret_segment)
{
	return add_state(arg, WAL_PROCESS, (const uint8_t *)key, NULL, state, ret_segment);
}

/* What is asked for may still be pending: a value can be spilled and wanted
 * back before its frame was written. */
int news_load(void *arg, const struct log_place *place, size_t len, uint8_t *at)
{
	struct pipeline *p = arg;
	struct wal_location location = {place->segment, place->offset};

	(void)wal_commit(p->wal);
	return wal_load(p->wal, location, place->payload, len, at);
}

/* ---- the archive's news ------------------------------------------------------- */

int news_archive_state(void *arg, const uint8_t trace_id[16], struct bytes state,
		       uint64_t *ret_segment)
{
	return add_state(arg, WAL_ARCHIVE, trace_id, NULL, state, ret_segment);
}

int news_archived(void *arg, const uint8_t trace_id[16], uint64_t spans)
{
	struct pipeline *p = arg;

	return assemble_run_archived(p->assemble, trace_id, spans);
}

bool news_run_account(void *arg, const uint8_t trace_id[16], struct run_account *ret_account)
{
	const struct pipeline *p = arg;
	struct run_losses losses;

	if (!assemble_run_losses(p->assemble, trace_id, &losses))
		return false;
	*ret_account = (struct run_account){losses.spans, losses.records};
	return true;
}

void news_run_process(void *arg, const uint8_t trace_id[16], const struct process_key *key,
		      struct process_account *ret_account)
{
	const struct pipeline *p = arg;
	struct process_view view;

	assemble_process(p->assemble, trace_id, key, &view);
	*ret_account = (struct process_account){view.end, view.refused};
}

void news_dropped(void *arg, const uint8_t trace_id[16], uint64_t spans)
{
	struct pipeline *p = arg;

	assemble_run_dropped(p->assemble, trace_id, spans);
}

uint64_t news_sent(void *arg)
{
	const struct pipeline *p = arg;
	uint64_t number = UINT64_MAX;

	for (uint32_t i = 0; i < p->destination_count; i++) {
		uint64_t done = destination_done(&p->destinations[i]);

		number = done < number ? done : number;
	}
	return number;
}

bool news_run_awaited(void *arg, const uint8_t trace_id[16])
{
	struct pipeline *p = arg;

	return assemble_run_awaited(p->assemble, trace_id);
}

void news_sealed(void *arg, const uint8_t trace_id[16], const char *path, uint64_t spans,
		 bool complete)
{
	struct pipeline *p = arg;
	struct sealed_run *run = &p->sealed[p->sealed_count++ % PIPELINE_SEALED_KEPT];

	memcpy(run->trace_id, trace_id, 16);
	(void)snprintf(run->path, sizeof run->path, "%s", path);
	run->spans = spans;
	run->complete = complete;
	log_line(LOG_INFO, "archive", "sealed %s with %llu spans%s", path,
		 (unsigned long long)spans, complete ? "" : ", its end was not said");
}
