/* X1: everything at once, by a seed. Modules begin, write, leave and are killed;
 * the disk is flaky, sick, slow or full for a while and well again; the collector
 * has its moods; the agent dies at some operation, is stopped and started; the
 * machine loses power; clocks are set; a collector that comes back gets live spans
 * beside its backlog. Then all is well again, and what the
 * modules wrote must be in the archive and at the collector, and the ledgers
 * must hold.
 *
 * A seed that fails is printed; SEED=n runs exactly that one, with the agent's
 * messages if SIM_LOG=info is given. SOAK=1 takes new seeds for as long as
 * SIM_SECONDS says. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim_world.h"

#define SECONDS_QUICK 60
#define SEEDS_QUICK 150 /* the same ones on every machine that is quick enough */
#define SECONDS_SOAK 3600
#define SEEDS_BESIDE 40 /* among so many there is one */
/* Of calm, and everything older is synced: a disk that failed is asked again
 * every five seconds. */
#define CALM_NS UINT64_C(6000000000)
#define SLACK_NS UINT64_C(500000000)
#define SLACK_TURNS 12 /* a round of syncs takes some */
#define LIVES_MAX 60

enum weather {
	WEATHER_CALM,
	WEATHER_FLAKY, /* an operation of the disk fails now and then */
	WEATHER_SICK,  /* some kinds of operations fail each time */
	WEATHER_SLOW,  /* syncs answer late */
	WEATHER_FULL,
	WEATHERS,
};

/* In shared memory, beside the world: the agent's process decides with it. */
struct sky {
	uint64_t luck;
	enum weather weather;
	uint32_t until_turn;
	uint32_t sick_kinds; /* bits by enum file_env_op */
	int sick_error;
	bool deadly;	    /* the agent may die at any operation */
	uint32_t stop_turn; /* it is asked to stop then */
	uint64_t rough_ns;  /* the last moment that was not calm */
	uint64_t steady_ns; /* what was written before this is synced */
	uint64_t foul_ns;   /* the last moment of bad weather */
	uint64_t late_ns;   /* when the last late sync is answered */
	bool gaps;	    /* power was lost while the archive was ahead of the log */
	uint32_t deaths, stops, cuts;
};

static struct sky *sky;
static uint64_t seeds_beside; /* in which live spans went beside a backlog */
static const char *without;

/* To find out what it is about a seed: SIM_WITHOUT=clocks,cuts,deaths,weather,
 * moods,kills. Luck is drawn all the same. */
static bool with(const char *what)
{
	return !without || !strstr(without, what);
}

static uint64_t draw(uint64_t below)
{
	sky->luck = sim_mix(sky->luck, 1);
	return sky->luck % below;
}

static int draw_error(enum file_env_op op)
{
	/* The last only now and then: nobody is interrupted for ever. */
	static const int errors[] = {EIO, ENOSPC, EDQUOT, EROFS, EAGAIN, EINTR};
	unsigned count = sizeof errors / sizeof errors[0];

	if (op == FILE_ENV_OPEN && draw(2))
		return -EMFILE;
	return -errors[draw(sky->weather == WEATHER_SICK ? count - 1 : count)];
}

/* ---- what an operation meets -------------------------------------------------- */

static bool may_die(struct file_env_fault *ret_fault)
{
	static const enum file_env_fault_kind kinds[] = {
		FILE_ENV_CRASH_BEFORE, FILE_ENV_CRASH_AFTER, FILE_ENV_CRASH_TORN};

	if (!sky->deadly || draw(150) != 0 || !with("deaths"))
		return false;
	*ret_fault = (struct file_env_fault){.kind = kinds[draw(3)], .bytes = draw(20000)};
	return true;
}

/* A read that fails is a damaged place for good, and so is a name that cannot be
 * opened while the log is read at a start: such rows are D2's. Here reads are
 * interrupted and short. */
static bool may_fail(enum file_env_op op, struct file_env_fault *ret_fault)
{
	bool moves = op == FILE_ENV_PREAD || op == FILE_ENV_PWRITEV;

	*ret_fault = (struct file_env_fault){.kind = FILE_ENV_FAIL, .error = draw_error(op)};
	if (moves && draw(2)) {
		ret_fault->kind = FILE_ENV_SHORT;
		ret_fault->bytes = 1 + draw(3000);
	} else if (op == FILE_ENV_PREAD) {
		ret_fault->error = -EINTR;
	} else if (op == FILE_ENV_SYNC_DONE) {
		ret_fault->error = -EIO;
	}
	return true;
}

static bool is_sync(enum file_env_op op)
{
	return op == FILE_ENV_SYNC || op == FILE_ENV_SYNC_START;
}

static bool on_operation(struct sim_world *world, enum file_env_op op,
			 struct file_env_fault *ret_fault)
{
	/* Not only by turns: a start has none, and may last minutes on a slow disk. */
	if (sky->weather != WEATHER_CALM)
		sky->foul_ns = sky->rough_ns = world->env.passed_ns;
	if (may_die(ret_fault))
		return true;
	switch (sky->weather) {
	case WEATHER_FLAKY:
		return draw(30) == 0 && sim_on_disk(world) && may_fail(op, ret_fault);
	case WEATHER_SICK:
		if (!(sky->sick_kinds & 1u << op) || !sim_on_disk(world))
			return false;
		*ret_fault = (struct file_env_fault){.kind = FILE_ENV_FAIL,
						     .error = sky->sick_error};
		return true;
	case WEATHER_SLOW:
		if (!is_sync(op))
			return false;
		*ret_fault = (struct file_env_fault){.kind = FILE_ENV_LATE,
						     .delay_ns = draw(6000) * 1000000};
		/* It is answered in whatever weather comes then. */
		if (world->env.passed_ns + ret_fault->delay_ns > sky->late_ns)
			sky->late_ns = world->env.passed_ns + ret_fault->delay_ns;
		return true;
	default:
		return false;
	}
}

/* ---- what a turn brings ---------------------------------------------------------- */

static void weather_begin(struct sim_world *world)
{
	static const enum file_env_op kinds[] = {
		FILE_ENV_OPEN,	 FILE_ENV_PWRITEV, FILE_ENV_FALLOCATE,	FILE_ENV_RENAME,
		FILE_ENV_UNLINK, FILE_ENV_SYNC,	   FILE_ENV_SYNC_START, FILE_ENV_SYNC_DONE,
		FILE_ENV_MKDIR,	 FILE_ENV_SPACE,
	};

	sky->until_turn = world->turn + 3 + (uint32_t)draw(40);
	sky->weather = draw(2) ? WEATHER_CALM : (enum weather)draw(WEATHERS);
	if (!with("weather"))
		sky->weather = WEATHER_CALM;
	sky->sick_kinds = 0;
	for (unsigned i = 1 + (unsigned)draw(3); i > 0; i--)
		sky->sick_kinds |= 1u << kinds[draw(sizeof kinds / sizeof kinds[0])];
	sky->sick_error = draw_error(FILE_ENV_PWRITEV);
	world->disk->budget = sky->weather == WEATHER_FULL ? 1 + draw(200000) : 0;
	sky->deadly = draw(3) == 0;
}

static void clocks_step(struct sim_world *world)
{
	static const int64_t steps_s[] = {3600, -3600, 31536000, -31536000, 1, -1};

	if (draw(2))
		world->env.wall_ns += (uint64_t)(steps_s[draw(6)] * 1000000000);
	else
		world->env.boot_ns += (uint64_t)draw(30000) * 1000000000;
}

static void on_turn(struct sim_world *world)
{
	uint64_t now_ns = world->env.passed_ns;
	uint64_t slack_ns = SLACK_NS + SLACK_TURNS * world->plot.turn_ns;

	if (world->turn >= sky->until_turn)
		weather_begin(world);
	if (sky->weather != WEATHER_CALM || now_ns < sky->late_ns)
		sky->foul_ns = sky->rough_ns = now_ns;
	if (world->log_full)
		sky->rough_ns = now_ns;
	if (now_ns - sky->rough_ns > CALM_NS + slack_ns)
		sky->steady_ns = now_ns - slack_ns;
	if (draw(20) == 0 && with("moods"))
		world->net.mood = draw(2) ? SIM_HONEST : (enum sim_mood)draw(SIM_MOODS);
	if (draw(60) == 0 && with("clocks"))
		clocks_step(world);
	if (draw(50) == 0 && with("kills"))
		sim_module_die(&world->modules[draw(world->module_count)]);
}

/* ---- one seed ----------------------------------------------------------------------- */

static bool life(struct sim_world *world, struct pipeline *pipeline)
{
	sky->stop_turn = world->turn + 20 + (uint32_t)draw(200);
	while (world->turn < world->last_turn && world->turn < sky->stop_turn)
		sim_world_turn(world, pipeline);
	if (draw(2))
		pipeline_stop(pipeline, UINT64_C(2000000000));
	return true;
}

static struct sim_world *world_draw(uint64_t seed)
{
	struct sim_plot plot = {
		.seed = seed,
		.modules = 3 + (uint32_t)draw(7),
		.runs = 1 + (uint32_t)draw(3),
		.turns_each = 20 + (uint32_t)draw(80),
		.turns_apart = 1 + (uint32_t)draw(40),
		.records_per_turn = 1 + (uint32_t)draw(5),
		.turn_ns = (1 + draw(60)) * 1000000,
		.flushes = draw(2),
	};
	struct sim_settings settings = {
		.log_max_bytes = (UINT64_C(128) << 10) << draw(5),
		.log_segment_bytes = (8u << 10) << draw(4),
		.sync_each = draw(4) == 0,
		.no_export = draw(8) == 0,
		.batch_spans = draw(2) ? 1 + (uint32_t)draw(4) : 0,
		.far_ns = (1 + draw(40)) * 50000000,
	};

	return sim_world_new(&plot, &settings);
}

static void power_lost(struct sim_world *world)
{
	struct sim_module *module;

	/* While the log cannot be written or synced, the archive goes on. */
	sky->gaps |= world->env.passed_ns - sky->foul_ns < CALM_NS && sky->foul_ns > 0;
	sim_world_power_cut(world, draw(UINT64_MAX), UINT64_MAX);
	for (uint32_t i = 0; i < world->module_count; i++) {
		module = &world->modules[i];
		if (module->lost && module->safe_ns < sky->steady_ns && !module->was_lost)
			module->safe_ns = sky->steady_ns;
		module->was_lost = module->lost;
	}
	sky->cuts++;
}

/* Lives until the plot is over. */
static bool lives(struct sim_world *world)
{
	for (int i = 0; world->turn < world->last_turn; i++) {
		enum sim_end end;

		/* It must come to an end some day. */
		if (i >= LIVES_MAX) {
			sky->deadly = false;
			sky->weather = WEATHER_CALM;
			sky->until_turn = UINT32_MAX;
			world->disk->budget = 0;
		}
		end = sim_world_live(world, life);
		if (end == SIM_BROKEN)
			return false;
		sky->deaths += end == SIM_DIED;
		sky->stops += end == SIM_LIVED;
		if (end == SIM_NOT_BEGUN) {
			world->turn++; /* whoever starts it again waits a little */
			sky->until_turn = sky->until_turn > 5 ? sky->until_turn - 5 : 0;
			on_turn(world);
		}
		if (end != SIM_LIVED) {
			sky->rough_ns = world->env.passed_ns;
			if (draw(4) == 0 && with("cuts"))
				power_lost(world);
		}
	}
	return true;
}

static bool seed_run(uint64_t seed, uint64_t *ret_hash)
{
	struct sim_leave leave = {.steps = true};
	struct sim_world *world;
	uint64_t records = 0;
	bool right;

	memset(sky, 0, sizeof *sky);
	sky->luck = sim_mix(seed, 0);
	world = world_draw(seed);
	world->fault = on_operation;
	world->each_turn = on_turn;
	right = lives(world);
	world->fault = NULL;
	world->each_turn = NULL;
	world->disk->budget = 0;
	world->net.mood = SIM_HONEST;
	right = right && sim_world_live(world, sim_life_finish) == SIM_LIVED;
	leave.lossy = world->damaged > 0 || world->unsure > 0;
	leave.gaps = leave.lossy || sky->gaps;
	leave.undelivered = leave.gaps || world->settings.no_export;
	leave.given_up = world->given_up;
	right = right && sim_check_archive(world, leave, &records);
	right = right && sim_check_left(world, sky->cuts > 0);
	*ret_hash = sim_mix(sim_disk_hash(world->disk),
			    sim_mix(sim_archive_hash(world), world->operations));
	if (!right || getenv("SEED"))
		(void)fprintf(
			stderr,
			"SEED=%" PRIu64 ": %u modules, %u lives, %u deaths, %u stops, "
			"%u power cuts, %u failed starts, %" PRIu64 " operations, %" PRIu64
			" records found, log damaged in %" PRIu64 " places%s%s: %s\n",
			seed, world->module_count, world->lives, sky->deaths, sky->stops,
			sky->cuts, world->starts_failed, world->operations, records,
			world->damaged,
			world->went_beside ? ", live spans beside a backlog" : "",
			world->gave_up ? ", backlog given up" : "", right ? "right" : "WRONG");
	seeds_beside += world->went_beside;
	sim_world_free(world);
	return right;
}

/* The same seed does the same, to the last byte. */
static bool replays(uint64_t seed)
{
	uint64_t first, second;

	if (!seed_run(seed, &first) || !seed_run(seed, &second))
		return false;
	if (first != second)
		(void)fprintf(stderr,
			      "SEED=%" PRIu64 " does not replay: %" PRIx64 " and %" PRIx64 "\n",
			      seed, first, second);
	return first == second;
}

int main(void)
{
	const char *given = getenv("SEED"), *limit = getenv("SIM_SECONDS");
	bool soak = getenv("SOAK") != NULL;
	time_t end = time(NULL) + (limit ? atoi(limit) : soak ? SECONDS_SOAK : SECONDS_QUICK);
	uint64_t seed = given  ? strtoull(given, NULL, 10)
			: soak ? (uint64_t)time(NULL) * 1000000
			       : 1;
	uint64_t done = 0, wrong = 0, hash;

	without = getenv("SIM_WITHOUT");
	sky = sim_shared(sizeof *sky);
	if (!replays(seed))
		wrong++;
	for (; !given && time(NULL) < end && wrong < 20 && (soak || done < SEEDS_QUICK);
	     seed++, done++)
		wrong += !seed_run(seed, &hash);
	if (done >= SEEDS_BESIDE && seeds_beside == 0) {
		(void)fprintf(stderr, "no seed had live spans beside a backlog\n");
		wrong++;
	}
	if (wrong)
		return 1;
	(void)printf("row X1 passed: %" PRIu64 " seeds up to %" PRIu64
		     ", one of them twice; live spans beside a backlog in %" PRIu64 "\n",
		     done + 2, seed, seeds_beside);
	return 0;
}
