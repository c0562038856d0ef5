#include "ring_view.h"
#include "spanring.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/dev/shm/test_sigterm.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", directory);
	return system(command);
}

static void expect(bool condition)
{
	if (!condition)
		_exit(99);
}

static void begin_tracing(void)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;

	signal(SIGTERM, SIG_DFL);
	options.directory = directory;
	options.ring_bytes_max = 1 << 20;
	expect(spanring_init(&options) == 0);
}

/* Runs `body` in a process of its own and returns its wait status. */
static int run(void (*body)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		begin_tracing();
		body();
		exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void assert_process_ends(size_t count, int reason)
{
	struct ring_view ring;

	assert_int_equal(ring_view_open(&ring, directory), 0);
	assert_int_equal(ring_view_count(&ring, WIRE_PROCESS_END), count);
	if (count)
		assert_int_equal(
			record_head(ring_view_nth(&ring, WIRE_PROCESS_END, 0)->bytes).aux,
			reason);
	ring_view_close(&ring);
}

static void start_one_span(void)
{
	struct spanring_span span;

	expect(spanring_enter(&span, "open", NULL) == 0);
}

static void by_default(void)
{
	start_one_span();
	expect(spanring_install_sigterm(0) == 0);
	raise(SIGTERM);
}

static void without_a_handler_the_process_still_dies_by_the_signal(void **state)
{
	int status = run(by_default);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_process_ends(1, WIRE_PROCESS_SIGTERM);
}

static void with_exit_0(void)
{
	start_one_span();
	expect(spanring_install_sigterm(0) == 0);
	expect(spanring_install_sigterm(SPANRING_SIGTERM_EXIT_0) == 0); /* flags change */
	raise(SIGTERM);
	_exit(98);
}

static void it_exits_0_where_that_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(run(with_exit_0), 0);
	assert_process_ends(1, WIRE_PROCESS_SIGTERM);
}

static volatile sig_atomic_t called;

static void plain_handler(int number)
{
	called = number;
}

static void with_handler(void)
{
	struct sigaction action = {.sa_handler = plain_handler};

	sigaction(SIGTERM, &action, NULL);
	start_one_span();
	expect(spanring_install_sigterm(SPANRING_SIGTERM_EXIT_0) == 0);
	expect(spanring_install_sigterm(SPANRING_SIGTERM_EXIT_0) == 0);
	errno = EXDEV;
	raise(SIGTERM);
	expect(errno == EXDEV);
	expect(called == SIGTERM);
	_exit(7);
}

static void the_handler_that_was_there_before_is_called(void **state)
{
	int status = run(with_handler);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_process_ends(1, WIRE_PROCESS_SIGTERM);
}

static void informed_handler(int number, siginfo_t *info, void *machine)
{
	sigset_t blocked;

	sigprocmask(SIG_BLOCK, NULL, &blocked);
	called = machine && info->si_signo == number && info->si_pid == getpid() &&
		 sigismember(&blocked, SIGUSR1);
}

static void with_informed_handler(void)
{
	struct sigaction action = {.sa_sigaction = informed_handler, .sa_flags = SA_SIGINFO};

	sigaddset(&action.sa_mask, SIGUSR1);
	sigaction(SIGTERM, &action, NULL);
	expect(spanring_install_sigterm(0) == 0);
	kill(getpid(), SIGTERM);
	expect(called);
	_exit(0);
}

static void its_information_and_mask_are_passed_on(void **state)
{
	(void)state;
	assert_int_equal(run(with_informed_handler), 0);
}

static void once_handler_then_default(void)
{
	struct sigaction action = {.sa_handler = plain_handler, .sa_flags = SA_RESETHAND};

	sigaction(SIGTERM, &action, NULL);
	expect(spanring_install_sigterm(SPANRING_SIGTERM_EXIT_0) == 0);
	raise(SIGTERM);
	expect(called == SIGTERM);
	raise(SIGTERM);
	_exit(98);
}

static void a_handler_for_once_is_called_once(void **state)
{
	int status = run(once_handler_then_default);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_process_ends(1, WIRE_PROCESS_SIGTERM);
}

static void ignored(void)
{
	struct sigaction now;

	signal(SIGTERM, SIG_IGN);
	start_one_span();
	expect(spanring_install_sigterm(0) == 0);
	sigaction(SIGTERM, NULL, &now);
	expect(now.sa_handler == SIG_IGN);
	raise(SIGTERM);
	_exit(5);
}

static void a_signal_that_is_ignored_stays_ignored(void **state)
{
	int status = run(ignored);

	(void)state;
	assert_int_equal(WEXITSTATUS(status), 5);
	assert_process_ends(0, 0);
}

static void without_tracing_it_only_passes_on(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		signal(SIGTERM, SIG_DFL);
		expect(spanring_install_sigterm(0) == 0);
		raise(SIGTERM);
		_exit(98);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static void an_unknown_flag_is_refused(void **state)
{
	(void)state;
	assert_int_equal(spanring_install_sigterm(0x80), -EINVAL);
}

static int ready_pipe[2];

static void *write_forever(void *unused)
{
	(void)unused;
	for (;;) {
		struct spanring_span span;

		spanring_start(&span, "busy", NULL);
		spanring_set_string(&span, "key", "value");
		spanring_end(&span);
	}
	return NULL;
}

static void busy_with_two_threads(void)
{
	pthread_t other;

	expect(spanring_install_sigterm(SPANRING_SIGTERM_EXIT_0) == 0);
	expect(pthread_create(&other, NULL, write_forever, NULL) == 0);
	expect(write(ready_pipe[1], "r", 1) == 1);
	write_forever(NULL);
}

/* The ring is soon full, which is when most calls are made: wherever the
 * signal comes, the record is in the ring and everything else is whole. */
static void the_record_is_written_wherever_the_signal_interrupts(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		struct timespec moment = {0, (i * 37 % 40) * 20000};
		int status;
		pid_t child;
		char byte;

		assert_int_equal(make_directory(NULL), 0);
		assert_int_equal(pipe(ready_pipe), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			begin_tracing();
			busy_with_two_threads();
		}
		assert_int_equal(read(ready_pipe[0], &byte, 1), 1);
		nanosleep(&moment, NULL); /* not to wait for something: to vary the moment */
		assert_int_equal(kill(child, SIGTERM), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		close(ready_pipe[0]);
		close(ready_pipe[1]);
		assert_int_equal(status, 0);
		assert_process_ends(1, WIRE_PROCESS_SIGTERM);
		assert_int_equal(remove_directory(NULL), 0);
	}
}

#define SIGTERM_TEST(test) \
	cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIGTERM_TEST(without_a_handler_the_process_still_dies_by_the_signal),
		SIGTERM_TEST(it_exits_0_where_that_is_asked_for),
		SIGTERM_TEST(the_handler_that_was_there_before_is_called),
		SIGTERM_TEST(its_information_and_mask_are_passed_on),
		SIGTERM_TEST(a_handler_for_once_is_called_once),
		SIGTERM_TEST(a_signal_that_is_ignored_stays_ignored),
		cmocka_unit_test(without_tracing_it_only_passes_on),
		cmocka_unit_test(an_unknown_flag_is_refused),
		cmocka_unit_test(the_record_is_written_wherever_the_signal_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
