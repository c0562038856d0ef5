/* A crowd of processes, each with a ring and an open span.
 *
 *	crowd COUNT
 *
 * Says "born SECONDS" once all are there, and waits for a line; then kills them
 * all, says "dead", and waits for the end of its input. */
#include "told.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static _Atomic uint32_t *born;

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void be_one(void)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct spanring_span span;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	options.ring_bytes_max = 1 << 20;
	options.service_name = "crowd";
	told_check(spanring_init(&options) == 0);
	told_span("ended");
	told_check(told_start(&span, "open", NULL) == 0);
	atomic_fetch_add(born, 1);
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	const struct timespec moment = {.tv_nsec = 1000000};
	pid_t *pids = calloc(count, sizeof *pids);
	double began = now();
	char line[16];

	told_begin();
	born = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (born == MAP_FAILED || !pids)
		return 1;
	for (uint32_t i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			be_one();
		if (pids[i] < 0) {
			told("fail fork %u: %d", i, errno);
			return 1;
		}
	}
	while (atomic_load(born) < count)
		(void)nanosleep(&moment, NULL);
	printf("born %.2f\n", now() - began);
	(void)fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		return 1;
	for (uint32_t i = 0; i < count; i++)
		(void)kill(pids[i], SIGKILL);
	for (uint32_t i = 0; i < count; i++)
		(void)waitpid(pids[i], NULL, 0);
	printf("dead\n");
	(void)fflush(stdout);
	return fgets(line, sizeof line, stdin) ? 1 : 0;
}
