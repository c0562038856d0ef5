/* D4: every operation of a scenario fails once, or is the last one of the agent's
 * life; writes are short by every length. The scenario keeps its own account of what it added
 * and what the log promised, and the next recovery is held against that. */
#include "wal/wal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wal_fixture.h"

#define STEPS 60
/* What one commit writes in the test of every length: two spans and a record. */
#define WRITE_BYTES 4096
#define ENTRIES_MAX (STEPS * 4)

static unsigned long scenarios, lengths;

/* What was added, in order; entry i has the pattern of seed i. */
struct account {
	struct {
		bool span;
		size_t len;
		uint64_t segment;
	} entries[ENTRIES_MAX];
	size_t added;
	size_t promised; /* the first so many are logged */
	uint64_t released_segment;
	uint64_t read; /* by the reader: spans 1 to this */
};

static size_t entry_len(size_t i)
{
	static const size_t lens[] = {40, 300, 3, 1200, 700, 9000, 90};

	return lens[i % (sizeof lens / sizeof lens[0])];
}

static void add_one(struct wal *wal, struct account *account)
{
	size_t i = account->added, len = entry_len(i);
	struct wal_location location = {0};
	int r;

	account->entries[i].span = i % 3 != 0;
	account->entries[i].len = len;
	if (account->entries[i].span)
		r = wal_add_span_pattern(wal, len, i, i % 2, NULL);
	else
		r = wal_add_pattern(wal, WAL_RECORD, len, i, NULL, &location);
	assert_int_equal(r, 0);
	account->entries[i].segment = location.segment;
	account->added++;
}

static void commit(struct wal_fixture *f, struct account *account)
{
	if (wal_commit(f->wal) == 0)
		account->promised = account->added;
}

static void read_all(struct wal_reader *reader, struct account *account)
{
	struct finished_span span;
	int r;

	while ((r = wal_reader_next(reader, &span)) == 1)
		assert_int_equal(span.number, ++account->read);
}

/* Lets segments go that the reader is done with. */
static void release_some(struct wal *wal, struct account *account)
{
	struct wal_oldest oldest = wal_oldest(wal);

	if (!oldest.segment || oldest.active || oldest.last_span_number > account->read)
		return;
	wal_release(wal, oldest.segment);
	account->released_segment = oldest.segment;
}

/* Runs until the agent has died or everything is done and logged. */
static void scenario(struct wal_fixture *f, struct account *account)
{
	struct wal_reader *reader;
	int step;

	*account = (struct account){0};
	if (wal_fixture_try_open(f) < 0 && wal_fixture_try_open(f) < 0)
		return; /* dead: a fault hits once only */
	assert_int_equal(wal_reader_new(&reader, f->wal, 0), 0);
	for (step = 0; step < STEPS && !f->world.crashed; step++) {
		add_one(f->wal, account);
		add_one(f->wal, account);
		if (step % 4 == 0)
			add_one(f->wal, account);
		commit(f, account);
		read_all(reader, account);
		if (step > STEPS / 2)
			release_some(f->wal, account);
		file_env_advance(&f->world, UINT64_C(100000000));
		(void)wal_tick(f->wal, f->world.mono_ns);
		(void)f->world.env.ops->wait(&f->world.env, 0);
	}
	for (step = 0; step < STEPS && account->promised < account->added; step++) {
		commit(f, account);
		file_env_advance(&f->world, UINT64_C(1000000000));
		(void)wal_tick(f->wal, f->world.mono_ns);
		(void)f->world.env.ops->wait(&f->world.env, 0);
	}
	read_all(reader, account);
	if (!f->world.crashed) {
		assert_int_equal(account->promised, account->added);
		wal_sync_all(f);
	}
	wal_reader_free(reader);
}

static void check_entry(const struct wal_found_entry *entry, const struct account *account,
			size_t i)
{
	size_t head = account->entries[i].span ? sizeof(struct wal_span) : 0;
	char text[32];

	assert_int_equal(entry->kind, account->entries[i].span ? WAL_SPAN : WAL_RECORD);
	assert_int_equal(entry->len, head + account->entries[i].len);
	wal_pattern_check(entry->payload + head, account->entries[i].len, i);
	if (!account->entries[i].span)
		return;
	snprintf(text, sizeof text, "resource %zu", i % 2);
	assert_int_equal(entry->resource_len, strlen(text));
	assert_memory_equal(entry->resource, text, strlen(text));
}

/* The first one found tells by its content which it is. */
static size_t which_entry(const struct wal_found_entry *entry, const struct account *account)
{
	uint8_t expected[16384];
	size_t i, head, len;

	for (i = 0; i < account->added; i++) {
		head = account->entries[i].span ? sizeof(struct wal_span) : 0;
		len = account->entries[i].len;
		wal_pattern(expected, len, i);
		if (entry->len == head + len &&
		    memcmp(entry->payload + head, expected, len) == 0)
			break;
	}
	return i;
}

/* What is found is one piece of what was added, without holes: it begins not
 * behind the first entry of a segment that was never released, and ends not
 * before the last promise. */
static void check_recovered(struct wal_fixture *f, const struct account *account)
{
	const struct wal_found *found = &f->found;
	size_t first = 0, i;

	if (found->count == 0) {
		assert_int_equal(account->promised, 0);
		return;
	}
	if (found->entries[0].location.segment > 1) {
		assert_true(found->entries[0].location.segment <=
			    account->released_segment + 1);
		first = which_entry(&found->entries[0], account);
	}
	assert_true(first + found->count >= account->promised);
	assert_true(first + found->count <= account->added);
	for (i = 0; i < found->count; i++)
		check_entry(&found->entries[i], account, first + i);
}

/* Returns whether the n-th operation existed. */
static bool scenario_with(struct file_env_fault fault, bool sync_each)
{
	struct account account;
	struct wal_fixture f;
	bool fired;

	scenarios++;
	wal_fixture_init(&f, 16 << 10);
	f.options.sync_each = sync_each;
	file_env_init(&f.world, fault.nth);
	file_env_arm(&f.world, fault);
	scenario(&f, &account);
	fired = file_env_fired(&f.world);
	if (!f.world.crashed)
		assert_int_equal(account.promised, account.added);
	file_env_disarm(&f.world);
	wal_fixture_open(&f);
	check_recovered(&f, &account);
	assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
	assert_int_equal(wal_counters(f.wal)->corrupt_segments, 0);
	assert_int_equal(wal_counters(f.wal)->lost_scopes, 0);
	/* And it goes on from there. */
	assert_int_equal(wal_add_span_pattern(f.wal, 10, 1, 1, NULL), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	wal_fixture_fini(&f);
	return fired;
}

static void each_operation(struct file_env_fault fault, bool sync_each, unsigned at_least)
{
	for (fault.nth = 1; scenario_with(fault, sync_each); fault.nth++)
		;
	assert_true(fault.nth > at_least);
}

static void any_operation_may_fail_once(void **state)
{
	static const int errors[] = {-EIO, -ENOSPC, -EINTR, -EDQUOT, -EAGAIN};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof errors / sizeof errors[0]; i++)
		each_operation((struct file_env_fault){.op = FILE_ENV_ANY,
						       .kind = FILE_ENV_FAIL,
						       .error = errors[i]},
			       false, 150);
	each_operation((struct file_env_fault){.op = FILE_ENV_ANY,
					       .kind = FILE_ENV_FAIL,
					       .error = -EIO},
		       true, 150);
}

static void the_disk_may_be_full_for_a_while(void **state)
{
	struct file_env_fault fault = {
		.op = FILE_ENV_PWRITEV, .kind = FILE_ENV_FAIL, .error = -ENOSPC, .times = 20};

	(void)state;
	each_operation(fault, false, 40);
	fault.op = FILE_ENV_FALLOCATE;
	fault.times = 3;
	each_operation(fault, false, 5);
	fault.op = FILE_ENV_SYNC_DONE;
	fault.times = 4;
	fault.error = -EIO;
	each_operation(fault, false, 5);
}

static void any_write_and_read_may_be_short(void **state)
{
	static const size_t bytes[] = {1, 7, 64, 1000, 1024, 4096};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
		each_operation((struct file_env_fault){.op = FILE_ENV_PWRITEV,
						       .kind = FILE_ENV_SHORT,
						       .bytes = bytes[i]},
			       false, 40);
		scenario_with((struct file_env_fault){.op = FILE_ENV_PWRITEV,
						      .kind = FILE_ENV_SHORT,
						      .bytes = bytes[i],
						      .nth = 1,
						      .times = UINT64_MAX},
			      false);
		scenario_with((struct file_env_fault){.op = FILE_ENV_PREAD,
						      .kind = FILE_ENV_SHORT,
						      .bytes = bytes[i],
						      .nth = 1,
						      .times = UINT64_MAX},
			      false);
	}
}

/* The kernel takes so many bytes of the next write and answers the one behind it
 * with `then` (0: as usual). */
static struct {
	ssize_t (*pwritev)(struct env *env, int fd, const struct iovec *iov, int n,
			   off_t offset);
	size_t take;
	int then;
	int calls;
} short_disk;

static ssize_t short_pwritev(struct env *env, int fd, const struct iovec *iov, int n,
			     off_t offset)
{
	struct iovec part = iov[0];

	assert_int_equal(n, 1);
	short_disk.calls++;
	if (short_disk.calls == 1 && part.iov_len > short_disk.take)
		part.iov_len = short_disk.take;
	if (short_disk.calls == 2 && short_disk.then)
		return short_disk.then;
	return short_disk.pwritev(env, fd, &part, 1, offset);
}

static void short_write(size_t len, int then)
{
	struct env_ops ops;
	struct wal_fixture f;

	wal_fixture_init(&f, 64 << 10);
	wal_fixture_open(&f);
	ops = *f.world.env.ops;
	short_disk.pwritev = ops.pwritev;
	short_disk.take = len;
	short_disk.then = then;
	short_disk.calls = 0;
	ops.pwritev = short_pwritev;
	f.world.env.ops = &ops;
	assert_int_equal(wal_add_span_pattern(f.wal, 1000, 1, 1, NULL), 0);
	assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 700, 2, NULL, NULL), 0);
	assert_int_equal(wal_add_span_pattern(f.wal, 1000, 3, 0, NULL), 0);
	if (then && wal_commit(f.wal) < 0) {
		assert_int_equal(wal_logged_sequence(f.wal), 0);
		file_env_advance(&f.world, UINT64_C(1000000000));
	}
	assert_int_equal(wal_commit(f.wal), 0);
	assert_in_range(short_disk.calls, 1, 3);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 3);
	wal_pattern_check(f.found.entries[0].payload + sizeof(struct wal_span), 1000, 1);
	wal_pattern_check(f.found.entries[1].payload, 700, 2);
	wal_pattern_check(f.found.entries[2].payload + sizeof(struct wal_span), 1000, 3);
	assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
	wal_fixture_fini(&f);
	lengths++;
}

static void a_write_may_be_short_by_every_length(void **state)
{
	static const int then[] = {-ENOSPC, -EIO, -EDQUOT, -EINTR};

	(void)state;
	for (size_t len = 1; len <= WRITE_BYTES; len++)
		short_write(len, len % 3 ? then[len % 4] : 0);
}

static void a_file_system_without_preallocation_will_do(void **state)
{
	(void)state;
	scenario_with((struct file_env_fault){.op = FILE_ENV_FALLOCATE,
					      .kind = FILE_ENV_FAIL,
					      .error = -EOPNOTSUPP,
					      .nth = 1,
					      .times = UINT64_MAX},
		      false);
}

static void the_agent_may_die_before_or_after_any_operation(void **state)
{
	(void)state;
	each_operation(
		(struct file_env_fault){.op = FILE_ENV_ANY, .kind = FILE_ENV_CRASH_BEFORE},
		false, 150);
	each_operation(
		(struct file_env_fault){.op = FILE_ENV_ANY, .kind = FILE_ENV_CRASH_AFTER},
		false, 150);
}

static void the_agent_may_die_in_the_middle_of_any_write(void **state)
{
	static const size_t bytes[] = {1, 63, 64, 600, 1024, 1050, 1100, 4096};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
		each_operation((struct file_env_fault){.op = FILE_ENV_PWRITEV,
						       .kind = FILE_ENV_CRASH_TORN,
						       .bytes = bytes[i]},
			       false, 40);
}

/* Three lives of a log; then each operation of the fourth start fails once. */
static void a_start_during_which_anything_fails_once_destroys_nothing(void **state)
{
	struct account account;
	struct wal_fixture f;
	uint64_t nth, number;
	size_t count;
	int r;

	(void)state;
	for (nth = 1;; nth++) {
		wal_fixture_init(&f, 16 << 10);
		file_env_init(&f.world, 1);
		scenario(&f, &account);
		wal_fixture_open(&f);
		count = f.found.count;
		wal_fixture_close(&f);
		file_env_arm(&f.world, (struct file_env_fault){.op = FILE_ENV_ANY,
							       .kind = FILE_ENV_FAIL,
							       .error = -EIO,
							       .nth = nth});
		r = wal_fixture_try_open(&f);
		if (!file_env_fired(&f.world)) {
			assert_int_equal(r, 0);
			wal_fixture_fini(&f);
			break;
		}
		if (r == 0) {
			/* A number given now must be a new one. */
			assert_int_equal(wal_add_span_pattern(f.wal, 10, 1, 1, &number), 0);
			assert_true(number > account.read);
			assert_int_equal(wal_commit(f.wal), 0);
			count++;
		}
		wal_fixture_open(&f);
		assert_int_equal(f.found.count, count);
		assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
		wal_fixture_fini(&f);
	}
	assert_true(nth > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_operation_may_fail_once),
		cmocka_unit_test(the_disk_may_be_full_for_a_while),
		cmocka_unit_test(any_write_and_read_may_be_short),
		cmocka_unit_test(a_write_may_be_short_by_every_length),
		cmocka_unit_test(a_file_system_without_preallocation_will_do),
		cmocka_unit_test(the_agent_may_die_before_or_after_any_operation),
		cmocka_unit_test(the_agent_may_die_in_the_middle_of_any_write),
		cmocka_unit_test(a_start_during_which_anything_fails_once_destroys_nothing),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (!failed)
		printf("row D4 passed: %lu scenarios with a failing operation, %lu short "
		       "writes\n",
		       scenarios, lengths);
	return failed ? 1 : 0;
}
