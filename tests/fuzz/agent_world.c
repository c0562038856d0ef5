#include "agent_world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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

static void check_rings(const struct drain *drain)
{
	struct drain_ring_counters c;
	struct ring_identity identity;
	bool alive;

	for (uint32_t i = 0; i < drain_ring_count(drain); i++)
		if (drain_ring(drain, i, &identity, &c, &alive))
			FUZZ_CHECK(c.written == c.drained + c.held + c.dropped_abandoned +
							c.dropped_damaged +
							c.dropped_too_large);
}

void agent_world_check(struct agent_world *world)
{
	const struct assemble_counters *c = assemble_counters(world->pipeline.assemble);

	check_rings(world->pipeline.drain);
	FUZZ_CHECK(c->records == c->applied + c->parked + c->dropped_late +
					 c->dropped_unknown_type + c->dropped_damaged +
					 c->dropped_limit + c->dropped_duplicate_start);
	FUZZ_CHECK(c->started == c->finished + c->open + c->dropped_invalid);
}
