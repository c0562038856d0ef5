#include "sim_world.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <protobuf-c/protobuf-c.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"

#define TURN_NS UINT64_C(1000000)
#define RESTART_NS UINT64_C(200000000)
#define SETTLE_NS (UINT64_C(600) * 1000000000)

#define EXIT_LIVED 0
#define EXIT_DIED 77
#define EXIT_NOT_BEGUN 78
#define EXIT_WRONG 79

static struct sim_world *of(struct env *env)
{
	return (struct sim_world *)env;
}

void sim_path(const struct sim_world *world, const char *name, char ret_path[SIM_PATH_BYTES])
{
	int n = snprintf(ret_path, SIM_PATH_BYTES, "%s/%s", world->root, name);

	assert(n > 0 && n < SIM_PATH_BYTES); /* or TMPDIR is too long a name */
}

/* ---- the environment: file_env's files, sim_net's sockets ---------------------- */

static int op_connect(struct env *env, const struct sockaddr *addr, socklen_t len)
{
	(void)addr;
	(void)len;
	return sim_net_connect(&of(env)->net);
}

static int op_connected(struct env *env, int fd)
{
	return sim_net_connected(&of(env)->net, fd);
}

static ssize_t op_recv(struct env *env, int fd, void *at, size_t len)
{
	return sim_net_recv(&of(env)->net, fd, at, len);
}

static ssize_t op_send(struct env *env, int fd, const struct iovec *iov, int n)
{
	return sim_net_send(&of(env)->net, fd, iov, n);
}

static int op_resolve_start(struct env *env, const char *host, const char *port,
			    env_resolved_fn *done, void *arg)
{
	(void)host;
	(void)port;
	return sim_net_resolve(&of(env)->net, done, arg);
}

static int op_watch(struct env *env, int fd, uint32_t events, env_watch_fn *fn, void *arg)
{
	return sim_net_watch(&of(env)->net, fd, events, fn, arg);
}

static struct env_ops files; /* as file_env made them */

static int op_close(struct env *env, int fd)
{
	sim_net_closing(&of(env)->net, fd);
	return files.close(env, fd);
}

static void op_cancel(struct env *env, void *arg)
{
	sim_net_cancel(&of(env)->net, arg);
	files.cancel(env, arg);
}

static int op_wait(struct env *env, uint64_t timeout_ns)
{
	struct sim_world *world = of(env);
	int done = sim_net_ready(&world->net) ? sim_net_run(&world->net) : 0;

	world->waits++;
	return done + files.wait(env, done ? 0 : timeout_ns);
}

/* ---- faults ------------------------------------------------------------------- */

static bool on_operation(void *arg, enum file_env_op op, int fd,
			 struct file_env_fault *ret_fault)
{
	struct sim_world *world = arg;

	if (world->operations < SIM_OPERATIONS_KEPT)
		world->kinds[world->operations] = (uint8_t)op;
	world->operations++;
	world->op_fd = fd;
	return world->fault && world->fault(world, op, ret_fault);
}

static void on_death(void *arg)
{
	struct sim_world *world = arg;

	world->died = true;
	_exit(EXIT_DIED);
}

bool sim_op_changes(enum file_env_op op)
{
	switch (op) {
	case FILE_ENV_OPEN: /* it may create */
	case FILE_ENV_PWRITEV:
	case FILE_ENV_FALLOCATE:
	case FILE_ENV_TRUNCATE:
	case FILE_ENV_RENAME:
	case FILE_ENV_UNLINK:
	case FILE_ENV_MKDIR:
	case FILE_ENV_SYNC:
		return true;
	default:
		return false;
	}
}

static bool is_below(const struct sim_world *world, const char *path)
{
	size_t len = strlen(path);
	char link[64], at[SIM_PATH_BYTES];
	ssize_t n;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", world->op_fd);
	n = readlink(link, at, sizeof at - 1);
	return n >= (ssize_t)len && memcmp(at, path, len) == 0;
}

bool sim_on_disk(const struct sim_world *world)
{
	/* AT_FDCWD: by its path, state or archive. */
	return world->op_fd == AT_FDCWD || is_below(world, world->disk->root);
}

bool sim_is_of(const struct sim_world *world, const char *name)
{
	char path[SIM_PATH_BYTES];

	sim_path(world, name, path);
	return is_below(world, path);
}

bool sim_fault_nth(struct sim_world *world, enum file_env_op op,
		   struct file_env_fault *ret_fault)
{
	(void)op;
	if (world->operations != world->nth)
		return false;
	world->fired = true;
	*ret_fault = world->armed;
	return true;
}

/* ---- the collector -------------------------------------------------------------- */

static void span_accepted(struct sim_world *world, const ProtobufCBinaryData *id)
{
	uint64_t number;
	uint32_t module, span;
	unsigned thread;

	if (id->len != 8)
		return;
	memcpy(&number, id->data, 8);
	sim_span_place(number, &module, &thread, &span);
	if (module < SIM_MODULES_MAX && thread < SIM_THREADS && span < SIM_SPANS_MAX)
		world->delivered[module][thread][span]++;
}

static void on_accepted(void *arg, struct bytes message)
{
	Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *request;

	request =
		opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(
			NULL, message.len, message.at);
	if (!request) {
		(void)fprintf(stderr, "the agent sent what is not a request\n");
		_exit(EXIT_WRONG);
	}
	for (size_t i = 0; i < request->n_resource_spans; i++)
		for (size_t j = 0; j < request->resource_spans[i]->n_scope_spans; j++)
			for (size_t k = 0;
			     k < request->resource_spans[i]->scope_spans[j]->n_spans; k++)
				span_accepted(arg, &request->resource_spans[i]
							    ->scope_spans[j]
							    ->spans[k]
							    ->span_id);
	opentelemetry__proto__collector__trace__v1__export_trace_service_request__free_unpacked(
		request, NULL);
}

/* ---- making and removing ---------------------------------------------------------- */

static void directory_make(const struct sim_world *world, const char *name)
{
	char path[SIM_PATH_BYTES];

	sim_path(world, name, path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		abort();
}

/* The machine's own configuration must not be read. */
static void config_make(const struct sim_world *world)
{
	char path[SIM_PATH_BYTES];
	FILE *file;

	sim_path(world, "config", path);
	file = fopen(path, "we");
	if (!file || fputs("archive:\n  enabled: true\n", file) < 0 || fclose(file) != 0)
		abort();
}

static void modules_make(struct sim_world *world)
{
	char rings[SIM_PATH_BYTES];

	sim_path(world, "rings", rings);
	assert(world->plot.modules <= SIM_MODULES_MAX);
	for (uint32_t i = 0; i < world->plot.modules; i++)
		sim_module_make(&world->modules[i], rings, i,
				i * world->plot.runs / world->plot.modules, world->plot.seed);
	world->module_count = world->plot.modules;
	world->last_turn = (world->plot.modules - 1) * world->plot.turns_apart +
			   world->plot.turns_each + 2;
}

void *sim_shared(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		abort();
	return at;
}

struct sim_world *sim_world_new(const struct sim_plot *plot,
				const struct sim_settings *settings)
{
	struct sim_world *world = sim_shared(sizeof *world);
	char *root = test_directory_new(), disk[SIM_PATH_BYTES];

	/* Its tables are made at the first use: here once, not in every life. */
	(void)crc32c_portable(0, "", 0);
	world->plot = *plot;
	world->settings = *settings;
	if (world->plot.turn_ns == 0)
		world->plot.turn_ns = TURN_NS;
	assert(strlen(root) < sizeof world->root);
	strcpy(world->root, root);
	free(root);
	directory_make(world, "rings");
	directory_make(world, "disk");
	file_env_init(&world->env, plot->seed);
	files = *world->env.env.ops;
	world->ops = files;
	world->ops.connect = op_connect;
	world->ops.connected = op_connected;
	world->ops.recv = op_recv;
	world->ops.send = op_send;
	world->ops.resolve_start = op_resolve_start;
	world->ops.watch = op_watch;
	world->ops.close = op_close;
	world->ops.cancel = op_cancel;
	world->ops.wait = op_wait;
	world->env.env.ops = &world->ops;
	world->env.hooks = (struct file_env_hooks){on_operation, on_death, world};
	sim_path(world, "disk", disk);
	world->disk = sim_disk_new(disk, &world->env.passed_ns);
	sim_disk_begin(world->disk);
	world->env.disk = world->disk;
	config_make(world);
	modules_make(world);
	return world;
}

void sim_world_free(struct sim_world *world)
{
	for (uint32_t i = 0; i < world->module_count; i++)
		sim_module_close(&world->modules[i]);
	sim_disk_free(world->disk);
	test_directory_remove(world->root);
	munmap(world, sizeof *world);
}

/* ---- a life -------------------------------------------------------------------------- */

static void say_option(void *arg, const char *line)
{
	(void)arg;
	(void)fprintf(stderr, "sim: %s\n", line);
}

static void settings_load(const struct sim_world *world, struct options *options)
{
	char config[SIM_PATH_BYTES], rings[SIM_PATH_BYTES], state[SIM_PATH_BYTES],
		archive[SIM_PATH_BYTES];
	const char *argv[] = {"spanringd",   "--config", config,	  "--ring-dir", rings,
			      "--state-dir", state,	 "--archive-dir", archive,	NULL};

	sim_path(world, "config", config);
	sim_path(world, "rings", rings);
	sim_path(world, "disk/state", state);
	sim_path(world, "disk/archive", archive);
	if (clearenv() != 0 ||
	    options_load(options, 9, (char **)(uintptr_t)argv, say_option, NULL) != 0)
		_exit(EXIT_WRONG);
	options->wal_max_bytes = world->settings.log_max_bytes;
	options->wal_segment_bytes = world->settings.log_segment_bytes;
	options->wal_sync_each = world->settings.sync_each;
	options->archive_enabled = !world->settings.no_archive;
	options->archive_idle_timeout_ns = UINT64_C(2000000000);
	options->export_enabled = !world->settings.no_export;
	options->export.delay_ns = UINT64_C(100000000);
	if (world->settings.batch_spans)
		options->export.batch_spans = world->settings.batch_spans;
}

static void log_settings(void)
{
	const char *level = getenv("SIM_LOG");
	struct log_options options = {.level = LOG_EMERG, .fd = STDERR_FILENO};

	if (level)
		(void)log_level_parse(level, &options.level);
	log_init(&options);
}

static void life_begin(struct sim_world *world)
{
	world->lives++;
	world->died = false;
	world->env.sync_count = 0;
	world->env.crashed = false;
	file_env_advance(&world->env, RESTART_NS);
	/* Its moods outlive the agent, its connection does not. */
	sim_net_init(&world->net);
	world->net.accepted = on_accepted;
	world->net.arg = world;
}

static void note_given_up(struct sim_world *world, const struct pipeline *pipeline)
{
	const struct destination *destination = &pipeline->destinations[0];
	const struct export_counters *counters = &destination->export.counters;
	uint64_t given_up = counters->dropped_backlog + counters->dropped_lost;

	if (given_up > world->given_up)
		world->given_up = given_up;
	world->gave_up |=
		pipeline->destination_count > 0 &&
		(counters->dropped_backlog > 0 || /* in this life, too */
		 destination->ledger.dropped_lost > 0 || destination->ledger.unsettled > 0);
	world->went_beside |=
		pipeline->destination_count > 0 && export_is_split(&destination->export);
}

static int life(struct sim_world *world,
		bool (*fn)(struct sim_world *world, struct pipeline *pipeline))
{
	static struct pipeline pipeline;
	static struct options options;
	int r;

	log_settings();
	settings_load(world, &options);
	r = pipeline_init(&pipeline, &world->env.env, &options);
	if (r == 0 && world->settings.far_ns)
		pipeline.far_ns = world->settings.far_ns;
	if (r == 0) {
		world->damaged += wal_counters(pipeline.wal)->damaged_frames;
		world->unsure += wal_counters(pipeline.wal)->sync_failures;
		r = fn(world, &pipeline) ? EXIT_LIVED : EXIT_WRONG;
	} else {
		r = EXIT_NOT_BEGUN;
	}
	world->fault = NULL;
	if (r != EXIT_NOT_BEGUN) {
		note_given_up(world, &pipeline);
		world->damaged += wal_counters(pipeline.wal)->reader_damaged;
	}
	pipeline_fini(&pipeline);
	options_fini(&options);
	return r;
}

enum sim_end sim_world_live(struct sim_world *world,
			    bool (*fn)(struct sim_world *world, struct pipeline *pipeline))
{
	enum sim_mood mood = world->net.mood;
	bool (*fault)(struct sim_world * world, enum file_env_op op,
		      struct file_env_fault * ret_fault) = world->fault;
	int status = 0;
	pid_t pid;

	life_begin(world);
	world->net.mood = mood;
	(void)fflush(stdout);
	(void)fflush(stderr);
	pid = fork();
	if (pid == 0)
		_exit(life(world, fn));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	world->fault = fault;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LIVED)
		return SIM_LIVED;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DIED && world->died)
		return SIM_DIED;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_BEGUN) {
		world->starts_failed++;
		return SIM_NOT_BEGUN;
	}
	if (WIFSIGNALED(status))
		(void)fprintf(stderr, "sim: the agent died by signal %d\n", WTERMSIG(status));
	return SIM_BROKEN;
}

/* ---- turns ------------------------------------------------------------------------------ */

static uint64_t luck(const struct sim_world *world, uint32_t module, unsigned what)
{
	return sim_mix(sim_mix(world->plot.seed, world->turn), module * 16 + what);
}

static void module_write(struct sim_world *world, struct sim_module *module)
{
	for (unsigned i = 0; i < SIM_THREADS; i++) {
		uint64_t n =
			luck(world, module->number, i) % (world->plot.records_per_turn + 1);

		/* The root comes first: without it nothing has a parent. */
		if (i > 0 && module->threads[0].spans == 0)
			break;
		while (n-- > 0 &&
		       sim_module_write(module, i, world->env.mono_ns, world->env.passed_ns))
			file_env_advance(&world->env, 1000);
	}
}

static bool is_last_of_run(const struct sim_world *world, const struct sim_module *module)
{
	for (uint32_t i = 0; i < world->module_count; i++)
		if (&world->modules[i] != module && !world->modules[i].dead &&
		    memcmp(world->modules[i].trace_id, module->trace_id, 16) == 0)
			return false;
	return true;
}

static void module_act(struct sim_world *world, struct sim_module *module)
{
	uint32_t begin = module->number * world->plot.turns_apart + 1;

	if (module->dead || world->turn < begin)
		return;
	if (!module->published)
		sim_module_publish(module, world->env.mono_ns, world->env.boot_ns,
				   world->env.wall_ns);
	module_write(world, module);
	sim_module_see_flush(module);
	if (world->plot.flushes && luck(world, module->number, 8) % 4 == 0)
		sim_module_ask_flush(module, world->env.passed_ns);
	if (world->turn < begin + world->plot.turns_each)
		return;
	if (sim_mix(world->plot.seed, module->number) % 3 == 0)
		sim_module_die(module);
	else
		(void)sim_module_leave(module, is_last_of_run(world, module),
				       world->env.mono_ns, world->env.passed_ns);
}

static void agent_turn(struct sim_world *world, struct pipeline *pipeline)
{
	file_env_advance(&world->env, world->plot.turn_ns);
	if (pipeline_step(pipeline) == 0)
		pipeline_wait(pipeline);
	else
		(void)world->ops.wait(&world->env.env, 0);
}

void sim_world_turn(struct sim_world *world, struct pipeline *pipeline)
{
	/* First of all: an agent that dies in this turn does not get it again. */
	world->turn++;
	for (uint32_t i = 0; i < world->module_count; i++)
		module_act(world, &world->modules[i]);
	if (world->each_turn)
		world->each_turn(world);
	agent_turn(world, pipeline);
	world->log_full = wal_bytes(pipeline->wal) > wal_max_bytes(pipeline->wal);
	note_given_up(world, pipeline);
}

bool sim_life_play(struct sim_world *world, struct pipeline *pipeline)
{
	while (world->turn < world->last_turn)
		sim_world_turn(world, pipeline);
	return true;
}

/* The agent may not even know of them. */
static bool rings_left(const struct sim_world *world)
{
	char rings[SIM_PATH_BYTES];
	struct dirent *entry;
	bool left = false;
	DIR *dir;

	sim_path(world, "rings", rings);
	dir = opendir(rings);
	if (!dir)
		abort();
	while (!left && (entry = readdir(dir)))
		left = strstr(entry->d_name, WIRE_RING_SUFFIX);
	(void)closedir(dir);
	return left;
}

static bool rests(const struct sim_world *world, struct pipeline *p)
{
	uint64_t last = wal_last_span_number(p->wal);

	for (uint32_t i = 0; i < p->destination_count; i++)
		if (destination_done(&p->destinations[i]) < last ||
		    export_waiting(&p->destinations[i].export) > 0)
			return false;
	if (p->archive &&
	    (archive_mark(p->archive) < last || archive_counters(p->archive)->waiting > 0 ||
	     archive_counters(p->archive)->open_runs > 0))
		return false;
	/* What it could not do is tried again, and it says so meanwhile. */
	for (unsigned i = 0; i < CONDITIONS; i++)
		if (condition_is_raised(&p->conditions, (enum condition)i))
			return false;
	return !pipeline_in_use(p) && assemble_counters(p->assemble)->open == 0 &&
	       !rings_left(world);
}

bool sim_world_settle(struct sim_world *world, struct pipeline *pipeline, uint64_t limit_ns)
{
	uint64_t until_ns = world->env.passed_ns + limit_ns;

	for (uint32_t i = 0; i < world->module_count; i++)
		sim_module_die(&world->modules[i]);
	do
		agent_turn(world, pipeline);
	while ((!rests(world, pipeline) || sim_spools_are_left(world)) &&
	       world->env.passed_ns < until_ns);
	return rests(world, pipeline);
}

static void say_restless(struct pipeline *pipeline)
{
	struct buf status = BUF_INIT;

	if (pipeline_status(pipeline, &status) == 0)
		(void)fprintf(stderr, "sim: the agent does not come to rest: %.*s\n",
			      (int)status.len, (const char *)status.at);
	buf_fini(&status);
}

bool sim_life_finish(struct sim_world *world, struct pipeline *pipeline)
{
	(void)sim_life_play(world, pipeline);
	if (!sim_world_settle(world, pipeline, SETTLE_NS)) {
		say_restless(pipeline);
		return false;
	}
	return sim_check_ledgers(pipeline);
}

/* ---- loss of power ------------------------------------------------------------------------
 */

void sim_world_lose_rings(struct sim_world *world, uint64_t when_ns, uint64_t slack_ns)
{
	char rings[SIM_PATH_BYTES];

	for (uint32_t i = 0; i < world->module_count; i++) {
		struct sim_module *module = &world->modules[i];

		if (!module->published || module->lost)
			continue;
		sim_module_see_flush(module);
		sim_module_die(module);
		module->lost = true;
		module->safe_ns = when_ns > slack_ns ? when_ns - slack_ns : 0;
		if (world->settings.sync_each && module->flushed_ns > module->safe_ns)
			module->safe_ns = module->flushed_ns;
	}
	sim_path(world, "rings", rings);
	test_directory_empty(rings, WIRE_TEMPORARY_SUFFIX);
}

void sim_world_lose_disk(struct sim_world *world, const struct sim_cut *cut, uint64_t seed)
{
	char disk[SIM_PATH_BYTES];

	sim_path(world, "disk", disk);
	test_directory_empty(disk, NULL);
	sim_cut_make(cut, seed, disk);
}

void sim_world_power_cut(struct sim_world *world, uint64_t seed, uint64_t slack_ns)
{
	struct sim_cut *cut = sim_cut_new(world->disk);
	uint64_t ignored;

	(void)sim_cut_advance(cut, sim_disk_changes(world->disk), &ignored);
	sim_world_lose_rings(world, world->env.passed_ns, slack_ns);
	sim_world_lose_disk(world, cut, seed);
	sim_cut_free(cut);
	sim_disk_begin(world->disk);
}
