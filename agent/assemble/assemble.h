/* Assembly: turns records into finished spans and keeps the runs.
 *
 * An open span is the concatenation of its records as they were drained
 * (START, ATTRIBUTE, ...), each with its place in the log; finishing is one
 * pass over them that writes the OTLP bytes (otlp/encode.h). When open spans
 * take much of `memory_bytes_max`, the largest values keep only their place
 * in the log and are loaded back at the end.
 *
 * A span is finished at the end of the first round of its ring that began
 * after its END was seen, because only then everything that happened before
 * END, on any thread, has been read. Records of another thread that come before
 * the START are parked for as long; then they are counted late. After an END,
 * records of the thread that wrote it are counted late; those of other threads
 * still belong to the span until it is finished.
 *
 * Death: see struct death. The open spans of a dead ring are ended, children
 * first, by records of ours behind their own:
 *   killed by a signal, non-zero exit, unknown   ERROR, message says how
 *   exited 0, shutdown, replaced by exec         status as it was
 * A cause that the kernel gave wins over the process's EXIT record; that record
 * is believed when nobody saw how the process ended, and without a code it says
 * "exited". PROCESS_END SIGTERM and SHUTDOWN need no death: by the round rule
 * they end, at their own time, what was open when they were written (SIGTERM
 * makes UNSET OK); spans begun later go on.
 *
 * The end is the last record's time of the whole process, or of the span where
 * the module gave it a later one. Attributes: spanring.end.reason (process_exit,
 * killed, unknown, sigterm, shutdown, replaced, end_lost, stale), spanring.end.signal
 * and .exit_code where known, and for a death the bounds
 * spanring.died_after_unix_nano and spanring.died_before_unix_nano; the event
 * process.died for unclean ends. Nothing the module set is replaced: its status
 * stays, and so does an attribute of the same name. spanring.suspended_ns and
 * spanring.clock_step_ns mark spans whose machine slept or whose wall clock was
 * set since their run began. Resources have spanring.uid and spanring.pid, see
 * otlp/encode.h: there it is the module that gives way.
 *
 * Stale: with stale_ttl_ns, an open span of a living process of which no record
 * came for so long is ended with ERROR, spanring.end.reason "stale" and the time
 * of its last record; it is exported and archived like any other. It is kept all
 * the same (STALE_KEPT_MAX of all processes together): what the module says of it
 * afterwards is counted (after_stale) and kept with it, and if its END comes
 * after all, the span is finished once more, with everything and without our
 * ending. Its run opens again, the archive replaces the span (one that we ended
 * gives way), a collector gets it a second time with the same ids. A process that
 * dies first leaves it as it was ended. The log marks the SPAN frame of a stale
 * span, so that all of this holds over a restart; silence is measured by the
 * agent's clock, for what was recovered by the record's own time.
 *
 * Memory: values of 4 KiB and more can leave it at any time, spans of many
 * smaller ones leave it between two batches through a STATE frame, and where that
 * is not enough those that have ended are finished without waiting for the round.
 * All this begins at 3/4 of memory_bytes_max, so that a burst within one batch
 * still finds room. What cannot leave is refused over 5/4 of it, or from
 * memory_bytes_max on from whom has its share (limit.h); END never, a span's first
 * STATUSes only from that one.
 *
 * In the log (behind wal_key; all numbers in native order):
 *   STATE of a span    struct span_state (recover.c), then its records, START
 *                      first if there is one
 *   STATE of a ring    span id zero; struct source_state (recover.c), then
 *                      RESOURCE, SCOPE and PROCESS_END records
 *   RUN                struct trace_run_state (trace_run.c), the service, the name of
 *                      its first span, struct run_ledger
 *   LEDGER             struct assemble_ledger
 *   PROCESS            struct process_state (process.c)
 *
 * The ledgers count since the log began, over any number of agents. A LEDGER
 * frame holds the counters as they were between the frames in front of it and
 * those behind; recovery takes them from there and goes on counting with what
 * follows. Records that waited for their START just then count as late. What
 * recovery finds open although the ledger says that it is not (a START that was
 * refused for want of room, in an earlier life) is counted as found again, what
 * it does not find (the log was damaged) as lost.
 *
 * The agent's thread alone calls this. */
#ifndef ASSEMBLE_ASSEMBLE_H
#define ASSEMBLE_ASSEMBLE_H

#include "base/counter.h"
#include "assemble/kinds.h"
#include "assemble/limit.h"
#include "base/env.h"
#include "base/finished_span.h"
#include "base/log_place.h"
#include "base/process.h"
#include "base/run_words.h"
#include "base/slice.h"

struct assemble_ops {
	/* A span is finished. -ENOBUFS, -ENOMEM: try again at the next tick;
	 * after any other error the span is dropped and counted as invalid.
	 * ret_number: its ordinal in the log. The bytes are borrowed. */
	int (*finished)(void *arg, struct finished_span *span, const uint8_t instance[16],
			const uint8_t span_id[8], uint64_t *ret_number);
	/* A run was seen for the first time (first START or first span). `user`: who
	 * began it, or USER_UNKNOWN. -ENOMEM: say it again. */
	int (*run_seen)(void *arg, const uint8_t trace_id[16], const struct run_words *words,
			uint64_t first_wall_ns, uint32_t user);
	/* Nothing of the run is open: seal it once span `last_number` is read.
	 * `complete`: its end was said explicitly. */
	void (*run_over)(void *arg, const uint8_t trace_id[16], uint64_t last_number,
			 bool complete);
	/* Payloads of STATE and RUN frames (the key is in front of them).
	 * ret_place: where the first byte of `state` lies, the key counted in,
	 * so that spilled values can be loaded from there. Span id zero: what is
	 * known of the ring itself (resource, scopes, its end). */
	int (*state)(void *arg, const uint8_t instance[16], const uint8_t span_id[8],
		     struct bytes state, struct log_place *ret_place);
	int (*run_state)(void *arg, const uint8_t trace_id[16], struct bytes state,
			 uint64_t *ret_segment);
	/* The payload of a PROCESS frame. -ENOBUFS: later. */
	int (*process_state)(void *arg, const struct process_key *key, struct bytes state,
			     uint64_t *ret_segment);
	/* Loads a value back from the log. What is no fault of the value
	 * (-ENOMEM, -ENOBUFS, -EAGAIN, -EINTR, -EMFILE, -ENFILE) is tried again;
	 * after any other error it is lost and the span goes on without it. */
	int (*load)(void *arg, const struct log_place *place, size_t len, uint8_t *at);
	void (*log)(void *arg, int priority, const char *line);
	void *arg;
};

struct assemble_options {
	uint64_t memory_bytes_max;	/* of open spans' records, 64 MiB */
	uint64_t idle_timeout_ns;	/* archive.idle_timeout, 10 s */
	uint64_t stale_ttl_ns;		/* 0: no span is ended for its silence */
	uint64_t run_forget_ns;		/* 24 h: how long an idle run keeps its clock offset */
	uint32_t open_spans_max;	/* all rings together; more are dropped and counted */
	struct assemble_limits limits;	/* of one module or user */
	const struct kind_rules *kinds; /* NULL: none. They may change between calls */
	uint8_t boot_id[16];		/* of this boot; zero: every ring is of this boot */
	uint64_t time_namespace;	/* of the agent; 0 unknown */
};

struct assemble_counters {
	/* Records: handed in = applied + parked + dropped_*, counted one by one.
	 * Physical numbers: a joined value counts its pieces. */
	uint64_t records, applied;
	uint64_t dropped_late, dropped_unknown_type, dropped_damaged, dropped_limit,
		dropped_duplicate_start, dropped_no_memory;
	uint64_t parked; /* now */
	/* Spans: started + received + found_again + corrected = finished +
	 * open + dropped_invalid + lost_in_log. */
	uint64_t started, finished, closed_by_death, end_lost;
	uint64_t received, found_again, lost_in_log;
	uint64_t stale, corrected;	      /* ended for their silence; finished once more */
	uint64_t after_stale;		      /* records of spans that were stale */
	uint64_t open;			      /* now */
	uint64_t memory_bytes, spilled_bytes; /* now */
	uint64_t dropped_invalid;	      /* spans refused for their content */
	uint64_t runs, runs_over;	      /* ever */
	uint64_t kinds_mapped;		      /* spans in the log whose kind a rule said */
	struct limit_counters limits;
};

/* The payload of the LEDGER frame; a later version appends members, and a
 * shorter payload has zeros there. */
struct assemble_ledger {
	uint64_t records, applied, parked;
	uint64_t dropped_late, dropped_unknown_type, dropped_damaged, dropped_limit,
		dropped_duplicate_start;
	uint64_t started, received, finished, dropped_invalid, found_again, lost_in_log;
	uint64_t closed_by_death, end_lost;
	uint64_t stale, corrected, after_stale;
	uint64_t dropped_no_memory;
};
_Static_assert(sizeof(struct assemble_ledger) == 160, "LEDGER of assembly");

/* The same of one run, at the end of a RUN frame; `archived` spans of it are in
 * its sealed file. */
struct run_ledger {
	uint64_t started, received, finished, dropped_invalid, found_again, lost_in_log;
	uint64_t archived;
	uint64_t corrected;
	uint64_t dropped_starts;  /* refused for want of room, the run being there */
	uint64_t dropped_records; /* the same of its spans' other records */
	uint64_t dropped_archive; /* spans that the archive lost, or could not print */
};
_Static_assert(sizeof(struct run_ledger) == 88, "ledger of a run");

/* What is known of a run, and of one of its processes, beside its spans. */
struct run_losses {
	uint64_t spans;	  /* that its processes began, and nobody has */
	uint64_t records; /* of spans that are there */
};

struct process_view {
	struct process_end end;
	/* Calls that it was refused since the run began: of this run, unless the
	 * process wrote of several at a time. */
	uint64_t refused;
};

/* For status. */
struct run_view {
	uint8_t trace_id[16];
	struct run_ledger ledger;
	uint64_t open;
	bool over;
	bool complete; /* its end was said explicitly */
};

struct open_span_view {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	struct bytes name;
	uint64_t start_wall_ns;
	uint32_t pid;
};

struct assemble; /* opaque */
int assemble_new(struct assemble **ret_assemble, struct env *env,
		 const struct assemble_options *options, const struct assemble_ops *ops);
void assemble_free(struct assemble *assemble);

/* `ring` is the drain's index. Seen again after recovery: matched by instance. */
int assemble_ring_seen(struct assemble *assemble, uint32_t ring,
		       const struct ring_identity *identity);
/* Before the log takes a batch: sets memory aside for what it may become, so that
 * it is applied whole. -ENOMEM: not now. */
int assemble_reserve(struct assemble *assemble, uint32_t ring, const struct slice *slices,
		     uint32_t n);
/* Slices that are in the log at (segment, offset), slice i's records at
 * payload offset offsets[i]. Never fails: what cannot be kept is counted. May
 * call run_seen, run_state and, to free memory, state. */
void assemble_push(struct assemble *assemble, uint32_t ring, const struct slice *slices,
		   uint32_t n, uint64_t segment, uint32_t offset, const uint32_t *offsets);
void assemble_round_end(struct assemble *assemble, uint32_t ring, uint64_t round);
/* The drain's news `settled`: spans whose END came are finished at once. */
void assemble_settled(struct assemble *assemble, uint32_t ring);
void assemble_end_lost(struct assemble *assemble, uint32_t ring, const uint8_t span_id[8]);
/* Ends everything of the ring. False while spans still wait for `finished` to
 * take them: call assemble_tick and ask assemble_ring_idle(). */
bool assemble_ring_dead(struct assemble *assemble, uint32_t ring, const struct death *death);
/* Calls that the ring's process was refused so far, against its will: full, no
 * memory, too large, in a handler. */
void assemble_ring_refused(struct assemble *assemble, uint32_t ring, uint64_t calls);
bool assemble_ring_idle(const struct assemble *assemble, uint32_t ring);
void assemble_ring_gone(struct assemble *assemble, uint32_t ring);

int assemble_tick(struct assemble *assemble, uint64_t now_ns);
uint64_t assemble_next_due(const struct assemble *assemble, uint64_t now_ns);
/* Says every run over that can be (shutdown of the agent): with no open span. */
void assemble_flush(struct assemble *assemble);

/* As in the options. What is open stays, even over a smaller limit. */
void assemble_set_limits(struct assemble *assemble, uint64_t memory_bytes_max,
			 uint64_t idle_timeout_ns, uint32_t open_spans_max,
			 uint64_t stale_ttl_ns, const struct assemble_limits *limits);

/* Whether run_over will still be called for this run. */
bool assemble_run_awaited(const struct assemble *assemble, const uint8_t trace_id[16]);

/* Whether the limits let one more received span into this run (-EDQUOT, counted).
 * Whoever sends is one user here: what comes over a socket has no other name. */
int assemble_admits(struct assemble *assemble, const uint8_t trace_id[16]);
/* A received span is in the log: it joins its run. */
void assemble_received(struct assemble *assemble, const struct finished_span *span);

/* Before the log takes a finished span, whoever finished it: gives it the kind that a
 * rule says, in bytes that live until the next call. -ENOMEM: not now. */
int assemble_map_kind(struct assemble *assemble, struct finished_span *span);

/* Recovery, in log order, before the first ring is seen. */
int assemble_recover_slices(struct assemble *assemble, const uint8_t instance[16],
			    const struct slice *slices, uint32_t n, uint64_t segment,
			    uint32_t offset, const uint32_t *offsets);
/* `place` is that of the first byte of `state`, as in ops.state. */
int assemble_recover_state(struct assemble *assemble, const uint8_t instance[16],
			   const uint8_t span_id[8], struct bytes state,
			   const struct log_place *place);
int assemble_recover_process(struct assemble *assemble, const struct process_key *key,
			     struct bytes state, uint64_t segment);
int assemble_recover_run(struct assemble *assemble, const uint8_t trace_id[16],
			 struct bytes state, uint64_t segment);
void assemble_recover_span(struct assemble *assemble, const struct finished_span *span,
			   const uint8_t instance[16], const uint8_t span_id[8]);
void assemble_recover_ring(struct assemble *assemble, const struct ring_identity *identity);
/* The ring is finished. What is still open of it was refused in an earlier life;
 * or, where the log in front of this frame was `damaged`, its end is lost: then
 * it is ended again. */
void assemble_recover_closed(struct assemble *assemble, const uint8_t instance[16],
			     bool damaged);
void assemble_recover_ledger(struct assemble *assemble, struct bytes ledger);
/* Everything was recovered, or there was nothing: what is open is compared with the
 * ledgers, and what comes from now on is news. */
void assemble_recovered(struct assemble *assemble);

/* Re-appends, through ops.state and ops.run_state, everything whose oldest
 * place in the log is `segment` or older, which is not the segment being
 * written. -ENOBUFS: call again. */
int assemble_carry(struct assemble *assemble, uint64_t segment);

/* The payload of the LEDGER frame. */
void assemble_ledger(const struct assemble *assemble, struct assemble_ledger *ret_ledger);
/* The run's sealed file holds this many spans. -ENOBUFS: the log does not take
 * it now. */
int assemble_run_archived(struct assemble *assemble, const uint8_t trace_id[16],
			  uint64_t spans);
/* The archive has lost so many spans of the run. */
void assemble_run_dropped(struct assemble *assemble, const uint8_t trace_id[16],
			  uint64_t spans);
/* False: nobody knows, the run was forgotten, or a restart lost it. */
bool assemble_run_losses(const struct assemble *assemble, const uint8_t trace_id[16],
			 struct run_losses *ret_losses);
void assemble_process(const struct assemble *assemble, const uint8_t trace_id[16],
		      const struct process_key *key, struct process_view *ret_view);
/* Calls `each` for runs with open spans or not over yet, then for those that
 * were over last, at most `max` altogether. */
void assemble_each_run(const struct assemble *assemble, uint32_t max,
		       void (*each)(void *arg, const struct run_view *view), void *arg);

const struct assemble_counters *assemble_counters(const struct assemble *assemble);
/* Their names: of the records, and of spans and runs. */
extern const struct counter_table assemble_record_table;
extern const struct counter_table assemble_span_table;
extern const struct counter_table assemble_limit_table;
/* Calls `each` for every open span, oldest first, at most `max`. */
void assemble_each_open(const struct assemble *assemble, uint32_t max,
			void (*each)(void *arg, const struct open_span_view *view), void *arg);

#endif
