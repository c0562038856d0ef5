#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drain_house.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- what is told ---------------------------------------------------------- */

static int on_seen(void *arg, uint32_t ring, const struct ring_identity *identity)
{
	struct house *house = arg;

	assert_true(ring < HOUSE_RINGS);
	free(house->rings[ring].state);
	house->rings[ring] = (struct house_ring){.seen = true, .identity = *identity};
	return 0;
}

/* The slice that came last of this thread, or of this block. */
static const struct slice *last_of(const struct house *house, const struct slice *slice,
				   const uint8_t *instance, bool of_block)
{
	for (uint32_t i = house->slice_count; i-- > 0;) {
		const struct kept_slice *kept = &house->slices[i];

		if (memcmp(kept->instance, instance, 16) != 0)
			continue;
		if (of_block ? kept->slice.block == slice->block &&
				       kept->slice.generation == slice->generation
			     : kept->slice.thread == slice->thread)
			return &kept->slice;
	}
	return NULL;
}

static void slice_check(const struct house *house, const uint8_t *instance,
			const struct slice *slice)
{
	const struct slice *before = last_of(house, slice, instance, false);
	const struct slice *block = last_of(house, slice, instance, true);

	assert_true(slice->start <= slice->end && slice->end <= WIRE_BLOCK_BYTES);
	assert_true(slice->dropped_count <= slice->record_count);
	assert_int_equal(slice->records.len % 8, 0);
	if (before) {
		assert_int_equal(slice->first_record,
				 before->first_record + before->record_count);
		assert_true(slice->thread_block >= before->thread_block);
		if (slice->thread_block != before->thread_block)
			assert_true(before->sealed);
	}
	assert_int_equal(slice->start, block ? block->end : 0);
	if (block)
		assert_false(block->sealed);
}

static void slice_keep(struct house *house, uint32_t ring, const struct slice *slice)
{
	struct kept_slice *kept;

	if (house->slice_count == house->slice_cap) {
		house->slice_cap = house->slice_cap ? house->slice_cap * 2 : 256;
		house->slices =
			reallocarray(house->slices, house->slice_cap, sizeof *house->slices);
	}
	slice_check(house, house->rings[ring].identity.instance, slice);
	kept = &house->slices[house->slice_count++];
	*kept = (struct kept_slice){ring, {0}, *slice, house->sequence, house->batches};
	memcpy(kept->instance, house->rings[ring].identity.instance, 16);
	kept->slice.records.at = NULL;
	if (slice->records.len) {
		uint8_t *copy = malloc(slice->records.len);

		memcpy(copy, slice->records.at, slice->records.len);
		kept->slice.records.at = copy;
	}
}

static int on_batch(void *arg, uint32_t ring, struct slice *slices, uint32_t n,
		    uint64_t *ret_sequence)
{
	struct house *house = arg;

	assert_true(house->rings[ring].seen && !house->rings[ring].dead);
	assert_true(house->rings[ring].states > 0);
	if (house->refuse)
		return -ENOBUFS;
	for (uint32_t i = 0; house->too_big && i < n; i++)
		if (slices[i].records.len > house->too_big)
			return -E2BIG;
	house->sequence++;
	house->batches++;
	for (uint32_t i = 0; i < n; i++)
		slice_keep(house, ring, &slices[i]);
	*ret_sequence = house->sequence;
	return 0;
}

static void on_round_end(void *arg, uint32_t ring, uint64_t round)
{
	struct house *house = arg;

	assert_int_equal(round, ++house->rings[ring].rounds);
	assert_false(house->rings[ring].dead);
}

static void on_settled(void *arg, uint32_t ring)
{
	struct house *house = arg;

	house->rings[ring].settled++;
}

static void on_dead(void *arg, uint32_t ring, const struct death *death)
{
	struct house *house = arg;

	assert_false(house->rings[ring].dead);
	house->rings[ring].dead = true;
	house->rings[ring].death = *death;
}

static void on_end_lost(void *arg, uint32_t ring, const uint8_t span_id[8])
{
	struct house *house = arg;

	house->rings[ring].ends_lost++;
	memcpy(house->rings[ring].lost_span, span_id, 8);
}

static void on_flush(void *arg, uint32_t ring, uint32_t request)
{
	struct house *house = arg;

	house->rings[ring].flushes++;
	house->rings[ring].flush_request = request;
}

static void on_gone(void *arg, uint32_t ring)
{
	struct house *house = arg;

	house->rings[ring].gone = true;
}

static int on_state(void *arg, uint32_t ring, struct bytes state, uint64_t *ret_sequence,
		    uint64_t *ret_segment)
{
	struct house *house = arg;
	struct house_ring *kept = &house->rings[ring];

	assert_true(kept->seen);
	if (house->refuse)
		return -ENOBUFS;
	free(kept->state);
	kept->state = malloc(state.len);
	memcpy(kept->state, state.at, state.len);
	kept->state_len = state.len;
	kept->states++;
	kept->state_at = house->slice_count;
	*ret_sequence = ++house->sequence;
	*ret_segment = house->sequence;
	return 0;
}

static void on_log(void *arg, int priority, const char *line)
{
	struct house *house = arg;

	(void)priority;
	if (strlen(house->said) + strlen(line) + 2 < sizeof house->said) {
		strcat(house->said, line);
		strcat(house->said, "\n");
	}
}

/* ---- building -------------------------------------------------------------- */

void house_build(struct house *house)
{
	struct env_linux_options options = {.uring = ENV_LINUX_URING_NEVER};

	memset(house, 0, sizeof *house);
	house->fds_before = fds_open();
	strcpy(house->dir, "/dev/shm/test-drain-XXXXXX");
	assert_non_null(mkdtemp(house->dir));
	assert_int_equal(env_linux_new(&house->env, &options), 0);
	house->options = (struct drain_options){
		.dir = house->dir,
		.busy_interval_ns = 10000000,
		.idle_interval_ns = 100000000,
		.batch_bytes_max = 1 << 20,
		.round_bytes_max = 64 << 20,
		.rings_max = HOUSE_RINGS,
	};
	house->now_ns = house->env->ops->mono_ns(house->env);
}

static void drain_make(struct house *house)
{
	struct drain_ops ops = {
		.ring_seen = on_seen,
		.batch = on_batch,
		.round_end = on_round_end,
		.settled = on_settled,
		.ring_dead = on_dead,
		.end_lost = on_end_lost,
		.flush_wanted = on_flush,
		.ring_gone = on_gone,
		.ring_state = on_state,
		.log = on_log,
		.arg = house,
	};

	assert_int_equal(drain_new(&house->drain, house->env, &house->options, &ops), 0);
}

void house_start(struct house *house)
{
	drain_make(house);
	assert_int_equal(drain_recovered(house->drain), 0);
}

void house_stop(struct house *house)
{
	drain_free(house->drain);
	house->drain = NULL;
}

static void forget_slices(struct house *house)
{
	for (uint32_t i = 0; i < house->slice_count; i++)
		free((void *)house->slices[i].slice.records.at);
	house->slice_count = 0;
}

/* Gives the new agent each ring's last state, and the slices behind it. */
void house_restart(struct house *house)
{
	struct house_ring old[HOUSE_RINGS];

	if (house->drain)
		house_stop(house);
	memcpy(old, house->rings, sizeof old);
	memset(house->rings, 0, sizeof house->rings);
	drain_make(house);
	for (uint32_t i = 0; i < HOUSE_RINGS; i++) {
		const uint8_t *instance = old[i].identity.instance;
		struct ring_identity identity;

		if (!old[i].state)
			continue;
		if (old[i].gone) {
			drain_recover_closed(house->drain, instance, (struct bytes){NULL, 0});
			continue;
		}
		assert_int_equal(
			drain_recover_state(house->drain, instance,
					    (struct bytes){old[i].state, old[i].state_len}, 1,
					    &identity),
			0);
		assert_memory_equal(&identity, &old[i].identity, sizeof identity);
		for (uint32_t k = old[i].state_at; k < house->slice_count; k++)
			if (memcmp(house->slices[k].instance, instance, 16) == 0)
				assert_int_equal(
					drain_recover_slices(house->drain, instance,
							     &house->slices[k].slice, 1, 1),
					0);
	}
	assert_int_equal(drain_recovered(house->drain), 0);
	/* What a ring's state was is kept for the next restart. */
	for (uint32_t i = 0; i < HOUSE_RINGS; i++)
		for (uint32_t k = 0; k < HOUSE_RINGS; k++) {
			struct house_ring *ring = &house->rings[k];

			if (!old[i].state || ring->state || !ring->seen ||
			    memcmp(ring->identity.instance, old[i].identity.instance, 16) != 0)
				continue;
			ring->state = old[i].state;
			ring->state_len = old[i].state_len;
			ring->state_at = old[i].state_at;
			ring->states = 1;
			old[i].state = NULL;
		}
	for (uint32_t i = 0; i < HOUSE_RINGS; i++)
		free(old[i].state);
}

void house_forget(struct house *house)
{
	if (house->drain)
		house_stop(house);
	forget_slices(house);
	for (uint32_t i = 0; i < HOUSE_RINGS; i++)
		free(house->rings[i].state);
	memset(house->rings, 0, sizeof house->rings);
}

void house_tick(struct house *house, uint64_t ms)
{
	house->now_ns += ms * 1000000;
	(void)drain_tick(house->drain, house->now_ns);
}

void house_settle(struct house *house)
{
	uint32_t before;

	/* Two rounds after the last slice, and one to be sure. */
	for (int quiet = 0; quiet < 3; quiet = before == house->slice_count ? quiet + 1 : 0) {
		before = house->slice_count;
		house_tick(house, 100);
	}
}

static int remove_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int files = 0;

	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			(void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
		files++;
	}
	closedir(dir);
	return files;
}

void house_tear_down(struct house *house)
{
	house_forget(house);
	free(house->slices);
	env_linux_free(house->env);
	(void)remove_files(house->dir);
	assert_int_equal(rmdir(house->dir), 0);
	assert_int_equal(fds_open(), house->fds_before);
}

/* ---- asking ---------------------------------------------------------------- */

static bool is_of(const struct kept_slice *kept, uint8_t seed, uint32_t thread)
{
	return kept->instance[0] == seed && kept->slice.thread == thread;
}

uint8_t *house_records(const struct house *house, uint8_t seed, uint32_t thread,
		       size_t *ret_len)
{
	uint8_t *all = NULL;
	size_t len = 0;

	for (uint32_t i = 0; i < house->slice_count; i++) {
		const struct kept_slice *kept = &house->slices[i];

		if (!is_of(kept, seed, thread) || kept->slice.records.len == 0)
			continue;
		all = realloc(all, len + kept->slice.records.len);
		memcpy(all + len, kept->slice.records.at, kept->slice.records.len);
		len += kept->slice.records.len;
	}
	*ret_len = len;
	return all;
}

uint32_t house_count(const struct house *house, uint8_t seed, uint32_t thread,
		     uint32_t *ret_dropped)
{
	uint32_t dropped = 0, count = 0;
	uint8_t *all;
	size_t len;

	for (uint32_t i = 0; i < house->slice_count; i++)
		if (is_of(&house->slices[i], seed, thread))
			dropped += house->slices[i].slice.dropped_count;
	all = house_records(house, seed, thread, &len);
	for (size_t at = 0; at < len; count++) {
		int64_t padded = record_check(all + at, len - at);

		assert_true(padded > 0);
		at += (size_t)padded;
	}
	free(all);
	if (ret_dropped)
		*ret_dropped = dropped;
	return count;
}

uint32_t house_ring(const struct house *house, uint8_t seed)
{
	for (uint32_t i = 0; i < HOUSE_RINGS; i++)
		if (house->rings[i].seen && !house->rings[i].gone &&
		    house->rings[i].identity.instance[0] == seed)
			return i;
	return HOUSE_RINGS;
}

struct drain_ring_counters house_counters(const struct house *house, uint8_t seed)
{
	struct drain_ring_counters counters;
	struct ring_identity identity;
	bool alive;

	assert_true(drain_ring(house->drain, house_ring(house, seed), &identity, &counters,
			       &alive));
	assert_int_equal(identity.instance[0], seed);
	return counters;
}

void house_check_ledgers(const struct house *house)
{
	struct drain_ring_counters c;
	struct ring_identity identity;
	bool alive;

	for (uint32_t i = 0; i < drain_ring_count(house->drain); i++)
		if (drain_ring(house->drain, i, &identity, &c, &alive))
			assert_int_equal(c.written, c.drained + c.held + c.dropped_abandoned +
							    c.dropped_damaged +
							    c.dropped_too_large);
}

int house_files(const struct house *house)
{
	DIR *dir = opendir(house->dir);
	struct dirent *entry;
	int files = 0;

	while ((entry = readdir(dir)) != NULL)
		files += entry->d_name[0] != '.' && strcmp(entry->d_name, WIRE_PAGE_NAME) != 0;
	closedir(dir);
	return files;
}
