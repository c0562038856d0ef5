#include "pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"

#define IDLE_WAIT_NS UINT64_C(100000000)
#define STOP_TURN_NS UINT64_C(12000000)
#define STOP_QUIET_NS (3 * STOP_TURN_NS)

/* Writes what this turn added. While the disk refuses, everything stays
 * pending in memory and the rings keep what does not fit there; the log says so
 * by its conditions. */
static void commit(struct pipeline *p)
{
	(void)wal_commit(p->wal);
}

static uint64_t safe_sequence(const struct pipeline *p)
{
	return p->options->wal_sync_each ? wal_synced_sequence(p->wal)
					 : wal_logged_sequence(p->wal);
}

static void acknowledge_flushes(struct pipeline *p, uint64_t sequence)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->ack_count; i++) {
		if (p->acks[i].sequence <= sequence)
			drain_flush_ack(p->drain, p->acks[i].ring, p->acks[i].request);
		else
			p->acks[kept++] = p->acks[i];
	}
	p->ack_count = kept;
}

/* What was received is answered when it is where a flush would be acknowledged. */
static int answer_senders(struct pipeline *p, uint64_t now_ns, uint64_t sequence)
{
	int r;

	if (!p->receive)
		return 0;
	receive_logged(p->receive, sequence);
	r = news_receive_ready(p);
	if (r < 0)
		receive_log_failed(p->receive, r);
	return receive_tick(p->receive, now_ns);
}

/* A dead ring goes in two steps: once assembly has ended its spans, the log is
 * told that it is closed; once that is logged, its files are removed. */
static bool bury(struct pipeline *p, struct dead_ring *dead, uint64_t sequence)
{
	struct wal_location location;
	struct drain_ledger counts;

	if (!dead->closed) {
		if (!assemble_ring_idle(p->assemble, dead->ring))
			return false;
		drain_close_state(p->drain, dead->ring, &counts);
		if (pipeline_add_keyed(p, WAL_CLOSED, p->instances[dead->ring], NULL,
				       (struct bytes){(const uint8_t *)&counts, sizeof counts},
				       &dead->sequence, &location) < 0)
			return false;
		drain_closed(p->drain, dead->ring);
		dead->closed = true;
	}
	if (dead->sequence > sequence)
		return false;
	drain_remove(p->drain, dead->ring);
	return true;
}

static void bury_dead(struct pipeline *p, uint64_t sequence)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->dead_count; i++)
		if (!bury(p, &p->dead[i], sequence))
			p->dead[kept++] = p->dead[i];
	p->dead_count = kept;
}

int pipeline_step(struct pipeline *p)
{
	uint64_t now_ns = p->env->ops->mono_ns(p->env), sequence;
	int work;

	p->turned_ns = now_ns;
	p->turns++;
	work = drain_tick(p->drain, now_ns);
	work += assemble_tick(p->assemble, now_ns);
	commit(p);
	sequence = safe_sequence(p);
	drain_logged(p->drain, sequence);
	acknowledge_flushes(p, sequence);
	work += answer_senders(p, now_ns, sequence);
	bury_dead(p, sequence);
	work += pipeline_feed(p);
	for (uint32_t i = 0; i < p->destination_count; i++)
		work += export_tick(&p->destinations[i].export, now_ns);
	if (p->archive)
		work += archive_tick(p->archive, now_ns);
	pipeline_note_times(p, now_ns);
	pipeline_mark_cursors(p, now_ns);
	pipeline_keep_log_small(p);
	commit(p);
	work += wal_tick(p->wal, now_ns);
	return work;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_due(struct pipeline *p, uint64_t now_ns)
{
	uint64_t due = now_ns + IDLE_WAIT_NS;

	due = earlier(due, drain_next_due(p->drain, now_ns));
	due = earlier(due, assemble_next_due(p->assemble, now_ns));
	for (uint32_t i = 0; i < p->destination_count; i++)
		due = earlier(due, export_next_due(&p->destinations[i].export, now_ns));
	if (p->archive)
		due = earlier(due, archive_next_due(p->archive, now_ns));
	return due;
}

void pipeline_wait(struct pipeline *p)
{
	uint64_t now_ns = p->env->ops->mono_ns(p->env), due = next_due(p, now_ns);

	if (due <= now_ns || drain_before_sleep(p->drain))
		(void)p->env->ops->wait(p->env, 0);
	else
		(void)p->env->ops->wait(p->env, due - now_ns);
	drain_after_sleep(p->drain);
}

bool pipeline_in_use(const struct pipeline *p)
{
	const struct drain_counters *counters = drain_counters(p->drain);

	return counters->rings_seen > counters->rings_dead || p->dead_count > 0;
}

/* ---- the end -------------------------------------------------------------- */

/* A file that is sealed now need not wait for another agent. */
static bool sent_and_archived(const struct pipeline *p)
{
	uint64_t last = wal_last_span_number(p->wal);

	for (uint32_t i = 0; i < p->destination_count; i++)
		if (destination_done(&p->destinations[i]) < last ||
		    export_waiting(&p->destinations[i].export) > 0)
			return false;
	return !p->archive ||
	       (archive_mark(p->archive) >= last && !archive_sealing(p->archive));
}

/* Runs turns until the rings were found empty for a while, and what was being
 * received is answered; a span needs two rounds to be finished, so one quiet turn is
 * not enough. */
static void stop_draining(struct pipeline *p, uint64_t deadline_ns)
{
	uint64_t now_ns = p->env->ops->mono_ns(p->env), quiet_since_ns = now_ns;

	while (now_ns < deadline_ns && now_ns - quiet_since_ns < STOP_QUIET_NS &&
	       !p->leave_now) {
		uint64_t before = drain_counters(p->drain)->bytes;

		drain_wake(p->drain);
		(void)pipeline_step(p);
		(void)p->env->ops->wait(p->env, STOP_TURN_NS);
		now_ns = p->env->ops->mono_ns(p->env);
		if (drain_counters(p->drain)->bytes != before ||
		    (p->receive && receive_busy(p->receive)))
			quiet_since_ns = now_ns;
	}
}

static void stop_sending(struct pipeline *p, uint64_t deadline_ns)
{
	for (uint32_t i = 0; i < p->destination_count; i++)
		export_flush(&p->destinations[i].export);
	while (!sent_and_archived(p) && p->env->ops->mono_ns(p->env) < deadline_ns &&
	       !p->leave_now) {
		int work;

		wal_sync_soon(p->wal); /* the archive waits for it */
		work = pipeline_step(p);
		/* Without waiting, too, for answers and a second signal. */
		(void)p->env->ops->wait(p->env, work ? 0 : STOP_TURN_NS);
		for (uint32_t i = 0; i < p->destination_count; i++)
			export_flush(&p->destinations[i].export);
	}
}

/* What was written last is safe from a power loss too. */
static void stop_syncing(struct pipeline *p, uint64_t deadline_ns)
{
	while (wal_synced_sequence(p->wal) != wal_logged_sequence(p->wal) &&
	       p->env->ops->mono_ns(p->env) < deadline_ns) {
		(void)wal_tick(p->wal, p->env->ops->mono_ns(p->env));
		(void)p->env->ops->wait(p->env, STOP_TURN_NS);
	}
}

static void stop_report(const struct pipeline *p)
{
	uint64_t last = wal_last_span_number(p->wal), unsent = 0;

	for (uint32_t i = 0; i < p->destination_count; i++)
		if (destination_unsent(&p->destinations[i], last) > unsent)
			unsent = destination_unsent(&p->destinations[i], last);
	log_line(LOG_NOTICE, "pipeline",
		 "stopped: spans logged %llu, not yet sent %llu, open %llu (kept in the log), "
		 "archived %llu, runs sealed %llu",
		 (unsigned long long)last, (unsigned long long)unsent,
		 (unsigned long long)assemble_counters(p->assemble)->open,
		 (unsigned long long)(p->archive ? archive_counters(p->archive)->archived : 0),
		 (unsigned long long)(p->archive ? archive_counters(p->archive)->sealed : 0));
}

void pipeline_stop(struct pipeline *p, uint64_t deadline_ns)
{
	uint64_t now_ns = p->env->ops->mono_ns(p->env), until = now_ns + deadline_ns;

	p->stopping = true;
	if (p->receive)
		receive_stop(p->receive);
	/* A third of the time at most goes to rings that never fall silent. */
	stop_draining(p, now_ns + deadline_ns / 3);
	assemble_flush(p->assemble);
	stop_sending(p, until);
	(void)pipeline_step(p);
	pipeline_mark_cursors(p, UINT64_MAX);
	commit(p);
	stop_syncing(p, until);
	stop_report(p);
}

bool pipeline_all_archived(const struct pipeline *p)
{
	const struct archive_counters *archive;

	if (pipeline_in_use(p) || assemble_counters(p->assemble)->open > 0)
		return false;
	if (!p->archive)
		return true;
	archive = archive_counters(p->archive);
	return archive_mark(p->archive) >= wal_last_span_number(p->wal) &&
	       archive->waiting == 0;
}
