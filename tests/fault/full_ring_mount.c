/* S10/env: the mount of the rings has no room for the agent's answers, told to the
 * drain through struct env: what a process writes is read all the same, its blocks
 * come back when there is room again, and nothing is written twice. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/condition.h"
#include "drain/drain.h"
#include "file_env.h"
#include "ring_writer.h"

#define RING_BYTES (1u << 20)
#define CHECK(what)                                                                \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			exit(1);                                                   \
		}                                                                  \
	} while (0)

static uint64_t sequence;
static uint32_t records;

static int on_seen(void *arg, uint32_t ring, const struct ring_identity *identity)
{
	(void)arg;
	(void)ring;
	(void)identity;
	return 0;
}

static int on_batch(void *arg, uint32_t ring, struct slice *slices, uint32_t n,
		    uint64_t *ret_sequence)
{
	(void)arg;
	(void)ring;
	for (uint32_t i = 0; i < n; i++)
		records += slices[i].record_count - slices[i].dropped_count;
	*ret_sequence = ++sequence;
	return 0;
}

static int on_state(void *arg, uint32_t ring, struct bytes state, uint64_t *ret_sequence,
		    uint64_t *ret_segment)
{
	(void)arg;
	(void)ring;
	(void)state;
	*ret_sequence = ++sequence;
	*ret_segment = 1;
	return 0;
}

static void on_round_end(void *arg, uint32_t ring, uint64_t round)
{
	(void)arg;
	(void)ring;
	(void)round;
}

static void run(struct drain *drain, struct file_env *world, int ticks)
{
	while (ticks--) {
		file_env_advance(world, 100000000);
		(void)drain_tick(drain, world->mono_ns);
		drain_logged(drain, sequence);
	}
}

/* Every `op` of the drain fails for lack of room, then no more. */
static void without_room(const char *dir, enum file_env_op op, uint8_t seed)
{
	struct drain_ops ops = {.ring_seen = on_seen,
				.batch = on_batch,
				.ring_state = on_state,
				.round_end = on_round_end};
	struct drain_options options = {.dir = dir,
					.busy_interval_ns = 10000000,
					.idle_interval_ns = 100000000,
					.batch_bytes_max = 1 << 20,
					.round_bytes_max = 1 << 20,
					.rings_max = 10};
	struct conditions conditions;
	struct ring_writer writer;
	struct file_env world;
	struct drain *drain;
	struct ring_pen pen;

	file_env_init(&world, seed);
	conditions_init(&conditions, &world.env, NULL, NULL);
	options.conditions = &conditions;
	CHECK(drain_new(&drain, &world.env, &options, &ops) == 0);
	CHECK(drain_recovered(drain) == 0);
	file_env_arm(&world, (struct file_env_fault){.op = op,
						     .kind = FILE_ENV_FAIL,
						     .nth = op == FILE_ENV_OPEN ? 3 : 1,
						     .times = UINT64_MAX,
						     .error = -ENOSPC});
	ring_writer_make(&writer, dir, seed, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	records = 0;
	for (uint32_t block = 0; block < 3; block++) {
		ring_pen_open(&pen, block);
		ring_pen_start(&pen, block + 1, "a");
		ring_pen_end(&pen, block + 1);
		ring_pen_seal(&pen);
	}
	run(drain, &world, 20);
	CHECK(file_env_fired(&world));
	CHECK(ring_writer_returned(&writer, 0) == 0);
	file_env_disarm(&world);
	run(drain, &world, 20);
	CHECK(records == 6);
	for (uint32_t block = 0; block < 3; block++)
		CHECK(ring_writer_returned(&writer, block) == 1);
	CHECK(ring_writer_returns(&writer) == 3);
	ring_writer_die(&writer);
	ring_writer_close(&writer);
	drain_free(drain);
	CHECK(world.open_count == 0);
}

static void in_a_directory(enum file_env_op op, uint8_t seed)
{
	char *dir = test_directory_new();

	without_room(dir, op, seed);
	test_directory_remove(dir);
	free(dir);
}

int main(void)
{
	in_a_directory(FILE_ENV_FALLOCATE, 1);
	in_a_directory(FILE_ENV_OPEN, 2);
	printf("row S10/env passed: without room for the answers records are read once, and "
	       "blocks come back when there is some\n");
	return 0;
}
