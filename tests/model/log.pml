/* The log, its cleaning and a restart: pipeline_step(), pipeline_keep_log_small()
 * with drain_carry(), assemble_carry(), carry_cursors() and archive_carry(),
 * agent/wal/sync.c, and what recovery makes of what is left. The agent is killed,
 * or the power is cut, between any two steps; a cut drops any of the frames that
 * were not synced, not only the last ones, and brings back files whose removal
 * was not synced (the newest removals first: they are journaled in order).
 *
 * One ring, two spans with a START and an END each, one destination, one
 * archive. A frame is a kind and a number; FRAMES of them are a segment.
 *
 * Shown, by replaying after each death what is left of the log beside everything
 * that ever survived in it: both give the same ring, position, open spans, cursor
 * and mark; every finished span is found behind the cursor and behind the mark
 * if it was not sent or archived for good; no record was given back to the ring
 * that is not in the log; and a kill alone takes nothing of what was written.
 *
 * Mutants, each of which must fail: -DBUG_NO_RING_CARRY, -DBUG_NO_SPAN_CARRY,
 * -DBUG_NO_CURSOR_CARRY, -DBUG_NO_MARK_CARRY (each left behind in a segment that
 * goes), -DBUG_DELETE_UNSYNCED (removed before what was carried is synced),
 * -DBUG_SYNC_COVERS_ALL (a sync counts for what was written while it ran),
 * -DBUG_IGNORE_ARCHIVE, -DBUG_IGNORE_CURSOR (released although not archived, or
 * not marked as sent), -DBUG_CURSOR_UNLOGGED (released when it was sent, before
 * the log says so), -DBUG_MARK_UNSYNCED (the mark says what the archive's disk
 * has not got yet), -DBUG_RETURN_UNLOGGED (blocks go back before the commit),
 * -DBUG_STATE_WITHOUT_END (a carried span forgets that it has ended). */

#define LENGTH 16
#define FRAMES 3
#define DEATHS 1
#define RECORDS 4
#define NONE 255

/* Kinds of frames; the number says which record, span, or how far. */
#define RING 1	  /* everything of the ring: known, and drained up to .. */
#define RECORD 2  /* drained record .. */
#define STATE 3	  /* everything of open span .. (+ 2: it has ended) */
#define SPAN 4	  /* finished span ..; its ordinal is counted */
#define CURSOR 5  /* sent up to ordinal .. */
#define MARK 6	  /* archived up to ordinal .. */

/* The disk. */
byte kind[LENGTH], value[LENGTH];
bool lost[LENGTH];    /* by a cut */
byte written;	      /* frames */
byte durable;	      /* of them, whatever happens */
byte deleted, deleted_for_good; /* segments */
byte archived;	      /* ordinals in the archive's files, synced there */

/* The ring: records 1 to RECORDS are START 0, START 1, END 0, END 1. */
byte returned;

/* What an observer knows. */
byte deaths;
bool ring_gone;

/* The agent's memory. */
byte added;	  /* frames, written or pending */
byte position;	  /* drained */
byte open[2];	  /* 0 no, 1 open, 2 ended */
byte place[2];	  /* segment of the oldest frame of an open span */
byte ordinal, sent, cursor, cursor_segment;
byte mark, mark_segment;
byte ring_segment;
byte released, release_frames[LENGTH / FRAMES + 1];
byte synced;	  /* frames, as far as it knows */
byte sync_upto;	  /* of a sync that runs; NONE: none does */
byte sync_deleted;

/* What a replay found. */
byte found_ring[2], found_position[2], found_open0[2], found_open1[2];
byte found_cursor[2], found_mark[2], found_ordinal[2];

#define SEGMENT(frame) ((frame) / FRAMES)

inline add(k, v)
{
	assert(added < LENGTH);
	kind[added] = k;
	value[added] = v;
	added++
}

/* `first` is the first segment that is read. The same rules as recover_entry()
 * follows; SPAN frames count themselves. */
inline replay(which, first)
{
	found_ring[which] = 0;
	found_position[which] = 0;
	found_open0[which] = 0;
	found_open1[which] = 0;
	found_cursor[which] = 0;
	found_mark[which] = 0;
	found_ordinal[which] = 0;
	i = 0;
	do
	:: i < written ->
		if
		:: SEGMENT(i) < first || lost[i] -> skip
		:: else ->
			if
			:: kind[i] == RING -> found_ring[which] = 1; found_position[which] = value[i]
			:: kind[i] == RECORD ->
				found_position[which] = value[i];
				if
				:: value[i] == 1 -> found_open0[which] = 1
				:: value[i] == 2 -> found_open1[which] = 1
				:: value[i] == 3 && found_open0[which] -> found_open0[which] = 2
				:: value[i] == 4 && found_open1[which] -> found_open1[which] = 2
				:: else -> skip
				fi
			:: kind[i] == STATE && value[i] % 2 == 0 -> found_open0[which] = 1 + value[i] / 2
			:: kind[i] == STATE && value[i] % 2 == 1 -> found_open1[which] = 1 + value[i] / 2
			:: kind[i] == SPAN ->
				if
				:: value[i] % 2 == 0 -> found_open0[which] = 0
				:: else -> found_open1[which] = 0
				fi;
				found_ordinal[which] = value[i] / 2
			:: kind[i] == CURSOR -> found_cursor[which] = value[i]
			:: kind[i] == MARK -> found_mark[which] = value[i]
			:: else -> skip
			fi
		fi;
		i++
	:: else -> break
	od
}

/* Every finished span above `upto` must still be there to be read. */
inline all_there(upto, first)
{
	i = 0;
	do
	:: i < written ->
		assert(!(kind[i] == SPAN && !lost[i] && value[i] / 2 > upto && SEGMENT(i) < first));
		i++
	:: else -> break
	od
}

/* A death: what is left is compared, and taken up again. */
inline restart()
{
	skip;
	d_step {
		replay(0, 0);
		replay(1, deleted);
		assert(found_ring[1] == found_ring[0]);
		assert(found_position[1] == found_position[0]);
		assert(found_open0[1] == found_open0[0]);
		assert(found_open1[1] == found_open1[0]);
		assert(found_cursor[1] == found_cursor[0]);
		assert(found_mark[1] == found_mark[0]);
		/* A kill alone, with nothing pending, takes nothing away. */
		assert(ring_gone || added != written || found_open0[1] == open[0]);
		assert(ring_gone || added != written || found_open1[1] == open[1]);
		all_there(found_cursor[1], deleted);
		all_there(archived, deleted);
		assert(found_mark[1] <= archived);
		assert(returned <= found_position[1]);
		/* pipeline_recover(): the places are those of the frames found. */
		position = found_position[1];
		open[0] = found_open0[1];
		open[1] = found_open1[1];
		ordinal = (found_ordinal[1] > found_ordinal[0] -> found_ordinal[1] : found_ordinal[0]);
		cursor = found_cursor[1];
		sent = cursor;
		mark = found_mark[1];
		ring_segment = NONE;
		place[0] = NONE;
		place[1] = NONE;
		cursor_segment = NONE;
		mark_segment = NONE;
		i = deleted * FRAMES;
		last = 0; /* whether the ring itself was found */
		do
		:: i < written ->
			if
			:: lost[i] -> skip
			:: kind[i] == RING -> ring_segment = SEGMENT(i); last = 1
			:: kind[i] == RECORD ->
				/* Its RING frame may be gone: drain_recover_slices(). */
				ring_segment = (last -> ring_segment : SEGMENT(i));
				if
				:: value[i] <= 2 -> place[value[i] - 1] = SEGMENT(i)
				:: else -> skip
				fi
			:: kind[i] == STATE -> place[value[i] % 2] = SEGMENT(i)
			:: kind[i] == CURSOR -> cursor_segment = SEGMENT(i)
			:: kind[i] == MARK -> mark_segment = SEGMENT(i)
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		/* What was found is synced before anything else happens, and what
		 * comes begins a segment of its own. */
		do
		:: written % FRAMES != 0 && written < LENGTH ->
			kind[written] = 0;
			lost[written] = true;
			written++
		:: else -> break
		od;
		synced = written;
		durable = written;
		added = written;
		deleted_for_good = deleted;
		released = deleted;
		sync_upto = NONE;
		i = 0;
		do
		:: i < 2 ->
			found_ring[i] = 0;
			found_position[i] = 0;
			found_open0[i] = 0;
			found_open1[i] = 0;
			found_cursor[i] = 0;
			found_mark[i] = 0;
			found_ordinal[i] = 0;
			i++
		:: else -> break
		od;
		i = 0;
		last = 0;
		deaths++
	}
}

#define ROOM(n) (added + (n) <= LENGTH)

/* What the oldest segment still has that is needed, in frames. */
#define CARRY_MAX 5

inline carry(s)
{
#ifndef BUG_NO_RING_CARRY
	if /* drain_carry() */
	:: ring_segment != NONE && ring_segment <= s ->
		add(RING, position);
		ring_segment = SEGMENT(added - 1)
	:: else -> skip
	fi;
#endif
#ifndef BUG_NO_SPAN_CARRY
	i = 0;
	do /* assemble_carry() */
	:: i < 2 ->
		if
		:: open[i] && place[i] <= s ->
#ifdef BUG_STATE_WITHOUT_END
			add(STATE, i);
#else
			add(STATE, i + 2 * (open[i] - 1));
#endif
			place[i] = SEGMENT(added - 1)
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
#endif
#ifndef BUG_NO_CURSOR_CARRY
	if /* carry_cursors() */
	:: cursor_segment != NONE && cursor_segment <= s -> mark_cursor()
	:: else -> skip
	fi;
#endif
#ifndef BUG_NO_MARK_CARRY
	if /* archive_carry() */
	:: mark_segment != NONE && mark_segment <= s ->
		add(MARK, mark);
		mark_segment = SEGMENT(added - 1)
	:: else -> skip
	fi;
#endif
	skip
}

inline mark_cursor()
{
	add(CURSOR, sent);
	cursor = sent;
	cursor_segment = SEGMENT(added - 1)
}

/* everybody_passed(), may_delete_first() */
#ifdef BUG_IGNORE_ARCHIVE
#define ARCHIVE_PASSED(ordinal) true
#else
#define ARCHIVE_PASSED(ordinal) (mark >= ordinal)
#endif
#ifdef BUG_IGNORE_CURSOR
#define CURSOR_PASSED(ordinal) true
#else
#ifdef BUG_CURSOR_UNLOGGED
#define CURSOR_PASSED(ordinal) (sent >= ordinal)
#else
#define CURSOR_PASSED(ordinal) (cursor >= ordinal)
#endif
#endif
#ifdef BUG_DELETE_UNSYNCED
#define IS_SAFE(frames) true
#else
#define IS_SAFE(frames) (frames <= synced)
#endif

/* The highest ordinal in a segment, or before it. */
inline last_ordinal(s, ret)
{
	ret = 0;
	i = 0;
	do
	:: i < added && SEGMENT(i) <= s ->
		if
		:: kind[i] == SPAN && !lost[i] -> ret = value[i] / 2
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

#define FINISHED(s) (open[s] == 2 || (open[s] == 1 && ring_gone))

inline finish(s)
{
	ordinal++;
	add(SPAN, s + 2 * ordinal);
	open[s] = 0;
	place[s] = NONE
}

inline take_record(record, segment)
{
	if
	:: record <= 2 -> open[record - 1] = 1; place[record - 1] = segment
	:: record > 2 && open[record - 3] -> open[record - 3] = 2
	:: else -> skip
	fi
}

inline put_mark(upto)
{
	d_step { mark = upto; add(MARK, mark); mark_segment = SEGMENT(added - 1) }
}

inline sync_answer()
{
	d_step {
#ifdef BUG_SYNC_COVERS_ALL
		synced = written;
#else
		synced = sync_upto;
#endif
		durable = sync_upto;
		deleted_for_good = sync_deleted;
		sync_upto = NONE
	}
}

/* pipeline_keep_log_small(): the oldest segment, if it is not the last. */
inline keep_log_small()
{
	d_step {
		if
		:: released < SEGMENT(added - 1) && ROOM(CARRY_MAX) ->
			last_ordinal(released, last);
			if
			:: ARCHIVE_PASSED(last) && CURSOR_PASSED(last) ->
				carry(released);
				written = added; /* wal_commit() */
				release_frames[released] = added;
				released++ /* wal_release() */
			:: else -> skip
			fi
		:: else -> skip
		fi
	}
}

/* Of what was not synced any frame may be gone, and any removal that was not
 * synced may be undone; with the machine goes the ring. */
inline cut()
{
	i = durable;
	do
	:: i < written ->
		if
		:: lost[i] = true
		:: skip
		fi;
		i++
	:: else -> break
	od;
	do
	:: deleted > deleted_for_good -> deleted--
	:: break
	od;
	i = 0;
	returned = 0;
	ring_gone = true
}

#define MAYBE_DEAD                                                             \
	if                                                                     \
	:: deaths < DEATHS -> goto killed                                      \
	:: deaths < DEATHS && !ring_gone -> goto power                         \
	:: skip                                                                \
	fi

active proctype agent()
{
	byte i, last;

	sync_upto = NONE;
	cursor_segment = NONE;
	mark_segment = NONE;
	place[0] = NONE;
	place[1] = NONE;
	ring_segment = NONE;
	do
	:: false ->
power:		cut();
killed:		restart()
	:: deaths == DEATHS -> break
	:: deaths < DEATHS -> /* pipeline_step() */
		MAYBE_DEAD;
		d_step { /* find_attach(): the ring is in the log before its records */
			if
			:: !ring_gone && ring_segment == NONE && ROOM(1 + CARRY_MAX) ->
				add(RING, position);
				ring_segment = SEGMENT(added - 1)
			:: else -> skip
			fi
		}
		d_step { /* drain_tick(): records, and what they do to spans */
			if
			:: !ring_gone && ring_segment != NONE && position < RECORDS &&
			   ROOM(1 + CARRY_MAX) ->
				position++;
				add(RECORD, position);
				take_record(position, SEGMENT(added - 1))
			:: else -> skip
			fi
		}
#ifdef BUG_RETURN_UNLOGGED
		returned = position;
		MAYBE_DEAD;
#endif
		if /* assemble_tick(): a span that has ended, or whose ring is dead; the
		    * round after that may yet have to come */
		:: FINISHED(0) && ROOM(1 + CARRY_MAX) -> d_step { finish(0) }
		:: FINISHED(1) && ROOM(1 + CARRY_MAX) -> d_step { finish(1) }
		:: skip
		fi;
		MAYBE_DEAD;
		written = added; /* wal_commit() */
		MAYBE_DEAD;
		returned = position; /* drain_logged() */
		if /* the destination answers, or does not */
		:: sent < ordinal -> sent = ordinal
		:: skip
		fi;
		if /* archive_tick(): the spool is synced, then the mark says so */
		:: mark < ordinal && ROOM(1 + CARRY_MAX) ->
#ifdef BUG_MARK_UNSYNCED
			put_mark(ordinal);
			written = added;
			MAYBE_DEAD;
			archived = ordinal
#else
			archived = ordinal;
			MAYBE_DEAD;
			put_mark(archived)
#endif
		:: skip
		fi;
		MAYBE_DEAD;
		d_step { /* pipeline_mark_cursors() */
			if
			:: cursor < sent && ROOM(1 + CARRY_MAX) -> mark_cursor()
			:: else -> skip
			fi
		}
		MAYBE_DEAD;
		keep_log_small();
		written = added;
		if /* wal_tick(): a sync begins; one that runs is answered, or not yet */
		:: sync_upto == NONE && synced < written ->
			d_step { sync_upto = written; sync_deleted = deleted }
		:: sync_upto != NONE -> sync_answer()
		:: sync_upto != NONE -> skip
		:: else -> skip
		fi;
		d_step { /* delete_released() */
			if
			:: deleted < released && IS_SAFE(release_frames[deleted]) -> deleted++
			:: else -> skip
			fi
		}
	od
}
