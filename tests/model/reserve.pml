/* The room for ENDs: libclient/budget.c, blocks.c and blocks.h. Threads start
 * spans, set values, end spans, hand some to each other, and leave; the agent
 * gives back what was sealed; the process says its own end at any moment.
 *
 * A record takes one unit of a block, an END as well, so a block of the reserve
 * is worth UNITS ends. Names are those of the code.
 *
 * Shown: a span that is ended by the thread that started it always finds room,
 * whatever the others write; one that was handed over finds room or its id is
 * in lost_end; the process's own end always finds room; no more blocks are taken
 * than there are; the reserve is never given back twice, and what is reserved at
 * the end is what is still open, rounded up to blocks.
 *
 * Mutants, each of which must fail: -DBUG_TWO_WORDS (the count is checked, then
 * changed), -DBUG_VALUE_TAKES_ALL (a value leaves no reserve), -DBUG_NO_LIMIT
 * (values may use the rest of a block that was taken for an end),
 * -DBUG_SPARE_TWICE (what a thread left is taken and stays),
 * -DBUG_REFUSED_KEEPS (a START without room keeps its credit), -DBUG_LEAVE_LOSES
 * (a thread takes its credit along), -DBUG_NO_PROCESS (ends may take the blocks
 * of the process's end), -DBUG_END_FORGOTTEN (an END without room says nothing),
 * -DBUG_PROCESS_KEEPS (its block is kept although it has taken it),
 * -DBUG_STALE_RETURNED (an old `returned` is believed when it says full). */

#define UNITS 2
#define OF_PROCESS_END 1 /* before the process has said its end */

byte blocks;

/* struct ring: one word for these three, and `spare_credit`. */
byte taken, reserved, process_kept = OF_PROCESS_END;
byte spare;
/* ctl_header.returns, and what the agent may still return. */
byte returned, sealed;
byte lost_end;

/* What an observer knows. */
byte open_spans; /* everybody's */
byte given;	 /* handed over, to be ended by whoever likes */
bool handed;	 /* any at all, ever */
byte ended, ends_said;
byte gone;

#define FREE(t, r) (blocks - ((t) - (r)))

/* budget_is_full() and the exchange, for the count that `change` adds to. `returned` is
 * loaded first and only grows; what is free by an old one may be too little, so
 * a shortage counts only when it has stood still. The exchange fails when
 * anything came between it and the check, and is tried again: one step here. */
inline spend(counter, kept, ret)
{
	old_returned = returned;
	ret = 2;
	do
	:: ret == 2 ->
#ifdef BUG_TWO_WORDS
		ret = (FREE(taken, old_returned) > (kept) -> 1 : 2);
		counter = counter + (ret == 1);
#else
		d_step {
			ret = (FREE(taken, old_returned) > (kept) -> 1 : 2);
			counter = counter + (ret == 1)
		}
#endif
		if
		:: ret == 1 -> skip
#ifdef BUG_STALE_RETURNED
		:: ret == 2 -> ret = 0
#else
		:: ret == 2 && returned == old_returned -> ret = 0
		:: ret == 2 && returned != old_returned -> old_returned = returned
#endif
		fi
	:: else -> break
	od;
	assert(taken - returned <= blocks)
}

#define KEPT_BY_VALUES (process_kept + reserved)
#ifdef BUG_NO_PROCESS
#define KEPT_BY_ENDS 0
#else
#define KEPT_BY_ENDS process_kept
#endif

/* block_open() behind block_seal(). */
inline block_open()
{
	d_step {
		sealed = sealed + has_block;
		has_block = 1;
		room = UNITS;
		room_of_ends = UNITS
	}
}

/* writer_room(BLOCK_FOR_VALUE) and the record. */
inline write_value(ret)
{
	ret = 1;
	if
	:: room == 0 ->
#ifdef BUG_VALUE_TAKES_ALL
		spend(taken, process_kept, ret);
#else
		spend(taken, KEPT_BY_VALUES, ret);
#endif
		if
		:: ret -> block_open()
		:: else -> skip
		fi
	:: else -> skip
	fi;
	if
	:: ret -> d_step { room--; room_of_ends-- }
	:: else -> skip
	fi
}

/* spanring_span_end() within the gate. */
inline write_end()
{
	r = 1;
	if
	:: room_of_ends == 0 ->
		spend(taken, KEPT_BY_ENDS, r);
		if
		:: r ->
			block_open();
#ifndef BUG_NO_LIMIT
			/* budget_reserve_is_touched(): the word, then `returned`. */
			r = blocks - process_kept - taken - reserved;
			room = (((r + returned) & 255) >= 128 -> 0 : room); /* below zero */
			r = 1;
#endif
		:: else -> skip
		fi
	:: else -> skip
	fi;
	ended++;
	if
	:: r ->
		d_step {
			room_of_ends--;
			if
			:: room > 0 -> room--
			:: else -> skip
			fi;
			ends_said++
		}
	:: else ->
		/* Where no span changed hands, room was kept for it. */
		assert(handed);
#ifndef BUG_END_FORGOTTEN
		lost_end++; /* writer_end_lost() */
#endif
		skip
	fi
}

inline unreserve()
{
	d_step { assert(reserved > 0); reserved-- }
}

inline reserve_give()
{
	d_step { credit++ }
	do
	:: credit >= 2 * UNITS - UNITS / 2 ->
		d_step { credit = credit - UNITS }
		unreserve()
	:: else -> break
	od
}

/* Also reserve_take_slow(). */
inline reserve_take(ret)
{
	ret = 1;
	if
	:: credit == 0 ->
		d_step {
			credit = spare;
#ifndef BUG_SPARE_TWICE
			spare = 0
#endif
		}
	:: else -> skip
	fi;
	if
	:: credit == 0 ->
		spend(reserved, KEPT_BY_VALUES, ret); /* reserve() */
		if
		:: ret -> d_step { credit = credit + UNITS }
		:: else -> skip
		fi
	:: else -> skip
	fi;
	if
	:: ret -> d_step { credit-- }
	:: else -> skip
	fi
}

inline start()
{
	reserve_take(r);
	if
	:: r ->
		/* Until it is written or refused, the credit is a span's. */
		open_spans++;
		write_value(r);
		if
		:: r -> mine++
		:: else ->
			open_spans--;
#ifndef BUG_REFUSED_KEEPS
			reserve_give()
#endif
		fi
	:: else -> skip
	fi
}

inline end_span()
{
	write_end();
	open_spans--;
	reserve_give()
}

proctype thread(byte calls_max)
{
	byte credit, room, room_of_ends, has_block, mine, calls;
	byte old_returned, r;

	do
	:: calls < calls_max ->
		calls++;
		if
		:: start()
		:: mine > 0 -> write_value(r)
		:: mine > 0 -> mine--; end_span()
		:: mine > 0 -> d_step { mine--; given++; handed = true }
		:: atomic { given > 0 -> given-- }; end_span()
		fi
	:: break
	od;
	skip; /* thread_leave(): block_seal(), reserve_leave() */
	d_step { sealed = sealed + has_block; has_block = 0 }
#ifndef BUG_LEAVE_LOSES
	r = credit;
	d_step { r = r + spare; spare = 0; credit = 0 }
	do
	:: r >= UNITS -> unreserve(); r = r - UNITS
	:: else -> break
	od;
	spare = spare + r;
#endif
	gone++
}

/* block_take() is never waited for here: budget_wait() only tries again. */
proctype agent()
{
end:	do
	:: sealed > 0 -> d_step { sealed--; returned++ } /* R1, R2 */
	od
}

/* client_say_process_end(), perhaps from a signal handler. */
proctype process_end()
{
	byte old_returned, r;

	d_step { /* budget_cost(): with its own block it takes what was kept for it */
		r = FREE(taken, returned) > 0;
		taken = taken + r;
#ifndef BUG_PROCESS_KEEPS
		process_kept = 0
#endif
	}
	assert(r == 1);
	(gone == 2);
	assert(ended == ends_said + lost_end);
	assert(reserved * UNITS == open_spans + spare)
}

/* A thread that does nothing but fill blocks. */
proctype flooder(byte values)
{
	byte old_returned, r;

	do
	:: values > 0 ->
		values--;
		spend(taken, KEPT_BY_VALUES, r);
		sealed = sealed + r
	:: break
	od;
	gone++
}

/* Small rings with many calls, or one with room for both threads. */
init {
	atomic {
		if
		:: blocks = 3; run thread(5); run thread(2)
		:: blocks = 4; run thread(4); run flooder(2)
		:: blocks = 5; run thread(3); run thread(2)
		fi;
		run agent();
		run process_end()
	}
}
