/* A child appends, says after each commit how far it is, and is killed by
 * SIGKILL at a moment the parent picks by the number of these messages. */
#include "wal/wal.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "wal_fixture.h"

#define KILLS 50

static size_t entry_len(uint64_t i)
{
	if (i % 97 == 0)
		return 600000;
	return i % 13 == 0 ? 40000 : 50 + i % 500;
}

static int count_entry(void *arg, const struct wal_entry *entry)
{
	uint64_t *count = arg;

	(void)entry;
	(*count)++;
	return 0;
}

/* Entry i, from 0, has pattern i. Never returns. */
static void child(const struct wal_options *options, int say, uint64_t seed)
{
	struct file_env world;
	struct wal *wal;
	uint64_t next = 0;
	int r;

	file_env_init(&world, seed);
	r = wal_new(&wal, &world.env, options);
	if (r == 0)
		r = wal_recover(wal, count_entry, &next);
	while (r == 0) {
		r = next % 2 ? wal_add_span_pattern(wal, entry_len(next), next, 1, NULL)
			     : wal_add_pattern(wal, WAL_RECORD, entry_len(next), next, NULL,
					       NULL);
		next++;
		if (r == 0 && next % 5 == 0) {
			r = wal_commit(wal);
			if (r == 0 && write(say, &next, sizeof next) != sizeof next)
				r = -errno;
			file_env_advance(&world, UINT64_C(50000000));
			(void)wal_tick(wal, world.mono_ns);
			(void)world.env.ops->wait(&world.env, 0);
		}
	}
	_exit(1);
}

/* Lets a child live for `messages` commits. Returns the last promise. */
static uint64_t one_life(const struct wal_options *options, uint64_t seed, unsigned messages)
{
	uint64_t promise = 0, last = 0;
	int pipes[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipes[0]);
		child(options, pipes[1], seed);
	}
	close(pipes[1]);
	while (messages-- && read(pipes[0], &promise, sizeof promise) == sizeof promise)
		last = promise;
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (read(pipes[0], &promise, sizeof promise) == sizeof promise)
		last = promise;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return last;
}

static void what_a_commit_promised_is_there_after_the_writer_was_killed(void **state)
{
	struct wal_fixture f;
	uint64_t promise, spans;
	unsigned life;
	size_t i, head, checked = 0;

	(void)state;
	wal_fixture_init(&f, 256 << 10);
	for (life = 1; life <= KILLS; life++) {
		promise = one_life(&f.options, life, 1 + life * 7 % 23);
		wal_fixture_open(&f);
		assert_true(f.found.count >= promise);
		for (i = checked, spans = checked / 2; i < f.found.count; i++) {
			head = f.found.entries[i].kind == WAL_SPAN ? sizeof(struct wal_span)
								   : 0;
			assert_int_equal(f.found.entries[i].kind,
					 i % 2 ? WAL_SPAN : WAL_RECORD);
			assert_int_equal(f.found.entries[i].len, head + entry_len(i));
			wal_pattern_check(f.found.entries[i].payload + head, entry_len(i), i);
			if (head)
				assert_int_equal(f.found.entries[i].number, ++spans);
		}
		checked = f.found.count;
		assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
		assert_int_equal(wal_counters(f.wal)->corrupt_segments, 0);
		wal_fixture_close(&f);
	}
	wal_fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_commit_promised_is_there_after_the_writer_was_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
