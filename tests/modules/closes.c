/* A process that closes descriptors that are not its own, as those do that want
 * to become daemons.
 *
 *	closes HOW WHEN
 *
 * HOW: closefrom, close_range, loop, dup2, daemon. WHEN: before (init), after
 * (init), between (two spans). Says "ready" when it is done, and goes on when
 * the file $TOLD.go exists. */
#include "told.h"

#include <sys/resource.h>
#include <time.h>

#define DESCRIPTORS 1024
#define PATIENCE_MS 60000

static void close_all(const char *how)
{
	if (strcmp(how, "closefrom") == 0) {
		closefrom(3);
	} else if (strcmp(how, "close_range") == 0) {
		told_check(close_range(3, ~0u, 0) == 0);
	} else if (strcmp(how, "loop") == 0) {
		for (int fd = 3; fd < DESCRIPTORS; fd++)
			(void)close(fd);
	} else if (strcmp(how, "dup2") == 0) {
		int null = open("/dev/null", O_RDWR);

		for (int fd = 3; fd < DESCRIPTORS; fd++)
			if (fd != null)
				told_check(dup2(null, fd) == fd);
	} else {
		told_check(daemon(1, 0) == 0);
	}
}

static void wait_for_go(void)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	char path[sizeof told_path + 4];

	(void)snprintf(path, sizeof path, "%s.go", told_path);
	for (int i = 0; i < PATIENCE_MS && access(path, F_OK) < 0; i++)
		(void)nanosleep(&moment, NULL);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "", *when = argc > 2 ? argv[2] : "";
	struct rlimit limit = {DESCRIPTORS + 8, DESCRIPTORS + 8};
	struct spanring_span outer;

	(void)setrlimit(RLIMIT_NOFILE, &limit);
	told_begin();
	if (strcmp(when, "before") == 0)
		close_all(how);
	told_init(0, 0);
	if (strcmp(when, "after") == 0)
		close_all(how);
	told_check(told_start(&outer, "outer", NULL) == 0);
	told_span("first");
	if (strcmp(when, "between") == 0)
		close_all(how);
	told_span("second");
	told_check(spanring_flush(20000) == 0);
	told("say ready %d", (int)getpid());
	wait_for_go();
	told_span("third");
	(void)told_end(&outer); /* -ECHILD where daemon() forked: it was the parent's */
	return 0;
}
