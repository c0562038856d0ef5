/* Modules that are stepped, instruction by instruction, to a point in the middle
 * of their calls.
 *
 *	stepped kill STRIDE	at every STRIDE-th instruction one is killed
 *	stepped stop COUNT	at COUNT points one is stopped, and goes on later
 *
 * Prints "life N CALLS" for each, CALLS being the calls that had returned; then
 * "ready", and waits for a line of standard input: then the killed are reaped,
 * the stopped go on to their end. The trace id of life N ends in N.
 * tests/fault/test_stepped knows the calls. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spanring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIVES_MAX 4096

struct life {
	pid_t pid;
	_Atomic uint32_t calls; /* returned; shared with the module */
};

static struct life *lives;

/* ---- the module ------------------------------------------------------------ */

static void returned(struct life *life, int result)
{
	if (result < 0)
		_exit(101);
	/* Relaxed: only its own process's order counts. */
	atomic_fetch_add_explicit(&life->calls, 1, memory_order_relaxed);
}

static void make_calls(struct life *life, const uint8_t trace_id[16])
{
	struct spanring_context linked = {.trace_id = {1}, .span_id = {2}};
	struct spanring_link link = {.context = &linked};
	struct spanring_span root, span;

	returned(life, spanring_start_with(&root, "root", .root = true, .trace_id = trace_id));
	returned(life, spanring_start_with(&span, "span", .parent = &root));
	returned(life, spanring_set_string(&span, "text", "a value"));
	returned(life, spanring_set_int(&span, "number", 7));
	returned(life, spanring_add_event(&span, "event", NULL, 0));
	returned(life, spanring_add_link(&span, &link));
	returned(life, spanring_update_name(&span, "renamed"));
	returned(life, spanring_set_status(&span, SPANRING_STATUS_OK, NULL));
	returned(life, spanring_end(&span));
	returned(life, spanring_end(&root));
}

static void live(uint32_t number)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	uint8_t trace_id[16] = {0x57, 0xe9};

	for (int i = 0; i < 4; i++)
		trace_id[15 - i] = (uint8_t)(number >> 8 * i);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	options.ring_bytes_max = 1 << 20;
	if (spanring_init(&options) != 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(100);
	(void)raise(SIGSTOP);
	make_calls(&lives[number], trace_id);
	(void)raise(SIGSTOP);
	exit(0);
}

/* ---- the tracer ------------------------------------------------------------- */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int wait_for_stop(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
		(void)fprintf(stderr, "stepped: a module left with %#x\n", status);
		exit(1);
	}
	return WSTOPSIG(status);
}

/* Begins life `number` and steps it so many instructions; false when it is done
 * before. */
static bool step_to(uint32_t number, long steps)
{
	pid_t pid = fork();

	if (pid == 0)
		live(number);
	lives[number].pid = pid;
	(void)wait_for_stop(pid);
	for (long i = 0; i < steps; i++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
			fail("ptrace");
		if (wait_for_stop(pid) == SIGSTOP)
			return false;
	}
	return true;
}

static uint32_t kill_all_along(long stride)
{
	uint32_t number = 1;
	bool stepped;

	do {
		stepped = step_to(number, (long)number * stride);
		(void)kill(lives[number].pid, SIGKILL);
		number++;
	} while (stepped && number < LIVES_MAX);
	return number;
}

static long count_steps(void)
{
	long steps = 0;

	(void)step_to(0, 0);
	do {
		if (ptrace(PTRACE_SINGLESTEP, lives[0].pid, NULL, NULL) < 0)
			fail("ptrace");
		steps++;
	} while (wait_for_stop(lives[0].pid) != SIGSTOP);
	if (ptrace(PTRACE_DETACH, lives[0].pid, NULL, NULL) < 0)
		fail("ptrace");
	return steps;
}

static uint32_t stop_at(uint32_t count)
{
	long steps = count_steps();

	for (uint32_t number = 1; number <= count; number++) {
		if (!step_to(number, number * steps / (count + 1)))
			exit(1);
		/* A stop like everybody else's from here on. */
		if (ptrace(PTRACE_DETACH, lives[number].pid, NULL, (void *)SIGSTOP) < 0)
			fail("ptrace");
	}
	return count + 1;
}

/* Its own stop at the end of its calls, too, lasts until somebody says so. */
static void let_go_on(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
		(void)kill(pid, SIGCONT);
}

int main(int argc, char **argv)
{
	bool kills = argc > 2 && strcmp(argv[1], "kill") == 0;
	uint32_t end;
	cpu_set_t one;
	char line[16];

	if (argc < 3)
		return 2;
	lives = mmap(NULL, LIVES_MAX * sizeof *lives, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (lives == MAP_FAILED)
		fail("mmap");
	/* Stepping goes twice as fast when tracer and module share a CPU. */
	CPU_ZERO(&one);
	CPU_SET((unsigned)sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof one, &one);
	end = kills ? kill_all_along(strtol(argv[2], NULL, 10))
		    : stop_at((uint32_t)strtoul(argv[2], NULL, 10));
	for (uint32_t number = kills; number < end; number++)
		printf("life %u %u\n", number,
		       atomic_load_explicit(&lives[number].calls, memory_order_relaxed));
	printf("ready\n");
	(void)fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		return 1;
	for (uint32_t number = kills; number < end; number++) {
		if (kills)
			(void)waitpid(lives[number].pid, NULL, 0);
		else
			let_go_on(lives[number].pid);
	}
	return 0;
}
