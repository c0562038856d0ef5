#include "agent_world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/counter.h"
#include "base/log.h"
#include "fuzz.h"

static void say(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static void be_silent(void)
{
	static int nowhere = -1;
	struct log_options options = {.level = LOG_ERR};

	if (nowhere >= 0)
		return;
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	options.fd = nowhere;
	log_init(&options);
}

/* Segments are not allocated beforehand: clearing that memory would take longer
 * than everything else. What is small is the ring directory's and must be. */
static int fallocate_small(struct env *env, int fd, off_t offset, off_t len)
{
	(void)env;
	return len <= 65536 ? -posix_fallocate(fd, offset, len) : -EOPNOTSUPP;
}

void agent_world_init(struct agent_world *world)
{
	char program[] = "spanringd", flag[] = "--config", path[224], text[1024];
	char *argv[] = {program, flag, path, NULL};
	int n;

	be_silent();
	file_env_init(&world->files, 1);
	world->ops = *world->files.env.ops;
	world->ops.fallocate = fallocate_small;
	world->files.env.ops = &world->ops;
	(void)snprintf(world->ring_dir, sizeof world->ring_dir, "%s/ring", fuzz_directory());
	(void)snprintf(world->state_dir, sizeof world->state_dir, "%s/state", fuzz_directory());
	(void)snprintf(world->archive_dir, sizeof world->archive_dir, "%s/archive",
		       fuzz_directory());
	(void)snprintf(path, sizeof path, "%s/agent.yaml", fuzz_directory());
	/* Little memory, so that values leave it and come back. */
	n = snprintf(text, sizeof text,
		     "ring: {dir: %s}\nstate: {dir: %s}\narchive: {dir: %s}\n"
		     "export: {enabled: false}\nassemble: {memory_max: 64KiB}\n",
		     world->ring_dir, world->state_dir, world->archive_dir);
	fuzz_write(path, text, (size_t)n);
	FUZZ_CHECK(options_load(&world->options, 3, argv, say, NULL) == 0);
}

static void remove_if_there(const char *path)
{
	if (access(path, F_OK) == 0)
		test_directory_remove(path);
}

void agent_world_fini(struct agent_world *world)
{
	options_fini(&world->options);
	remove_if_there(world->ring_dir);
	remove_if_there(world->state_dir);
	remove_if_there(world->archive_dir);
	FUZZ_CHECK(world->files.open_count == 0);
}

void agent_world_start(struct agent_world *world)
{
	FUZZ_CHECK(pipeline_init(&world->pipeline, &world->files.env, &world->options) == 0);
}

void agent_world_stop(struct agent_world *world)
{
	pipeline_fini(&world->pipeline);
}

void agent_world_run(struct agent_world *world, unsigned turns)
{
	while (turns--) {
		file_env_advance(&world->files, 100000000);
		(void)pipeline_step(&world->pipeline);
		(void)world->files.env.ops->wait(&world->files.env, 0);
	}
}

/* By the table that names the ledger's terms. */
static bool adds_up(const struct counter_table *table, const void *counters)
{
	uint64_t in = 0, out = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct counter *row = &table->rows[i];

		if (row->side == LEDGER_IN)
			in += counter_value(row, counters);
		else if (row->side == LEDGER_OUT)
			out += counter_value(row, counters);
	}
	return in == out;
}

void agent_world_check_spans(struct agent_world *world)
{
	FUZZ_CHECK(adds_up(&assemble_span_table, assemble_counters(world->pipeline.assemble)));
}

void agent_world_check(struct agent_world *world)
{
	const struct drain *drain = world->pipeline.drain;
	struct drain_ring_counters counters;
	struct ring_identity identity;
	bool alive;

	for (uint32_t i = 0; i < drain_ring_count(drain); i++)
		if (drain_ring(drain, i, &identity, &counters, &alive))
			FUZZ_CHECK(adds_up(&drain_ring_counter_table, &counters));
	FUZZ_CHECK(
		adds_up(&assemble_record_table, assemble_counters(world->pipeline.assemble)));
	agent_world_check_spans(world);
}
