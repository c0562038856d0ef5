/* What only all stages together show: what is promised to modules and readers
 * waits for the log, and cleaning the log takes nothing with it. The agent lives in
 * the simulated world, so that every moment can be had. */
#include "records.h"
#include "sim_world.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* In a life, which is a process of its own: false ends it as wrong. */
#define MUST(what)                                                                       \
	do {                                                                             \
		if (!(what)) {                                                           \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			return false;                                                    \
		}                                                                        \
	} while (0)

static const struct sim_plot short_plot = {
	.seed = 1,
	.modules = 2,
	.runs = 1,
	.turns_each = 400,
	.records_per_turn = 6,
	.turn_ns = 20000000,
};

static const struct sim_plot long_plot = {
	.seed = 2,
	.modules = 5,
	.runs = 3,
	.turns_each = 150,
	.turns_apart = 50,
	.records_per_turn = 6,
	.turn_ns = 20000000,
};

static const struct sim_settings small_log = {
	.log_max_bytes = 256 << 10,
	.log_segment_bytes = 16 << 10,
};

static void turns(struct sim_world *world, struct pipeline *pipeline, int n)
{
	while (n-- > 0)
		sim_world_turn(world, pipeline);
}

static void everything_is_there(struct sim_world *world)
{
	uint64_t records = 0;

	assert_true(sim_check_archive(world, (struct sim_leave){0}, &records));
	assert_true(sim_check_left(world, false));
	assert_true(records > 0);
	sim_world_free(world);
}

/* ---- what waits for the log -------------------------------------------------- */

#define SYNC_NS UINT64_C(500000000)

static bool disk_is_full(struct sim_world *world, enum file_env_op op,
			 struct file_env_fault *ret_fault)
{
	if (op != FILE_ENV_PWRITEV || !sim_on_disk(world))
		return false;
	*ret_fault = (struct file_env_fault){.kind = FILE_ENV_FAIL, .error = -ENOSPC};
	return true;
}

static bool syncs_take_long(struct sim_world *world, enum file_env_op op,
			    struct file_env_fault *ret_fault)
{
	if (op != FILE_ENV_SYNC_START || !sim_on_disk(world))
		return false;
	*ret_fault = (struct file_env_fault){.kind = FILE_ENV_LATE, .delay_ns = SYNC_NS};
	return true;
}

static bool flush_is_answered(struct sim_module *module)
{
	sim_module_see_flush(module);
	return module->flushed_ns == module->flush_ns;
}

static bool answered_before(struct sim_world *world, struct pipeline *pipeline, int limit)
{
	for (int i = 0; i < limit && !flush_is_answered(&world->modules[0]); i++)
		sim_world_turn(world, pipeline);
	return flush_is_answered(&world->modules[0]);
}

static bool ring_is_there(const struct sim_module *module)
{
	char path[sizeof module->ring.dir + sizeof module->ring.name + 1];

	(void)snprintf(path, sizeof path, "%s/%s", module->ring.dir, module->ring.name);
	return access(path, F_OK) == 0;
}

static bool life_on_a_full_disk(struct sim_world *world, struct pipeline *pipeline)
{
	struct sim_module *module = &world->modules[0], *dying = &world->modules[1];
	uint64_t returned;

	turns(world, pipeline, 20);
	MUST(module->published && dying->published);
	returned = drain_counters(pipeline->drain)->blocks_returned;
	MUST(returned > 0);
	world->fault = disk_is_full;
	sim_module_ask_flush(module, world->env.passed_ns);
	sim_module_die(dying);
	turns(world, pipeline, 100);
	MUST(drain_counters(pipeline->drain)->rings_dead == 1);
	/* Drained and in memory, all of it, and nobody was told so. */
	MUST(pipeline->last_sequence > wal_logged_sequence(pipeline->wal));
	MUST(!flush_is_answered(module));
	MUST(drain_counters(pipeline->drain)->blocks_returned == returned);
	MUST(ring_is_there(dying));
	world->fault = NULL;
	MUST(answered_before(world, pipeline, 200));
	MUST(drain_counters(pipeline->drain)->blocks_returned > returned);
	turns(world, pipeline, 20);
	MUST(!ring_is_there(dying));
	return sim_life_finish(world, pipeline);
}

static void what_is_not_logged_is_neither_answered_nor_given_back(void **state)
{
	struct sim_world *world = sim_world_new(&short_plot, &small_log);

	(void)state;
	assert_int_equal(sim_world_live(world, life_on_a_full_disk), SIM_LIVED);
	everything_is_there(world);
}

static bool life_on_a_slow_disk(struct sim_world *world, struct pipeline *pipeline)
{
	struct sim_module *module = &world->modules[0];
	uint64_t asked_ns;

	turns(world, pipeline, 20);
	world->fault = syncs_take_long;
	turns(world, pipeline, 4);
	asked_ns = world->env.passed_ns;
	sim_module_ask_flush(module, asked_ns);
	turns(world, pipeline, 20);
	MUST(wal_logged_sequence(pipeline->wal) > wal_synced_sequence(pipeline->wal));
	MUST(!flush_is_answered(module));
	MUST(answered_before(world, pipeline, 1000));
	MUST(world->env.passed_ns - asked_ns >= SYNC_NS);
	world->fault = NULL;
	return sim_life_finish(world, pipeline);
}

static void with_sync_each_a_flush_is_answered_when_it_is_synced(void **state)
{
	struct sim_settings settings = small_log;
	struct sim_world *world;

	(void)state;
	settings.sync_each = true;
	world = sim_world_new(&short_plot, &settings);
	assert_int_equal(sim_world_live(world, life_on_a_slow_disk), SIM_LIVED);
	everything_is_there(world);
}

/* ---- cleaning ----------------------------------------------------------------- */

static uint64_t deleted_wanted;

static uint64_t deleted(const struct pipeline *pipeline)
{
	return wal_counters(pipeline->wal)->segments_deleted;
}

/* The first module is gone early, and the last one says something early and then
 * nothing until its time comes: what the log knows of both is soon the oldest. */
static bool life_until_segments_went(struct sim_world *world, struct pipeline *pipeline)
{
	struct sim_module *silent = &world->modules[world->module_count - 1];

	turns(world, pipeline, 2);
	sim_module_publish(silent, world->env.mono_ns, world->env.boot_ns, world->env.wall_ns);
	for (int i = 0; i < 12; i++)
		for (unsigned thread = 0; thread < SIM_THREADS; thread++)
			MUST(sim_module_write(silent, thread, world->env.mono_ns,
					      world->env.passed_ns));
	turns(world, pipeline, 10);
	sim_module_die(&world->modules[0]);
	while (deleted(pipeline) < deleted_wanted && world->turn < world->last_turn)
		sim_world_turn(world, pipeline);
	MUST(deleted(pipeline) >= deleted_wanted);
	return true;
}

static uint64_t records_written(const struct sim_world *world)
{
	uint64_t records = 0;

	for (uint32_t i = 0; i < world->module_count; i++)
		for (unsigned thread = 0; thread < SIM_THREADS; thread++)
			records += world->modules[i].threads[thread].pen.next_record - 1;
	return records;
}

static bool life_to_the_end(struct sim_world *world, struct pipeline *pipeline)
{
	struct drain_ring_counters totals;

	MUST(sim_life_finish(world, pipeline));
	drain_ring_totals(pipeline->drain, &totals);
	MUST(totals.written == records_written(world));
	MUST(totals.drained == records_written(world));
	return true;
}

/* The next life knows only what the log still holds. */
static void what_is_needed_is_carried_out_of_segments_that_go(void **state)
{
	(void)state;
	for (deleted_wanted = 1; deleted_wanted <= 33; deleted_wanted += 4) {
		struct sim_world *world = sim_world_new(&long_plot, &small_log);

		assert_int_equal(sim_world_live(world, life_until_segments_went), SIM_LIVED);
		assert_int_equal(sim_world_live(world, life_to_the_end), SIM_LIVED);
		everything_is_there(world);
	}
}

/* The spool of the silent module's run goes while the agent is down. Its spans. */
static uint64_t remove_silent_spool(const struct sim_world *world)
{
	const struct sim_module *silent = &world->modules[world->module_count - 1];
	char directory[SIM_PATH_BYTES], path[SIM_PATH_BYTES + 256], trace[33], *line = NULL;
	const struct dirent *entry;
	uint64_t spans = 0;
	size_t cap = 0;
	FILE *file;
	DIR *dir;

	for (int i = 0; i < 16; i++)
		(void)snprintf(trace + 2 * i, 3, "%02x", silent->trace_id[i]);
	sim_path(world, "disk/archive", directory);
	dir = opendir(directory);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		(void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		if (!strstr(entry->d_name, ".partial"))
			continue;
		file = fopen(path, "re");
		assert_non_null(file);
		while (getline(&line, &cap, file) > 0 && strstr(line, trace))
			spans++;
		if (spans > 0)
			assert_int_equal(unlink(path), 0);
		(void)fclose(file);
		if (spans > 0)
			break;
	}
	(void)closedir(dir);
	free(line);
	return spans;
}

static uint64_t spans_removed;

static bool life_that_misses_a_spool(struct sim_world *world, struct pipeline *pipeline)
{
	turns(world, pipeline, 4);
	MUST(archive_counters(pipeline->archive)->dropped_lost == spans_removed);
	return true;
}

static void a_spool_is_missed_although_its_runs_segment_has_gone(void **state)
{
	struct sim_world *world = sim_world_new(&long_plot, &small_log);

	(void)state;
	deleted_wanted = 9;
	assert_int_equal(sim_world_live(world, life_until_segments_went), SIM_LIVED);
	spans_removed = remove_silent_spool(world);
	assert_true(spans_removed > 0);
	assert_int_equal(sim_world_live(world, life_that_misses_a_spool), SIM_LIVED);
	sim_world_free(world);
}

static bool life_without_a_collector(struct sim_world *world, struct pipeline *pipeline)
{
	uint64_t max = wal_max_bytes(pipeline->wal), before;

	turns(world, pipeline, 4);
	world->net.mood = SIM_REFUSING;
	before = destination_done(&pipeline->destinations[0]);
	while (wal_bytes(pipeline->wal) < max - max / 4 && world->turn < world->last_turn) {
		sim_world_turn(world, pipeline);
		MUST(wal_last_span_number(pipeline->wal) == before || deleted(pipeline) == 0);
	}
	MUST(wal_bytes(pipeline->wal) > max / 2);
	world->net.mood = SIM_HONEST;
	return sim_life_finish(world, pipeline);
}

static void a_segment_waits_for_whoever_has_not_read_it(void **state)
{
	struct sim_world *world = sim_world_new(&long_plot, &small_log);

	(void)state;
	assert_int_equal(sim_world_live(world, life_without_a_collector), SIM_LIVED);
	assert_false(world->gave_up);
	everything_is_there(world);
}

/* A power loss can take spans and leave what was noted of them behind. */
static bool life_that_notes_what_is_lost(struct sim_world *world, struct pipeline *pipeline)
{
	struct destination *destination = &pipeline->destinations[0];
	struct destination_ledger ledger = {0};
	struct bytes payload = {(const uint8_t *)&ledger, sizeof ledger};
	uint8_t key[16];

	turns(world, pipeline, 40);
	ledger.number = ledger.sent = wal_last_span_number(pipeline->wal) + 50;
	destination_key(destination, key);
	MUST(pipeline_add_keyed(pipeline, WAL_LEDGER, key, (const uint8_t *)"export\0", payload,
				&(uint64_t){0}, &(struct wal_location){0}) == 0);
	return wal_commit(pipeline->wal) == 0;
}

static bool life_behind_what_is_lost(struct sim_world *world, struct pipeline *pipeline)
{
	const struct destination *destination = &pipeline->destinations[0];

	MUST(destination->ledger.number > 50);
	MUST(wal_last_span_number(pipeline->wal) == destination->ledger.number);
	return sim_life_finish(world, pipeline);
}

static void no_number_that_a_destination_had_is_given_again(void **state)
{
	struct sim_world *world = sim_world_new(&short_plot, &small_log);

	(void)state;
	assert_int_equal(sim_world_live(world, life_that_notes_what_is_lost), SIM_LIVED);
	assert_int_equal(sim_world_live(world, life_behind_what_is_lost), SIM_LIVED);
	sim_world_free(world);
}

/* ---- live spans beside a backlog ----------------------------------------------- */

#define FAR_NS UINT64_C(500000000)

static const struct sim_settings slow_sending = {
	.log_max_bytes = 4 << 20,
	.log_segment_bytes = 16 << 10,
	.batch_spans = 1,
	.far_ns = FAR_NS,
};

static bool is_split(const struct pipeline *pipeline)
{
	return export_is_split(&pipeline->destinations[0].export);
}

static bool fall_behind(struct sim_world *world, struct pipeline *pipeline)
{
	turns(world, pipeline, 4);
	world->net.mood = SIM_UNAVAILABLE;
	while (wal_last_span_number(pipeline->wal) < 200)
		sim_world_turn(world, pipeline);
	turns(world, pipeline, 30);
	MUST(!is_split(pipeline)); /* what comes while it is away is backlog, too */
	world->net.mood = SIM_HONEST;
	while (!is_split(pipeline) && world->turn < world->last_turn)
		sim_world_turn(world, pipeline);
	MUST(is_split(pipeline));
	return true;
}

/* It ends without a word, when the log says that some went ahead. */
static bool life_in_two_lanes(struct sim_world *world, struct pipeline *pipeline)
{
	struct destination *destination = &pipeline->destinations[0];

	MUST(fall_behind(world, pipeline));
	/* Each of these slows the backlog down, and nothing else. */
	while (is_split(pipeline) && destination->marked_ahead < destination->export.split + 5)
		sim_world_turn(world, pipeline);
	MUST(is_split(pipeline));
	MUST(destination->marked_number < destination->export.split);
	wal_sync_soon(pipeline->wal);
	return wal_commit(pipeline->wal) == 0;
}

static bool life_that_goes_on_in_two_lanes(struct sim_world *world, struct pipeline *pipeline)
{
	struct destination *destination = &pipeline->destinations[0];
	struct export_ahead ahead = destination_ahead(destination);

	MUST(is_split(pipeline) && ahead.number >= ahead.after + 5);
	MUST(destination->live.pushed_number == ahead.number);
	MUST(destination->backlog.pushed_number == destination_done(destination));
	MUST(destination->export.counters.sent ==
	     destination_done(destination) + ahead.number - ahead.after);
	MUST(sim_life_finish(world, pipeline));
	MUST(!is_split(pipeline) && !destination->backlog.reader);
	MUST(destination->export.counters.sent == wal_last_span_number(pipeline->wal));
	return true;
}

static uint64_t deliveries_again(const struct sim_world *world)
{
	uint64_t again = 0;

	for (uint32_t i = 0; i < world->module_count; i++)
		for (unsigned thread = 0; thread < SIM_THREADS; thread++)
			for (uint32_t span = 0; span < SIM_SPANS_MAX; span++)
				again += world->delivered[i][thread][span] > 1;
	return again;
}

static void both_lanes_go_on_in_the_agents_next_life(void **state)
{
	struct sim_world *world = sim_world_new(&long_plot, &slow_sending);

	(void)state;
	assert_int_equal(sim_world_live(world, life_in_two_lanes), SIM_LIVED);
	assert_int_equal(sim_world_live(world, life_that_goes_on_in_two_lanes), SIM_LIVED);
	/* What was not marked yet, of a second at most. */
	assert_true(deliveries_again(world) < 100);
	everything_is_there(world);
}

/* As an agent wrote it that had one lane: all behind its cursor is sent again. */
static bool life_of_an_older_agent(struct sim_world *world, struct pipeline *pipeline)
{
	struct destination *destination = &pipeline->destinations[0];
	struct destination_ledger ledger = {
		.number = destination_done(destination) + 3,
		.sent = destination_done(destination) + 3,
	};
	struct bytes payload = {(const uint8_t *)&ledger,
				offsetof(struct destination_ledger, ahead_after)};
	uint8_t key[16];

	(void)world;
	MUST(is_split(pipeline));
	destination_key(destination, key);
	MUST(pipeline_add_keyed(pipeline, WAL_LEDGER, key, (const uint8_t *)"export\0", payload,
				&(uint64_t){0}, &(struct wal_location){0}) == 0);
	return wal_commit(pipeline->wal) == 0;
}

static bool life_behind_an_older_agent(struct sim_world *world, struct pipeline *pipeline)
{
	MUST(!is_split(pipeline));
	return sim_life_finish(world, pipeline);
}

static void an_older_agents_ledger_has_one_lane(void **state)
{
	struct sim_world *world = sim_world_new(&long_plot, &slow_sending);

	(void)state;
	assert_int_equal(sim_world_live(world, life_in_two_lanes), SIM_LIVED);
	assert_int_equal(sim_world_live(world, life_of_an_older_agent), SIM_LIVED);
	assert_int_equal(sim_world_live(world, life_behind_an_older_agent), SIM_LIVED);
	everything_is_there(world);
}

/* The log is over its size: what is given up is the backlog, and, when that is gone,
 * the oldest of what came behind it. */
static bool life_that_gives_up(struct sim_world *world, struct pipeline *pipeline)
{
	struct destination *destination = &pipeline->destinations[0];
	const struct export_counters *counters = &destination->export.counters;
	uint64_t split, last;

	MUST(fall_behind(world, pipeline));
	split = destination->export.split;
	turns(world, pipeline, 6);
	MUST(is_split(pipeline) && destination_ahead(destination).number > split);
	world->net.mood = SIM_UNAVAILABLE;
	while (counters->dropped_backlog == 0 && world->turn < world->last_turn)
		sim_world_turn(world, pipeline);
	MUST(counters->dropped_backlog > 0);
	while (destination_done(destination) <= split + 20 && world->turn < world->last_turn)
		sim_world_turn(world, pipeline);
	last = wal_last_span_number(pipeline->wal);
	MUST(destination_done(destination) > split + 20);
	MUST(destination_unsent(destination, last) == last - destination_done(destination));
	return wal_commit(pipeline->wal) == 0;
}

static void a_log_over_its_size_gives_up_the_backlog_first(void **state)
{
	struct sim_settings settings = slow_sending;
	struct sim_world *world;
	uint64_t records;

	(void)state;
	settings.log_max_bytes = 256 << 10;
	world = sim_world_new(&long_plot, &settings);
	assert_int_equal(sim_world_live(world, life_that_gives_up), SIM_LIVED);
	world->net.mood = SIM_HONEST;
	assert_int_equal(sim_world_live(world, sim_life_finish), SIM_LIVED);
	assert_true(world->gave_up);
	assert_true(
		sim_check_archive(world, (struct sim_leave){.undelivered = true}, &records));
	sim_world_free(world);
}

/* ---- a damaged log -------------------------------------------------------------- */

static bool ring_was_closed;

/* A start that found damage before a CLOSED frame ended the ring's spans once more:
 * one that had to wait for the log may have been carried behind it. */
static bool close_ring(struct pipeline *pipeline, struct wal_key *key)
{
	struct drain_ledger counts = {0};
	struct iovec parts[] = {{key, sizeof *key}, {&counts, sizeof counts}};

	return wal_add(pipeline->wal, WAL_CLOSED, parts, 2, &(uint64_t){0}, NULL) == 0;
}

/* An open span's state, carried to a later segment than all that told of its ring. */
static bool life_that_leaves_a_state(struct sim_world *world, struct pipeline *pipeline)
{
	static const uint8_t no_state_yet[24];
	struct wal_key key = {.key = {0xee}};
	struct buf start = BUF_INIT;
	struct iovec parts[3];

	MUST(sim_life_finish(world, pipeline));
	MUST(!ring_was_closed || close_ring(pipeline, &key));
	records_start(&start, 99, 0, 1, 0, 1, (struct bytes){(const uint8_t *)"left", 4},
		      (struct bytes){NULL, 0});
	memcpy(key.sub, &(uint64_t){99}, sizeof key.sub);
	parts[0] = (struct iovec){&key, sizeof key};
	parts[1] = (struct iovec){(void *)no_state_yet, sizeof no_state_yet};
	parts[2] = (struct iovec){start.at, start.len};
	MUST(wal_add(pipeline->wal, WAL_STATE, parts, 3, &(uint64_t){0}, NULL) == 0);
	MUST(wal_commit(pipeline->wal) == 0);
	buf_fini(&start);
	return true;
}

static bool life_that_ends_what_was_left(struct sim_world *world, struct pipeline *pipeline)
{
	MUST(assemble_counters(pipeline->assemble)->open == 1);
	return sim_life_finish(world, pipeline);
}

static void a_span_ends_although_the_log_lost_its_ring(void **state)
{
	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		struct sim_world *world = sim_world_new(&short_plot, &small_log);

		ring_was_closed = closed;
		assert_int_equal(sim_world_live(world, life_that_leaves_a_state), SIM_LIVED);
		assert_int_equal(sim_world_live(world, life_that_ends_what_was_left),
				 SIM_LIVED);
		sim_world_free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_logged_is_neither_answered_nor_given_back),
		cmocka_unit_test(with_sync_each_a_flush_is_answered_when_it_is_synced),
		cmocka_unit_test(what_is_needed_is_carried_out_of_segments_that_go),
		cmocka_unit_test(a_spool_is_missed_although_its_runs_segment_has_gone),
		cmocka_unit_test(a_segment_waits_for_whoever_has_not_read_it),
		cmocka_unit_test(no_number_that_a_destination_had_is_given_again),
		cmocka_unit_test(both_lanes_go_on_in_the_agents_next_life),
		cmocka_unit_test(an_older_agents_ledger_has_one_lane),
		cmocka_unit_test(a_log_over_its_size_gives_up_the_backlog_first),
		cmocka_unit_test(a_span_ends_although_the_log_lost_its_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
