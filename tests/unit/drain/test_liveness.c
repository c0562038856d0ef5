/* Deaths of real processes, and how they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drain_house.h"

#define RING_BYTES (1u << 20)

enum way { BY_SIGKILL, BY_EXIT_0, BY_EXIT_7, BY_EXEC, BY_SHUTDOWN, BY_SEGV };

static int setup(void **state)
{
	struct house *house = malloc(sizeof *house);

	house_build(house);
	house_start(house);
	*state = house;
	return 0;
}

static int teardown(void **state)
{
	house_tear_down(*state);
	free(*state);
	return 0;
}

/* A process with a ring, an open span and half a value. It lives until its
 * standard input's other end, `go`, is closed. */
static pid_t child_begin(struct house *house, uint8_t seed, enum way way, int *ret_go)
{
	int go[2], ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct ring_writer writer;
		struct ring_pen pen;
		uint8_t bytes[64] = {0};

		close(go[1]);
		close(ready[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ring_writer_make(&writer, house->dir, seed, RING_BYTES);
		ring_pen_init(&pen, &writer, 1);
		ring_pen_open(&pen, 0);
		ring_pen_start(&pen, seed, "open");
		ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST, 5000, bytes, 64);
		/* As the client does: the mapping holds the lock. */
		close(writer.fd);
		if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) < 0)
			_exit(99);
		switch (way) {
		case BY_SIGKILL:
			raise(SIGKILL);
			break;
		case BY_EXIT_0:
			_exit(0);
		case BY_EXIT_7:
			_exit(7);
		case BY_EXEC:
			dup2(ready[1], 5);
			execl("/bin/sleep", "sleep", "100", NULL);
			break;
		case BY_SHUTDOWN:
			ring_pen_process_end(&pen, WIRE_PROCESS_SHUTDOWN, 0);
			pause(); /* the mapping, and so the lock, stay */
			break;
		case BY_SEGV:
			signal(SIGSEGV, SIG_DFL);
			raise(SIGSEGV);
			break;
		}
		_exit(98);
	}
	close(go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*ret_go = go[1];
	return pid;
}

static void tick_until_dead(struct house *house, uint32_t ring)
{
	/* The lock goes a little later than the process; real time passes in
	 * wait(), which the pidfd wakes. */
	for (int i = 0; i < 1000 && !house->rings[ring].dead; i++) {
		house_tick(house, 10);
		house->env->ops->wait(house->env, 2000000);
	}
	assert_true(house->rings[ring].dead);
}

static struct death die(struct house *house, enum way way, bool reap)
{
	uint32_t ring;
	int go, status;
	pid_t pid = child_begin(house, 1, way, &go);

	house_settle(house);
	ring = house_ring(house, 1);
	assert_true(ring < HOUSE_RINGS);
	assert_false(house->rings[ring].dead);
	assert_int_equal(house_counters(house, 1).held, 1);
	close(go);
	if (reap)
		assert_int_equal(waitpid(pid, &status, 0), pid);
	tick_until_dead(house, ring);
	if (!reap) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	/* The half value is counted, the open span was read. */
	assert_int_equal(house_counters(house, 1).dropped_abandoned, 1);
	assert_int_equal(house_counters(house, 1).held, 0);
	house_check_ledgers(house);
	drain_remove(house->drain, ring);
	assert_true(house->rings[ring].gone);
	assert_int_equal(house_files(house), 0);
	return house->rings[ring].death;
}

static bool kernel_tells_of_the_reaped(void)
{
	/* Linux 6.15; older ones leave the cause unknown, which is allowed. */
	FILE *version = fopen("/proc/sys/kernel/osrelease", "r");
	unsigned major = 0, minor = 0;

	assert_int_equal(fscanf(version, "%u.%u", &major, &minor), 2);
	fclose(version);
	return major > 6 || (major == 6 && minor >= 15);
}

static void assert_cause(struct death death, enum death_cause cause)
{
	if (death.cause == DEATH_UNKNOWN && !kernel_tells_of_the_reaped())
		return;
	assert_int_equal(death.cause, cause);
}

static void a_killed_process_is_told_with_its_signal(void **state)
{
	struct death death = die(*state, BY_SIGKILL, true);

	assert_cause(death, DEATH_SIGNAL);
	if (death.cause == DEATH_SIGNAL)
		assert_int_equal(death.signal, SIGKILL);
	assert_true(death.seen_mono_ns > 0);
}

static void an_exit_code_is_told(void **state)
{
	struct death death = die(*state, BY_EXIT_7, true);

	assert_cause(death, DEATH_EXIT);
	if (death.cause == DEATH_EXIT)
		assert_int_equal(death.code, 7);
}

static void an_exit_without_destructors_is_told_as_exit_0(void **state)
{
	struct death death = die(*state, BY_EXIT_0, true);

	assert_cause(death, DEATH_EXIT);
	if (death.cause == DEATH_EXIT) {
		assert_true(death.code_known);
		assert_int_equal(death.code, 0);
	}
}

static void a_zombie_is_as_dead_as_one_that_was_reaped(void **state)
{
	struct death death = die(*state, BY_SEGV, false);

	assert_int_equal(death.cause, DEATH_SIGNAL);
	assert_int_equal(death.signal, SIGSEGV);
}

static void a_zombies_exit_code_is_told(void **state)
{
	struct death death = die(*state, BY_EXIT_7, false);

	assert_int_equal(death.cause, DEATH_EXIT);
	assert_int_equal(death.code, 7);
}

static void exec_replaces_the_process(void **state)
{
	assert_int_equal(die(*state, BY_EXEC, false).cause, DEATH_REPLACED);
}

static void a_shutdown_ends_the_ring_while_the_process_lives(void **state)
{
	assert_int_equal(die(*state, BY_SHUTDOWN, false).cause, DEATH_SHUTDOWN);
}

static void a_ring_found_dead_has_an_unknown_cause(void **state)
{
	struct house *house = *state;
	int go, status;
	pid_t pid;

	house_stop(house);
	pid = child_begin(house, 1, BY_SIGKILL, &go);
	close(go);
	waitpid(pid, &status, 0);
	house_start(house);
	tick_until_dead(house, 0);
	assert_int_equal(house->rings[0].death.cause, DEATH_UNKNOWN);
	assert_int_equal(house_count(house, 1, 1, NULL), 1);
	drain_remove(house->drain, 0);
}

/* The kernel still knows it, by number and start time. */
static void a_ring_found_dead_of_a_zombie_is_told_with_its_exit_code(void **state)
{
	struct house *house = *state;
	siginfo_t info;
	int go, status;
	pid_t pid;

	house_stop(house);
	pid = child_begin(house, 1, BY_EXIT_7, &go);
	close(go);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	house_start(house);
	tick_until_dead(house, 0);
	assert_int_equal(house->rings[0].death.cause, DEATH_EXIT);
	assert_int_equal(house->rings[0].death.code, 7);
	drain_remove(house->drain, 0);
	waitpid(pid, &status, 0);
}

static bool is_asleep(pid_t pid)
{
	char path[64], name[16];
	bool found = false;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	file = fopen(path, "r");
	if (file) {
		found = fgets(name, sizeof name, file) && strcmp(name, "sleep\n") == 0;
		fclose(file);
	}
	return found;
}

static void a_ring_found_dead_of_a_process_that_goes_on_was_replaced(void **state)
{
	struct house *house = *state;
	int go, status;
	pid_t pid;

	house_stop(house);
	pid = child_begin(house, 1, BY_EXEC, &go);
	close(go);
	while (!is_asleep(pid))
		usleep(1000);
	house_start(house);
	tick_until_dead(house, 0);
	assert_int_equal(house->rings[0].death.cause, DEATH_REPLACED);
	drain_remove(house->drain, 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void a_process_is_known_by_its_number_and_its_user(void **state)
{
	struct house *house = *state;
	int go, status;
	pid_t pid = child_begin(house, 1, BY_EXIT_0, &go);

	house_settle(house);
	for (int life = 0; life < 2; life++) {
		const struct ring_identity *identity = &house->rings[house_ring(house, 1)].identity;

		assert_int_equal(identity->pid, pid);
		assert_int_equal(identity->uid, geteuid());
		assert_int_equal(identity->known, RING_UID_KNOWN | RING_PID_KNOWN);
		/* Dead before the next agent looks: the log knows who it was. */
		house_stop(house);
		if (life == 0) {
			close(go);
			waitpid(pid, &status, 0);
		}
		house_restart(house);
	}
	tick_until_dead(house, house_ring(house, 1));
}

/* A process of another user: any of root's, or for root one of nobody's, which lives
 * until `go` is closed. */
static pid_t another_users_process(int *ret_go)
{
	int go[2], ready[2];
	pid_t pid;
	char byte;

	*ret_go = -1;
	if (geteuid() != 0)
		return 1;
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		if (setgid(65534) || setuid(65534) || write(ready[1], "r", 1) != 1)
			_exit(1);
		(void)!read(go[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(go[0]);
	*ret_go = go[1];
	return pid;
}

static uint64_t start_time_of(pid_t pid)
{
	char text[1024], *at;
	FILE *file;

	(void)snprintf(text, sizeof text, "/proc/%d/stat", (int)pid);
	file = fopen(text, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof text, file));
	fclose(file);
	at = strrchr(text, ')') + 1;
	for (int field = 3; field < 22; field++)
		at = strchr(at + 1, ' ');
	return strtoull(at, NULL, 10);
}

/* Number and start time of anybody can be read, and written into a ring. */
static void another_users_number_is_not_believed(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	pid_t other;
	int go;

	house_stop(house); /* what is forked keeps what it holds */
	other = another_users_process(&go);
	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	writer.header->pid = (uint32_t)other;
	writer.header->start_time = start_time_of(other);
	house_start(house);
	house_settle(house);
	assert_int_equal(house->rings[0].identity.pid, other);
	assert_int_equal(house->rings[0].identity.known, RING_UID_KNOWN);
	ring_writer_close(&writer);
	if (go >= 0) {
		close(go);
		waitpid(other, NULL, 0);
	}
}

static int process_error;

static int no_process(struct env *env, uint32_t pid)
{
	(void)env;
	(void)pid;
	return process_error;
}

/* The lock alone tells of a death then, and /proc who it was. */
static void without_a_pidfd_a_death_is_seen_all_the_same(void **state)
{
	static const int errors[] = {-ESRCH, -EMFILE, -EPERM, -ENOSYS};
	struct house *house = *state;
	const struct env_ops *ops = house->env->ops;
	struct env_ops failing = *ops;

	failing.process = no_process;
	house->env->ops = &failing;
	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		uint8_t seed = (uint8_t)(i + 1);
		uint32_t ring;
		int go, status;
		pid_t pid;

		process_error = errors[i];
		pid = child_begin(house, seed, BY_EXIT_7, &go);
		house_settle(house);
		ring = house_ring(house, seed);
		assert_int_equal(house->rings[ring].identity.known,
				 RING_UID_KNOWN | RING_PID_KNOWN);
		close(go);
		/* Once with a zombie to ask, once without. */
		if (i % 2)
			assert_int_equal(waitpid(pid, &status, 0), pid);
		tick_until_dead(house, ring);
		assert_int_equal(house->rings[ring].death.cause,
				 i % 2 ? DEATH_UNKNOWN : DEATH_EXIT);
		if (i % 2 == 0)
			waitpid(pid, &status, 0);
		drain_remove(house->drain, ring);
	}
	house->env->ops = ops;
}

static void what_came_before_death_is_read_before_it_is_told(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	house_settle(house);
	house->refuse = true;
	ring_pen_start(&pen, 1, "last words");
	ring_writer_die(&writer);
	for (int i = 0; i < 20; i++)
		house_tick(house, 100);
	assert_false(house->rings[0].dead);
	house->refuse = false;
	for (int i = 0; i < 20; i++)
		house_tick(house, 100);
	assert_true(house->rings[0].dead);
	assert_int_equal(house_count(house, 1, 1, NULL), 1);
	ring_writer_close(&writer);
}

static void a_strangers_read_lock_is_not_life(void **state)
{
	struct house *house = *state;
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
	struct ring_writer writer;
	char path[400];
	int fd;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house_settle(house);
	ring_writer_die(&writer);
	snprintf(path, sizeof path, "%s/%s", writer.dir, writer.name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	for (int i = 0; i < 20; i++)
		house_tick(house, 100);
	assert_true(house->rings[0].dead);
	close(fd);
	ring_writer_close(&writer);
}

static void many_deaths_at_once_are_all_told(void **state)
{
	struct house *house = *state;
	int go[20], status;
	pid_t pids[20];

	for (int i = 0; i < 20; i++)
		pids[i] = child_begin(house, (uint8_t)(i + 1), BY_SIGKILL, &go[i]);
	house_settle(house);
	for (int i = 0; i < 20; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < 20; i++) {
		waitpid(pids[i], &status, 0);
		close(go[i]);
	}
	for (uint32_t i = 0; i < 20; i++)
		tick_until_dead(house, i);
	for (uint32_t i = 0; i < 20; i++)
		drain_remove(house->drain, i);
	assert_int_equal(house_files(house), 0);
	assert_int_equal(drain_counters(house->drain)->rings_dead, 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_killed_process_is_told_with_its_signal),
		TEST(an_exit_code_is_told),
		TEST(an_exit_without_destructors_is_told_as_exit_0),
		TEST(a_zombie_is_as_dead_as_one_that_was_reaped),
		TEST(a_zombies_exit_code_is_told),
		TEST(exec_replaces_the_process),
		TEST(a_shutdown_ends_the_ring_while_the_process_lives),
		TEST(a_ring_found_dead_has_an_unknown_cause),
		TEST(a_ring_found_dead_of_a_zombie_is_told_with_its_exit_code),
		TEST(a_ring_found_dead_of_a_process_that_goes_on_was_replaced),
		TEST(a_process_is_known_by_its_number_and_its_user),
		TEST(another_users_number_is_not_believed),
		TEST(without_a_pidfd_a_death_is_seen_all_the_same),
		TEST(what_came_before_death_is_read_before_it_is_told),
		TEST(a_strangers_read_lock_is_not_life),
		TEST(many_deaths_at_once_are_all_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
