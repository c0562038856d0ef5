/* A process that has open spans and makes others, in every way there is.
 *
 *	forks ROUNDS	each way so many times
 *	forks storm RATE SECONDS	RATE children a second, 3 spans each, _exit */
#include "told.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static struct spanring_span root; /* open in the parent all the time */

/* ---- children ------------------------------------------------------------- */

/* Its parent's spans are silent, its own are recorded in a ring of its own. */
static void child_life(const char *name)
{
	struct spanring_report report = SPANRING_REPORT_INIT;
	struct spanring_span inherited = root, open;

	told_check(!spanring_is_recording(&inherited));
	told_check(spanring_set_int(&inherited, "k", 1) == -ECHILD);
	told_span(name);
	told_check(spanring_state(&report) == 1 && report.refused_inherited == 0);
	told_check(spanring_end(&inherited) == -ECHILD);
	told_check(told_start(&open, "left open", NULL) == 0);
}

static void wait_for_child(pid_t pid, int expected)
{
	int status = -1;

	told_check(pid > 0);
	told_check(waitpid(pid, &status, 0) == pid && status == expected);
}

static void by_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		child_life("child of fork");
		_exit(0);
	}
	wait_for_child(pid, 0);
}

static void by__Fork(void)
{
	pid_t pid = _Fork();

	if (pid == 0) {
		child_life("child of _Fork");
		_exit(0);
	}
	wait_for_child(pid, 0);
}

static void by_clone(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		child_life("child of clone");
		_exit(0);
	}
	wait_for_child(pid, 0);
}

static void by_double_fork(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	told_check(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			close(ends[0]);
			child_life("grandchild");
			_exit(0);
		}
		_exit(0);
	}
	close(ends[1]);
	wait_for_child(pid, 0);
	told_check(read(ends[0], &byte, 1) == 0); /* until the grandchild is gone */
	close(ends[0]);
}

static void by_vfork(void)
{
	char name[] = "true";
	char *const argv[] = {name, NULL};
	pid_t pid = vfork();

	if (pid == 0) {
		execvp("true", argv);
		_exit(1);
	}
	wait_for_child(pid, 0);
}

static void by_spawn(void)
{
	char name[] = "true";
	char *const argv[] = {name, NULL};
	pid_t pid = -1;

	told_check(posix_spawnp(&pid, "true", NULL, NULL, argv, environ) == 0);
	wait_for_child(pid, 0);
}

static void by_fork_and_kill(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		child_life("child that is killed");
		(void)raise(SIGKILL);
	}
	wait_for_child(pid, SIGKILL);
}

/* ---- another thread writes meanwhile --------------------------------------- */

static atomic_bool stop;

static void *write_all_the_time(void *unused)
{
	struct spanring_span span;

	while (!atomic_load(&stop)) {
		told_check(spanring_start_with(&span, "beside", .parent = &root) == 0);
		told_check(spanring_set_string(&span, "key", "value") == 0);
		told_check(spanring_end(&span) == 0);
		(void)sched_yield();
	}
	return unused;
}

static void *fork_in_a_thread(void *rounds)
{
	for (long i = 0; i < *(long *)rounds; i++) {
		told_span("in the forking thread");
		by_fork();
		by__Fork();
	}
	return NULL;
}

static void beside_a_writer(long rounds)
{
	pthread_t writer, forker;

	told_check(pthread_create(&writer, NULL, write_all_the_time, NULL) == 0);
	for (long i = 0; i < rounds; i++)
		by_fork();
	told_check(pthread_create(&forker, NULL, fork_in_a_thread, &rounds) == 0);
	told_check(pthread_join(forker, NULL) == 0);
	atomic_store(&stop, true);
	told_check(pthread_join(writer, NULL) == 0);
}

/* ---- storm ---------------------------------------------------------------- */

static void storm(long rate, long seconds)
{
	struct timespec next;

	(void)signal(SIGCHLD, SIG_IGN);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long i = 0; i < rate * seconds; i++) {
		if (fork() == 0) {
			for (int n = 0; n < 3; n++)
				told_span("of the storm");
			_exit(0);
		}
		next.tv_nsec += 1000000000 / rate;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

int main(int argc, char **argv)
{
	void (*const ways[])(void) = {by_fork,	by__Fork, by_clone,	   by_double_fork,
				      by_vfork, by_spawn, by_fork_and_kill};

	told_init(4 << 20, 10000);
	if (argc == 4) {
		storm(strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10));
		return 0;
	}
	told_check(told_start(&root, "root", NULL) == 0 && spanring_attach(&root) == 0);
	for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++)
		for (long i = 0; i < strtol(argv[1], NULL, 10); i++) {
			ways[way]();
			told_check(spanring_set_int(&root, "round", i) == 0);
		}
	beside_a_writer(strtol(argv[1], NULL, 10));
	told_check(told_end(&root) == 0);
	return 0;
}
