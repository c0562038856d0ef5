/* The life of one block between a thread that may be killed at every store and
 * an agent that may be killed at every step and starts again from its log.
 * See the state table in include/wire/abi.h; labels are those of that file.
 *
 * Shown: whatever the writer published is in the log exactly once and in order,
 * whatever is killed and whenever; a block is never rewritten before its
 * records are logged; a restarted agent never takes back what it gave.
 *
 * Weak memory is not modelled: the ThreadSanitizer harness looks at that.
 *
 * Mutants, each of which must fail: -DBUG_TAKE_ORDER (generation before
 * committed is cleared), -DBUG_TRUST_RING (positions from shared memory at a
 * restart), -DBUG_RETURN_EARLY (given back before it is logged),
 * -DBUG_SEAL_UNLOGGED (given back without the seal in the log),
 * -DBUG_PUBLISH_FIRST (committed before the payload). */

#define CAPACITY 2 /* records a block holds */
#define RECORDS 5
#ifndef CRASHES
#define CRASHES 2
#endif

/* The ring: written by the client alone. */
byte slot[CAPACITY];
byte committed;
bool sealed;
byte generation;

/* The ctl file: written by the agent alone. */
byte returned;

/* The log. */
byte log_count;
byte log_value[RECORDS + 3];
byte log_generation; /* position of its newest frame */
byte log_end;
bool log_sealed;

/* What an observer knows. */
byte published;
bool writer_gone;
byte crashes;

#define MAYBE_KILLED                                                           \
	if                                                                     \
	:: goto gone                                                           \
	:: skip                                                                \
	fi

active proctype writer()
{
	byte next = 1;

	do
	:: next > RECORDS -> break
	:: next <= RECORDS && returned == generation -> /* T1: free, take it */
		MAYBE_KILLED;
#ifdef BUG_TAKE_ORDER
		generation++;
		MAYBE_KILLED;
		d_step { committed = 0; sealed = false }
#else
		d_step { committed = 0; sealed = false }
		MAYBE_KILLED;
		generation++; /* P1 */
#endif
	:: next <= RECORDS && returned != generation && !sealed && committed < CAPACITY ->
		MAYBE_KILLED;
#ifdef BUG_PUBLISH_FIRST
		d_step { committed++; published = next }
		MAYBE_KILLED;
		slot[committed - 1] = next;
#else
		slot[committed] = next;
		MAYBE_KILLED;
		d_step { committed++; published = next } /* P2 */
#endif
		next++
	:: returned != generation && !sealed && committed == CAPACITY ->
		MAYBE_KILLED;
		sealed = true /* P2 */
	:: next <= RECORDS && returned != generation && sealed ->
		(returned == generation) /* full: wait */
	od;
gone:
	writer_gone = true
}

#define MAYBE_CRASH                                                            \
	if                                                                     \
	:: crashes < CRASHES -> crashes++; goto restart                        \
	:: skip                                                                \
	fi

active proctype agent()
{
	byte seen_generation, mark, drained, i;
	bool seen_sealed, was_gone;

restart:
#ifdef BUG_TRUST_RING
	drained = 0;
#else
	/* Positions and the ctl file come from the log. */
	returned = (log_sealed -> log_generation : (log_generation > 0 -> log_generation - 1 : 0));
	drained = (log_generation == returned + 1 -> log_end : 0);
#endif
	do
	:: true ->
		was_gone = writer_gone;
		seen_generation = generation; /* C1 */
		if
		:: seen_generation == returned + 1 ->
			d_step { mark = committed; seen_sealed = sealed } /* C2 */
			assert(mark >= drained);
			if
#ifdef BUG_RETURN_EARLY
			:: seen_sealed && mark > drained ->
				returned = seen_generation;
				MAYBE_CRASH;
				goto append;
#endif
			:: mark > drained || (seen_sealed && !(log_sealed && log_generation == seen_generation)) ->
append:
				MAYBE_CRASH;
				d_step {
					i = drained;
					do
					:: i < mark ->
						assert(log_count < RECORDS + 3);
						log_value[log_count] = slot[i];
						log_count++;
						i++
					:: else -> break
					od;
					log_generation = seen_generation;
					log_end = mark;
#ifdef BUG_SEAL_UNLOGGED
					log_sealed = false;
#else
					log_sealed = seen_sealed;
#endif
					drained = mark
				}
				MAYBE_CRASH;
#ifdef BUG_SEAL_UNLOGGED
				if
				:: seen_sealed -> returned = seen_generation; drained = 0
				:: else -> skip
				fi
#endif
			:: else -> skip
			fi;
			if
			:: log_sealed && log_generation == seen_generation ->
				returned = seen_generation; /* R1 */
				drained = 0;
				MAYBE_CRASH
			:: else -> skip
			fi
		:: else ->
			/* Nothing but the block's own next life may be seen. */
			assert(seen_generation == returned)
		fi;
		if
		:: was_gone && log_count >= published -> break
		:: was_gone && log_count < published && !(seen_generation == returned + 1) ->
			assert(false) /* published, and out of reach */
		:: else -> skip
		fi
	od;
	assert(log_count == published);
	i = 0;
	do
	:: i < log_count -> assert(log_value[i] == i + 1); i++
	:: else -> break
	od
}
