/* The notes a writer keeps of its own calls, beside the tracing and without it:
 * one file per process, mapped and shared, so that they are complete at any
 * instruction. tests/e2e/kill_checker.py reads them; both sides know the plan:
 *
 * A process opens the span "life" (trace id and span id say which), and each of
 * its threads repeats a cycle of KILL_CYCLE calls with ascending numbers n:
 *	0	start, name "cycle <n>", attributes thread and n
 *	1-4	a string attribute "a<n>" (kill_value() says which)
 *	5	an event "e<n>" with the attribute n
 *	6	status OK
 *	7	end */
#ifndef E2E_KILL_NOTES_H
#define E2E_KILL_NOTES_H

#include <stdint.h>

#define KILL_MAGIC 0x6b696c6cu
#define KILL_THREADS 2 /* unless told otherwise */
#define KILL_THREADS_MAX 8
#define KILL_CALLS_MAX 32768u
#define KILL_CYCLE 8u
#define KILL_LARGE 800000u
#define KILL_LARGE_EVERY 1000u /* in each fourth life */
#define KILL_LARGE_AT 643u
/* As long as one value in a hundred of real runs. */
#define KILL_LONG 7247u
#define KILL_LONG_EVERY 100u
#define KILL_LONG_AT 58u

/* What became of a call. */
enum kill_note {
	KILL_NOT_CALLED = 0,
	KILL_CALLED = 1,   /* in progress, or the process was killed in it */
	KILL_RETURNED = 2, /* accepted: it must be in the archive */
	KILL_REFUSED = 3,  /* it must not */
};

/* Every access is relaxed: only the order of one process's own stores counts,
 * and a dead process has none left to make visible. */
struct kill_notes {
	uint32_t magic;
	uint32_t life;
	_Atomic uint32_t life_note; /* of the span "life" */
	_Atomic uint32_t calls;	    /* returned, of all threads; the killer's clock */
	_Atomic uint32_t stop;	    /* the threads end after their cycle */
	_Atomic uint32_t errors;    /* of init and of what must not fail */
	uint32_t threads;
	_Atomic uint8_t notes[KILL_THREADS_MAX][KILL_CALLS_MAX];
};

#endif
