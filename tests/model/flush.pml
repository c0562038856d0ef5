/* Flush and doorbell: libclient/flush.c and ring_doorbell(), agent/drain/round.c,
 * drain_before_sleep(), pipeline_step() and the helper thread that turns the
 * futex into an event. The agent may be killed at every step and starts again
 * from its log; ring, .ctl and agent.page stay.
 *
 * Shown: a flush that succeeds was answered by a round that began behind it, so
 * everything its process wrote before is in the log, and stays there; every
 * flush is answered; nobody waits for a poll unless the agent was killed or the
 * wake found the helper on its way back to the futex, and then for one poll at
 * most, whoever's comes first. Sequentially consistent memory, as the F1 and S1
 * accesses are.
 *
 * A poll (`timeout`) runs only where nothing else can: it stands for 20 ms of a
 * client in its futex, or 100 ms of the agent in its wait.
 *
 * Mutants, each of which must fail: -DBUG_FLUSH_LATE (flush_req is loaded behind
 * the marks), -DBUG_ACK_UNLOGGED (acknowledged before the commit),
 * -DBUG_ACK_NEWEST (the word is loaded again when it is acknowledged),
 * -DBUG_SLEEP_LATE (`sleeping` is set behind the look at flush_req),
 * -DBUG_BELL_EARLY (`sleeping` is loaded before flush_req is raised),
 * -DBUG_NO_POLL (both wait for the wake alone), -DBUG_TOLD_SURVIVES (a
 * restarted agent takes what was asked for as told), -DBUG_ONE_ACK (the answer
 * counts for one client, not for all before it). */

#define CLIENTS 2
#define CRASHES 1
#define POLLS 1

/* The ring: a block a client, one record each. */
byte committed[CLIENTS];
byte flush_req;

/* .ctl and agent.page. */
byte flush_ack;
bool sleeping;

/* The log: how much of each block is in it. */
byte logged[CLIENTS];

/* The helper and the agent's event. */
bool helper_waits; /* in FUTEX_WAIT */
bool helper_woken;
bool event;	   /* the eventfd */

/* What an observer knows. */
byte crashes, polls, wakes_missed, done;

/* ring_doorbell(always): wakes whoever is in the futex, if anybody is. */
inline ring_bell()
{
#ifndef BUG_BELL_EARLY
	asleep = sleeping; /* F1 */
#endif
	if
	:: asleep ->
		d_step {
			if
			:: helper_waits -> helper_waits = false; helper_woken = true
			:: else -> wakes_missed = 1
			fi
		}
	:: else -> skip
	fi
}

proctype client(byte me)
{
	byte request;
	bool asleep;

	committed[me] = 1; /* P2 */
#ifdef BUG_BELL_EARLY
	asleep = sleeping;
#endif
	d_step { flush_req++; request = flush_req } /* F1 */
	do /* wait_for_agent() */
	:: true ->
		if
#ifdef BUG_ONE_ACK
		:: flush_ack == request -> break
		:: flush_ack != request -> skip
#else
		:: flush_ack >= request -> break /* F4 */
		:: flush_ack < request -> skip
#endif
		fi;
		ring_bell();
		/* The futex compares flush_ack again. */
		if
#ifdef BUG_ONE_ACK
		:: flush_ack == request -> skip
#else
		:: flush_ack >= request -> skip
#endif
#ifndef BUG_NO_POLL
		:: timeout -> polls++; assert(polls <= POLLS)
#endif
		fi
	od;
	assert(logged[me] == 1);
	done++
}

active proctype helper()
{
end:	do
	:: helper_waits = true;
endw:		(helper_woken);
		helper_woken = false;
		event = true
	od
}

#define MAYBE_CRASH                                                            \
	if                                                                     \
	:: crashes < CRASHES -> crashes++; goto restart                        \
	:: skip                                                                \
	fi

active proctype agent()
{
	byte flush_told, round_flush, ack;
	byte mark[CLIENTS], drained[CLIENTS];

restart:
	/* Positions come from the log; nothing was told in this life. Whatever
	 * the event had to say, a start looks at everything. */
	skip;
	d_step {
#ifdef BUG_TOLD_SURVIVES
		flush_told = flush_req;
#else
		flush_told = 0;
#endif
		ack = 0;
		event = false;
		drained[0] = logged[0];
		drained[1] = logged[1]
	}
	do
	:: true ->
		/* round_worthwhile() */
		if
		:: flush_req != flush_told || committed[0] != drained[0] || committed[1] != drained[1] ->
			/* round_begin() */
#ifndef BUG_FLUSH_LATE
			round_flush = flush_req; /* F2 */
			MAYBE_CRASH;
#endif
			mark[0] = committed[0]; /* C2 */
			mark[1] = committed[1];
			MAYBE_CRASH;
#ifdef BUG_FLUSH_LATE
			round_flush = flush_req;
#endif
			/* round_run(), round_over() */
			d_step { drained[0] = mark[0]; drained[1] = mark[1] }
			if
			:: round_flush != flush_told -> flush_told = round_flush; ack = round_flush
			:: else -> skip
			fi;
#ifdef BUG_ACK_UNLOGGED
			if
			:: ack > 0 -> flush_ack = ack; ack = 0
			:: else -> skip
			fi;
#endif
			MAYBE_CRASH;
			/* commit() */
			d_step { logged[0] = drained[0]; logged[1] = drained[1] }
			MAYBE_CRASH;
			/* acknowledge_flushes() */
			if
			:: ack > 0 ->
#ifdef BUG_ACK_NEWEST
				flush_ack = flush_req;
#else
				flush_ack = ack; /* F3, and a wake of that futex */
#endif
				ack = 0
			:: else -> skip
			fi;
			MAYBE_CRASH
		:: else -> skip
		fi;
		/* pipeline_wait() */
#ifdef BUG_SLEEP_LATE
		if
		:: flush_req != flush_told -> skip
		:: else ->
			sleeping = true;
#else
		sleeping = true; /* S1 */
		if
		:: flush_req != flush_told -> skip /* S1 */
		:: else ->
#endif
endwait:		if
			:: event -> event = false
#ifndef BUG_NO_POLL
			:: done < CLIENTS && timeout -> polls++; assert(polls <= POLLS)
#endif
			fi
		fi;
		sleeping = false;
		MAYBE_CRASH
	od
}

init {
	atomic { run client(0); run client(1) }
}

/* An undisturbed flush waits for no clock. */
active proctype judge()
{
	(done == CLIENTS);
	assert(polls == 0 || crashes > 0 || wakes_missed > 0)
}
