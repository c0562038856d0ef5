/* Threads that end in ways that tell nobody.
 *
 *	threads exits ROUNDS	by a raw exit(2), after a span each
 *	threads cancels ROUNDS	cancelled at any instruction while they write
 *	threads leaves ROUNDS	by pthread_exit() from a handler, in mid-write
 *	threads main		main() leaves by pthread_exit(), another goes on
 *	threads points		a pending cancellation and calls of ours
 *
 * The ring is the smallest there is: what a thread kept for ever would soon be
 * missed. */
#include "told.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#define WAIT_MS 60000
#define AT_ONCE 4

static struct spanring_span root;
static _Atomic unsigned long written;

static void begin(void)
{
	told_init(1 << 20, WAIT_MS);
	told_check(told_start(&root, "root", NULL) == 0);
}

/* The process records as if nothing had been, and had nothing refused. */
static void end(long rounds)
{
	struct spanring_report report = SPANRING_REPORT_INIT;

	for (long i = 0; i < rounds; i++)
		told_check(spanring_set_int(&root, "after", i) == 0);
	told_span("after");
	told_check(spanring_state(&report) == 1);
	told_check(report.refused_ring_full == 0);
	told_check(report.refused_reentrant == 0);
	told_check(report.refused_no_memory == 0);
	told_check(report.ends_lost == 0);
	told_check(told_end(&root) == 0);
	told_check(spanring_shutdown() == 0);
}

/* ---- raw exits ------------------------------------------------------------- */

static void *leave_raw(void *unused)
{
	told_span("of a thread that left");
	(void)syscall(SYS_exit, 0);
	return unused;
}

static void exits(long rounds)
{
	pthread_t threads[AT_ONCE];

	begin();
	for (long i = 0; i < rounds; i += AT_ONCE) {
		for (int t = 0; t < AT_ONCE; t++)
			told_check(pthread_create(&threads[t], NULL, leave_raw, NULL) == 0);
		for (int t = 0; t < AT_ONCE; t++)
			told_check(pthread_join(threads[t], NULL) == 0);
	}
	end(100);
}

/* ---- cancelled, or left, in a write ------------------------------------------ */

static char large[40000];

static void write_for_ever(void)
{
	struct spanring_span span;

	for (unsigned long n = 0;; n++) {
		told_check(spanring_start_with(&span, "cancelled", .parent = &root) == 0);
		told_check(spanring_set_string(&span, "key", "value") == 0);
		if (n % 8 == 0)
			told_check(spanring_set_string_n(&span, "large", large, sizeof large) ==
				   0);
		told_check(spanring_end(&span) == 0);
		atomic_fetch_add(&written, 1);
	}
}

static void *be_cancelled(void *unused)
{
	(void)pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	write_for_ever();
	return unused;
}

static void leave(int signal)
{
	(void)signal;
	pthread_exit(NULL);
}

static void *leave_by_signal(void *unused)
{
	write_for_ever();
	return unused;
}

static void interrupt(long rounds, void *(*life)(void *), int (*stop)(pthread_t))
{
	pthread_t threads[AT_ONCE];

	memset(large, 'v', sizeof large);
	begin();
	for (long i = 0; i < rounds; i += AT_ONCE) {
		unsigned long before = atomic_load(&written);

		for (int t = 0; t < AT_ONCE; t++)
			told_check(pthread_create(&threads[t], NULL, life, NULL) == 0);
		while (atomic_load(&written) - before < (unsigned long)(i % 28 + 1))
			(void)nanosleep(&(struct timespec){0, 50000}, NULL);
		for (int t = 0; t < AT_ONCE; t++)
			told_check(stop(threads[t]) == 0);
		for (int t = 0; t < AT_ONCE; t++)
			told_check(pthread_join(threads[t], NULL) == 0);
	}
	end(100);
}

static int interrupt_by_signal(pthread_t thread)
{
	return pthread_kill(thread, SIGUSR1);
}

/* ---- main leaves -------------------------------------------------------------- */

static pthread_t main_thread;

static void *outlive_main(void *unused)
{
	told_check(pthread_join(main_thread, NULL) == 0);
	for (int i = 0; i < 1000; i++)
		told_check(spanring_set_int(&root, "alone", i) == 0);
	told_span("after main");
	told_check(spanring_flush(WAIT_MS) == 0);
	told_check(told_end(&root) == 0);
	exit(0);
	return unused;
}

static void leave_main(void)
{
	pthread_t thread;

	begin();
	main_thread = pthread_self();
	told_check(pthread_create(&thread, NULL, outlive_main, NULL) == 0);
	pthread_exit(NULL);
}

/* ---- cancellation points --------------------------------------------------------- */

static atomic_bool may_go, came_back;

/* The cancellation waits from the beginning; no call of ours may act on it. */
static void *call_everything(void *unused)
{
	struct spanring_span span;

	while (!atomic_load(&may_go))
		;
	told_check(spanring_start_with(&span, "cancelled later", .parent = &root) == 0);
	for (int i = 0; i < 2000; i++)
		told_check(spanring_set_string_n(&span, "large", large, sizeof large) == 0);
	told_check(spanring_flush(WAIT_MS) == 0);
	told_check(spanring_end(&span) == 0);
	told_check(spanring_shutdown() == 0);
	told_check(spanring_init(NULL) == 0);
	atomic_store(&came_back, true);
	pthread_testcancel();
	return unused;
}

static void points(void)
{
	void *result = NULL;
	pthread_t thread;
	int state;

	begin();
	/* told() opens files, which acts on a cancellation: it says nothing
	 * unless something failed. */
	told_check(pthread_create(&thread, NULL, call_everything, NULL) == 0);
	told_check(pthread_cancel(thread) == 0);
	atomic_store(&may_go, true);
	told_check(pthread_join(thread, &result) == 0);
	told_check(atomic_load(&came_back));
	told_check(result == PTHREAD_CANCELED);
	told_check(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state) == 0 &&
		   state == PTHREAD_CANCEL_ENABLE);
	told_span("after");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

	(void)signal(SIGUSR1, leave);
	if (strcmp(what, "exits") == 0)
		exits(rounds);
	else if (strcmp(what, "cancels") == 0)
		interrupt(rounds, be_cancelled, pthread_cancel);
	else if (strcmp(what, "leaves") == 0)
		interrupt(rounds, leave_by_signal, interrupt_by_signal);
	else if (strcmp(what, "main") == 0)
		leave_main();
	else if (strcmp(what, "points") == 0)
		points();
	else
		return 2;
	return 0;
}
