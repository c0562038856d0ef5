/* Restarts: positions come from the log, never from the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drain_house.h"

#define RING_BYTES (2u << 20)

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

/* Writes three blocks and a half, the first given back. */
static void half_way(struct house *house, struct ring_writer *writer, struct ring_pen *pen)
{
	ring_writer_make(writer, house->dir, 1, RING_BYTES);
	ring_pen_init(pen, writer, 1);
	for (uint32_t b = 0; b < 3; b++) {
		ring_pen_open(pen, b);
		ring_pen_string(pen, 1, "key", 5000);
		ring_pen_string(pen, 1, "key", 5000);
		ring_pen_seal(pen);
		house_settle(house);
		if (b == 0)
			drain_logged(house->drain, house->sequence);
	}
	ring_pen_open(pen, 3);
	ring_pen_string(pen, 1, "key", 5000);
	house_settle(house);
}

static void ctl_overwrite(const struct ring_writer *writer, off_t offset, const void *at,
			  size_t len)
{
	char path[400];
	int fd;

	snprintf(path, sizeof path, "%s/%.32s.ctl", writer->dir, writer->name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, at, len, offset), len);
	close(fd);
}

static void a_new_agent_goes_on_where_the_log_ends(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;

	half_way(house, &writer, &pen);
	assert_int_equal(ring_writer_returned(&writer, 0), 1);
	assert_int_equal(ring_writer_returned(&writer, 1), 0);
	house_restart(house);
	/* Everything logged is given back at once, the count with it. */
	for (uint32_t b = 0; b < 3; b++)
		assert_int_equal(ring_writer_returned(&writer, b), 1);
	assert_int_equal(ring_writer_returned(&writer, 3), 0);
	assert_int_equal(ring_writer_returns(&writer), 3);
	ring_pen_string(&pen, 1, "key", 5000);
	ring_pen_seal(&pen);
	ring_pen_open(&pen, 0);
	ring_pen_string(&pen, 1, "key", 5000);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 9);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 0);
	assert_int_equal(house_counters(house, 1).written, 9);
	assert_int_equal(drain_counters(house->drain)->rings_quarantined, 0);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void many_restarts_lose_and_repeat_nothing(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pens[3];
	uint32_t written[3] = {0}, uses = 0;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	for (uint32_t i = 0; i < 3; i++) {
		ring_pen_init(&pens[i], &writer, i + 1);
		ring_pen_open(&pens[i], uses++ % 120);
	}
	for (uint32_t n = 0; n < 900; n++) {
		struct ring_pen *pen = &pens[n % 3];

		if (pen->at + 6000 > WIRE_BLOCK_BYTES) {
			uint32_t next = uses++ % 120;

			ring_pen_seal(pen);
			/* Only a block that was given back may be taken. */
			if (ring_writer_returned(&writer, next) !=
			    atomic_load_explicit(&writer.lines[next].generation,
						 memory_order_relaxed)) {
				house_settle(house);
				drain_logged(house->drain, house->sequence);
			}
			ring_pen_open(pen, next);
		}
		ring_pen_string(pen, n + 1, "key", 100 + n * 41 % 5000);
		written[n % 3]++;
		if (n % 7 == 0)
			house_tick(house, 10);
		if (n % 31 == 0)
			drain_logged(house->drain, house->sequence);
		if (n % 53 == 0)
			house_restart(house);
		if (n % 200 == 0)
			assert_int_equal(drain_carry(house->drain, UINT64_MAX), 0);
	}
	house_settle(house);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t dropped;

		assert_int_equal(house_count(house, 1, i + 1, &dropped), written[i]);
		assert_int_equal(dropped, 0);
	}
	assert_int_equal(house_counters(house, 1).written, 900);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void a_lost_or_wrong_ctl_is_written_anew_from_the_log(void **state)
{
	struct house *house = *state;
	static const uint8_t zeros[WIRE_HEADER_BYTES + 64];
	struct ring_writer writer;
	struct ring_pen pen;
	char path[400];

	half_way(house, &writer, &pen);
	drain_logged(house->drain, house->sequence);
	/* Zeroed, as by an agent that died while making it. */
	ctl_overwrite(&writer, 0, zeros, sizeof zeros);
	house_restart(house);
	assert_int_equal(ring_writer_returned(&writer, 2), 1);
	assert_int_equal(ring_writer_returns(&writer), 3);
	/* Gone. */
	snprintf(path, sizeof path, "%s/%.32s.ctl", writer.dir, writer.name);
	assert_int_equal(unlink(path), 0);
	house_restart(house);
	assert_int_equal(ring_writer_returned(&writer, 2), 1);
	/* Numbers no ring can have. */
	ctl_overwrite(&writer, WIRE_HEADER_BYTES, &(uint32_t){77}, 4);
	house_restart(house);
	assert_int_equal(ring_writer_returned(&writer, 0), 1);
	assert_int_equal(ring_writer_returns(&writer), 3);
	ring_pen_string(&pen, 1, "key", 5000);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 8);
	assert_int_equal(drain_counters(house->drain)->rings_quarantined, 0);
	ring_writer_close(&writer);
}

static void a_ring_outlives_the_loss_of_the_whole_log(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;

	half_way(house, &writer, &pen);
	house_forget(house);
	house_start(house);
	house_settle(house);
	/* Given back is what the lost log had; the rest is read (again). */
	assert_int_equal(drain_counters(house->drain)->rings_quarantined, 0);
	assert_int_equal(house_count(house, 1, 1, NULL), 5);
	assert_int_equal(house_counters(house, 1).written, 5);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 0);
	drain_logged(house->drain, house->sequence);
	ring_pen_seal(&pen);
	ring_pen_open(&pen, 0);
	ring_pen_string(&pen, 1, "key", 5000);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 6);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void what_a_damaged_log_forgot_is_counted(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t kept;

	half_way(house, &writer, &pen);
	drain_logged(house->drain, house->sequence);
	/* The frames of the third block and of what followed cannot be read any
	 * more, although the block was given back. */
	for (kept = 0; kept < house->slice_count; kept++)
		if (house->slices[kept].slice.block == 2)
			break;
	for (uint32_t i = kept; i < house->slice_count; i++)
		free((void *)house->slices[i].slice.records.at);
	house->slice_count = kept;
	house_restart(house);
	ring_pen_seal(&pen);
	ring_pen_open(&pen, 2);
	ring_pen_string(&pen, 1, "key", 5000);
	house_settle(house);
	assert_int_equal(drain_counters(house->drain)->rings_quarantined, 0);
	assert_int_equal(house_count(house, 1, 1, NULL), 6);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 2);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void what_a_damaged_log_forgot_in_the_middle_is_counted(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t kept = 0;

	half_way(house, &writer, &pen);
	drain_logged(house->drain, house->sequence);
	for (uint32_t i = 0; i < house->slice_count; i++) {
		if (house->slices[i].slice.block == 1)
			free((void *)house->slices[i].slice.records.at);
		else
			house->slices[kept++] = house->slices[i];
	}
	assert_true(kept < house->slice_count);
	house->slice_count = kept;
	house_restart(house);
	house_settle(house);
	assert_int_equal(house_counters(house, 1).written, 7);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 2);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void a_ring_whose_file_is_gone_is_reported_dead(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	char path[400];
	uint32_t ring;

	half_way(house, &writer, &pen);
	snprintf(path, sizeof path, "%s/%s", writer.dir, writer.name);
	house_stop(house);
	assert_int_equal(unlink(path), 0);
	house_restart(house);
	ring = house_ring(house, 1);
	assert_true(ring < HOUSE_RINGS);
	house_tick(house, 10);
	assert_true(house->rings[ring].dead);
	assert_int_equal(house->rings[ring].death.cause, DEATH_UNKNOWN);
	drain_remove(house->drain, ring);
	assert_true(house->rings[ring].gone);
	assert_int_equal(house_files(house), 0);
	ring_writer_close(&writer);
}

static void a_closed_ring_is_removed_and_never_read_again(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t before;

	half_way(house, &writer, &pen);
	ring_writer_die(&writer);
	house_settle(house);
	house->now_ns += UINT64_C(1000000000);
	house_settle(house);
	assert_true(house->rings[0].dead);
	before = house->slice_count;
	/* The agent died after the log said closed, before the files went. */
	house->rings[0].gone = true;
	house_restart(house);
	house_settle(house);
	assert_int_equal(house->slice_count, before);
	assert_int_equal(house_ring(house, 1), HOUSE_RINGS);
	assert_int_equal(house_files(house), 0);
	ring_writer_close(&writer);
}

static void answers_without_a_ring_are_swept(void **state)
{
	struct house *house = *state;
	char path[400];

	house_stop(house);
	snprintf(path, sizeof path, "%s/%032d.ctl", house->dir, 7);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	house_start(house);
	assert_int_equal(house_files(house), 0);
}

static void a_state_is_carried_when_its_segment_goes(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t states;

	half_way(house, &writer, &pen);
	states = house->rings[0].states;
	assert_int_equal(drain_carry(house->drain, 0), 0);
	assert_int_equal(house->rings[0].states, states);
	house->refuse = true;
	assert_true(drain_carry(house->drain, 1) < 0);
	house->refuse = false;
	assert_int_equal(drain_carry(house->drain, 1), 0);
	assert_int_equal(house->rings[0].states, states + 1);
	/* It lies in a younger segment now. */
	assert_int_equal(drain_carry(house->drain, 1), 0);
	assert_int_equal(house->rings[0].states, states + 1);
	house_restart(house);
	ring_pen_string(&pen, 1, "key", 5000);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 8);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 0);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

/* A block that was seen while the log took nothing is in no slice yet: to the
 * log it is still free. */
static void a_state_says_nothing_of_blocks_that_were_only_seen(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;

	half_way(house, &writer, &pen);
	house->refuse = true;
	ring_pen_seal(&pen);
	ring_pen_open(&pen, 4);
	ring_pen_string(&pen, 1, "key", 5000);
	house_tick(house, 100);
	house_tick(house, 100);
	house->refuse = false;
	assert_int_equal(drain_carry(house->drain, 1), 0);
	house_restart(house);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 8);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 0);
	assert_int_equal(drain_counters(house->drain)->rings_quarantined, 0);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void a_damaged_state_is_refused(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	struct ring_identity identity;
	struct bytes good;
	uint8_t *copy;

	half_way(house, &writer, &pen);
	assert_int_equal(drain_carry(house->drain, UINT64_MAX), 0);
	good = (struct bytes){house->rings[0].state, house->rings[0].state_len};
	copy = malloc(good.len);
	for (size_t len = 0; len < good.len; len++)
		assert_true(drain_recover_state(house->drain, writer.instance,
						(struct bytes){good.at, len}, 1,
						&identity) < 0);
	memcpy(copy, good.at, good.len);
	copy[0] = 9; /* the version */
	assert_true(drain_recover_state(house->drain, writer.instance,
					(struct bytes){copy, good.len}, 1, &identity) < 0);
	memcpy(copy, good.at, good.len);
	copy[offsetof(struct drain_state_head, instance)] ^= 1; /* another ring's */
	assert_true(drain_recover_state(house->drain, writer.instance,
					(struct bytes){copy, good.len}, 1, &identity) < 0);
	free(copy);
	ring_writer_close(&writer);
}

static void two_agents_cannot_serve_one_directory(void **state)
{
	struct house *house = *state;
	struct drain_ops ops = {0};
	struct drain *second;

	assert_int_equal(drain_new(&second, house->env, &house->options, &ops), -EBUSY);
	house_stop(house);
	house_start(house);
}

static void each_start_raises_the_epoch(void **state)
{
	struct house *house = *state;
	uint32_t epoch[2];
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/agent.page", house->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &epoch[0], 4, offsetof(struct wire_agent_page, epoch)), 4);
	house_stop(house);
	house_start(house);
	assert_int_equal(pread(fd, &epoch[1], 4, offsetof(struct wire_agent_page, epoch)), 4);
	assert_int_equal(epoch[1], epoch[0] + 1);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_agent_goes_on_where_the_log_ends),
		TEST(many_restarts_lose_and_repeat_nothing),
		TEST(a_lost_or_wrong_ctl_is_written_anew_from_the_log),
		TEST(a_ring_outlives_the_loss_of_the_whole_log),
		TEST(what_a_damaged_log_forgot_is_counted),
		TEST(what_a_damaged_log_forgot_in_the_middle_is_counted),
		TEST(a_ring_whose_file_is_gone_is_reported_dead),
		TEST(a_closed_ring_is_removed_and_never_read_again),
		TEST(answers_without_a_ring_are_swept),
		TEST(a_state_is_carried_when_its_segment_goes),
		TEST(a_state_says_nothing_of_blocks_that_were_only_seen),
		TEST(a_damaged_state_is_refused),
		TEST(two_agents_cannot_serve_one_directory),
		TEST(each_start_raises_the_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
