/* Why a span is finished at the end of the first round that BEGAN after its END
 * was seen. Thread A starts a span and hands it to thread B; B sets an
 * attribute in a block of its own, tells A, and A ends the span. The agent
 * loads the marks of all blocks one after the other, so it can see A's END in
 * a round whose look at B's block came before B's attribute.
 *
 * Thread B crosses from one block to the next, so the rule that a block is read
 * only when the one before was seen sealed is in it too.
 *
 * While no thread has ever written of another's span, the agent need not wait
 * for a round: the word `shared` (S1, S2 in include/wire/abi.h) tells it.
 *
 * Mutants, each of which must fail: -DBUG_SAME_ROUND (finish at the end of the
 * round that saw END), -DBUG_NO_SEAL_ORDER (read block n + 1 of a thread though
 * block n was not seen sealed), -DBUG_SHARE_LATE (the word is set when the other
 * thread knows already), -DBUG_SHARE_STALE (the agent looked at the word before
 * it took the marks). */

byte a_committed;	   /* 1: START, 2: END */
byte b_committed[2];	   /* B's first block takes one record, its second another */
bool b_sealed;		   /* the first block */
bool b_asked, b_done;
bool shared;

byte b_read;		   /* records of B that were read, in order */
bool started, end_seen, finished, out_of_order;

active proctype thread_a()
{
	a_committed = 1;   /* START */
	b_asked = true;
	(b_done);
	a_committed = 2	   /* END */
}

active proctype thread_b()
{
	(b_asked);
#ifndef BUG_SHARE_LATE
	shared = true; /* S1 */
#endif
	b_committed[0] = 1;
	b_sealed = true;
	b_committed[1] = 1;
	b_done = true;
#ifdef BUG_SHARE_LATE
	shared = true
#endif
}

active proctype agent()
{
	byte mark_a, mark_b0, mark_b1;
	bool seal, end_seen_before, shared_before;

	do
	:: !finished ->
		end_seen_before = end_seen;
		shared_before = shared;
		/* The marks, in any order of the blocks. */
		if
		:: mark_a = a_committed; mark_b1 = b_committed[1]; mark_b0 = b_committed[0]; seal = b_sealed
		:: mark_b0 = b_committed[0]; seal = b_sealed; mark_b1 = b_committed[1]; mark_a = a_committed
		:: seal = b_sealed; mark_b0 = b_committed[0]; mark_a = a_committed; mark_b1 = b_committed[1]
		:: mark_b1 = b_committed[1]; mark_a = a_committed; seal = b_sealed; mark_b0 = b_committed[0]
		fi;
		if
		:: mark_b0 > 0 && b_read == 0 -> b_read = 1
		:: else -> skip
		fi;
#ifdef BUG_NO_SEAL_ORDER
		if
		:: mark_b1 > 0 && b_read == 0 -> out_of_order = true
		:: mark_b1 > 0 && b_read == 1 -> b_read = 2
		:: else -> skip
		fi;
#else
		if
		:: seal && mark_b1 > 0 && b_read == 1 -> b_read = 2
		:: else -> skip
		fi;
#endif
		assert(!out_of_order);
		started = started || mark_a >= 1;
		end_seen = end_seen || mark_a == 2;
		if
#ifdef BUG_SAME_ROUND
		:: end_seen -> finished = true
#else
		:: end_seen_before -> finished = true
#endif
#ifdef BUG_SHARE_STALE
		:: end_seen && !shared_before -> finished = true
#else
		:: end_seen && !shared -> finished = true /* S2 */
#endif
		:: else -> skip
		fi
	:: finished -> break
	od;
	/* Everything that happened before END is part of the span. */
	assert(b_read == 2)
}
