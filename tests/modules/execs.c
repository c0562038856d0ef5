/* A process that becomes another program.
 *
 *	execs main|thread	exec of itself, while other threads write
 *	execs failing		exec that fails, in three ways
 *	execs after		what it becomes: waits for the end of its input */
#include "told.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

static struct spanring_span root;
static char *program;
static atomic_bool writes;

static void *write_for_ever(void *unused)
{
	struct spanring_span span;

	for (;;) {
		(void)spanring_start_with(&span, "beside", .parent = &root);
		(void)spanring_end(&span);
		atomic_store(&writes, true);
		(void)sched_yield();
	}
	return unused;
}

static void *become_another(void *unused)
{
	char after[] = "after";
	char *const argv[] = {program, after, NULL};

	execv("/proc/self/exe", argv);
	told("fail exec");
	return unused;
}

static void become(bool in_thread)
{
	pthread_t writer, thread;

	told_check(told_start(&root, "of the old program", NULL) == 0);
	told_check(pthread_create(&writer, NULL, write_for_ever, NULL) == 0);
	while (!atomic_load(&writes))
		(void)sched_yield();
	if (!in_thread)
		(void)become_another(NULL);
	told_check(pthread_create(&thread, NULL, become_another, NULL) == 0);
	(void)write_for_ever(NULL);
}

static void fail_to_become(const char *path)
{
	char *const argv[] = {program, NULL};
	struct spanring_span child;

	told_check(told_start(&child, "child", NULL) == 0);
	told_check(execv(path, argv) < 0);
	told_check(spanring_set_int(&child, "errno", errno) == 0);
	told_check(told_end(&child) == 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	char byte;

	program = argv[0];
	told_init(0, 0);
	if (strcmp(what, "after") == 0) {
		told_span("of the new program");
		told_check(spanring_flush(20000) == 0);
		told("say ready");
		return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1;
	}
	if (strcmp(what, "failing") != 0)
		become(strcmp(what, "thread") == 0);
	told_check(told_start(&root, "root", NULL) == 0 && spanring_attach(&root) == 0);
	for (int i = 0; i < 100; i++) {
		fail_to_become("/nonexistent");
		fail_to_become("/dev/null");
		fail_to_become("/proc/self/status/x");
	}
	told_check(told_end(&root) == 0);
	return 0;
}
