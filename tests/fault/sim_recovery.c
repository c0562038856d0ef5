/* X3: a second fault while the agent recovers from the first. It has died at some
 * operation; it starts again, and until it has caught up
 *
 *   kill    it dies once more: at every operation, before it, after it, in the
 *           middle of a write
 *   fail    from that operation on the disk is full, sick or read-only: once, five
 *           times, or until the recovery is over
 *   damage  its log was damaged while it was down, and the collector is away
 *
 * Nothing may be lost or be there twice, but for what was damaged; it comes to
 * rest by itself, and the ledgers add up.
 *
 * Deaths that leave the same world behind, to the last byte, are one: what comes
 * after them is the same. This makes every pair affordable.
 *
 * SIM_CASE='kill 207 0 31 1' runs the case that a failure printed; SEED chooses
 * other places to damage. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim_story.h"

#define RECOVERY_WAITS 3 /* turns after a start, in which what it found is read */
#define DAMAGES 12	 /* of each world */
#define PROGRESS_S 30
#define FIRSTS_MAX 65536
#define WORLDS_MAX (1u << 20)

struct first {
	uint64_t nth; /* operation, from the world's beginning */
	unsigned kind;
};

/* Of the life that recovers; what its process tells is in shared memory. */
struct second {
	uint64_t born; /* the operation in front of its first */
	uint64_t born_waits;
	uint64_t operations; /* of its recovery */
	uint64_t failed;
	/* What happens in it. */
	uint64_t later; /* operations behind `born`; 0: nothing */
	struct file_env_fault fault;
	uint64_t times;
};

static struct second *second;
/* What a death in front of each operation leaves behind, noted while nothing fails. */
static uint64_t *before;
static struct first firsts[FIRSTS_MAX];
static uint64_t first_count;
static uint64_t base_seed;

/* ---- worlds that were seen ------------------------------------------------------ */

static uint64_t worlds[WORLDS_MAX];
static uint64_t world_count;

/* False: it was there before. */
static bool world_is_new(uint64_t hash)
{
	uint64_t i = hash % WORLDS_MAX;

	for (; worlds[i] && worlds[i] != hash; i = (i + 1) % WORLDS_MAX)
		;
	if (worlds[i] == hash)
		return false;
	if (++world_count == WORLDS_MAX)
		abort();
	worlds[i] = hash;
	return true;
}

/* ---- the second life -------------------------------------------------------------- */

static bool recovers(const struct sim_world *world)
{
	return world->waits < second->born_waits + RECOVERY_WAITS;
}

/* What is there already can always be read, and opened to be written unless the
 * disk is read-only; that it cannot is damage, and another row. */
static bool open_may_fail(int flags)
{
	if (flags & O_CREAT)
		return true;
	return (flags & O_ACCMODE) != O_RDONLY && second->fault.error == -EROFS;
}

static bool fails(const struct sim_world *world, enum file_env_op op)
{
	bool concerns =
		sim_op_changes(op) || op == FILE_ENV_SYNC_START || op == FILE_ENV_SYNC_DONE;

	if (op == FILE_ENV_OPEN && !open_may_fail(world->env.open_flags))
		return false;
	return second->failed < second->times && recovers(world) && concerns &&
	       sim_on_disk(world);
}

static bool note(struct sim_world *world, enum file_env_op op, struct file_env_fault *ret_fault)
{
	(void)op;
	(void)ret_fault;
	if (world->operations <= SIM_OPERATIONS_KEPT)
		before[world->operations - 1] = sim_world_hash(world);
	return false;
}

static bool on_operation(struct sim_world *world, enum file_env_op op,
			 struct file_env_fault *ret_fault)
{
	uint64_t n = world->operations - second->born;

	if (!recovers(world))
		world->net.mood = SIM_HONEST;
	else if ((second->operations = n) > 0 && second->later == 0)
		(void)note(world, op, ret_fault);
	if (second->later == 0 || n < second->later)
		return false;
	if (second->fault.kind == FILE_ENV_FAIL ? !fails(world, op) : n != second->later)
		return false;
	second->failed++;
	*ret_fault = second->fault;
	return true;
}

/* Without a fault of its own: (struct second){0}. */
static enum sim_end second_life(struct sim_world *world, struct second what)
{
	enum sim_end end;

	*second = what;
	second->born = world->operations;
	second->born_waits = world->waits;
	world->fault = on_operation;
	end = sim_world_live(world, sim_life_finish);
	world->fault = NULL;
	world->net.mood = SIM_HONEST;
	return end;
}

/* NULL: it was said what is wrong. */
static struct sim_world *after_first(struct first first)
{
	struct sim_world *world = sim_world_new(&sim_story, &sim_story_settings);

	sim_death_arm(world, first.kind, first.nth);
	if (sim_world_live(world, sim_life_finish) != SIM_DIED) {
		(void)fprintf(stderr, "no death at operation %" PRIu64 "\n", first.nth);
		sim_world_free(world);
		return NULL;
	}
	return world;
}

static bool judged(bool right, const char *what, struct first first, uint64_t later,
		   unsigned kind, enum sim_end end)
{
	if (!right)
		(void)fprintf(stderr,
			      "SIM_CASE='%s %" PRIu64 " %u %" PRIu64 " %u' is wrong: end %d\n",
			      what, first.nth, first.kind, later, kind, end);
	return right;
}

/* ---- kill, fail, damage -------------------------------------------------------------- */

/* `noted`: what it leaves behind, where that is known and not seen yet; or 0. */
static bool kill_survived(struct first first, uint64_t later, unsigned kind, uint64_t noted)
{
	struct sim_world *world = after_first(first);
	enum sim_end end;
	uint64_t hash;
	bool right;

	if (!world)
		return false;
	end = second_life(world, (struct second){
					 .later = later,
					 .fault = sim_death_fault(kind, later),
				 });
	hash = sim_world_hash(world);
	right = end == SIM_DIED && (!noted || noted == hash);
	if (right && (noted || world_is_new(hash))) {
		end = sim_world_live(world, sim_life_finish);
		right = end == SIM_LIVED && sim_story_is_whole(world);
	}
	sim_world_free(world);
	return judged(right, "kill", first, later, kind, end);
}

static bool fail_survived(struct first first, uint64_t later)
{
	static const int errors[] = {ENOSPC, EIO, ENOSPC, EROFS, EDQUOT};
	static const uint64_t times[] = {1, 5, UINT64_MAX};
	uint64_t luck = sim_mix(first.nth, later);
	struct sim_world *world = after_first(first);
	enum sim_end end;
	bool right;

	if (!world)
		return false;
	end = second_life(world,
			  (struct second){
				  .later = later,
				  .fault = {.kind = FILE_ENV_FAIL, .error = -errors[luck % 5]},
				  .times = times[luck / 5 % 3],
			  });
	if (end == SIM_NOT_BEGUN) /* whoever starts it tries again */
		end = sim_world_live(world, sim_life_finish);
	right = end == SIM_LIVED && sim_story_is_whole(world);
	sim_world_free(world);
	return judged(right, "fail", first, later, 0, end);
}

/* A bit, a sector of zeros, or noise, in front of the end of what was written. */
static void damage(const struct sim_world *world, uint64_t luck)
{
	static uint8_t bytes[1 << 20];
	char pattern[SIM_PATH_BYTES];
	size_t used, at, len;
	struct stat st;
	glob_t found;
	ssize_t n;
	int fd;

	sim_path(world, "disk/state/wal/wal-*.log", pattern);
	if (glob(pattern, 0, NULL, &found) != 0)
		return; /* it died before there was one */
	fd = open(found.gl_pathv[luck % found.gl_pathc], O_RDWR | O_CLOEXEC);
	globfree(&found);
	if (fd < 0 || fstat(fd, &st) < 0)
		abort();
	n = pread(fd, bytes, sizeof bytes, 0);
	for (used = n > 0 ? (size_t)n : 0; used > 0 && bytes[used - 1] == 0; used--)
		;
	luck = sim_mix(luck, 1);
	at = used ? luck % used : 0;
	len = luck >> 32 & 1 ? 1 : 512;
	if (len > used - at)
		len = used - at;
	for (size_t i = 0; i < len; i++)
		bytes[at + i] = len == 1 ? bytes[at + i] ^ (uint8_t)(1u << (luck >> 40 & 7))
				: luck >> 33 & 1 ? 0
						 : (uint8_t)sim_mix(luck, i);
	if (pwrite(fd, bytes + at, len, (off_t)at) != (ssize_t)len)
		abort();
	close(fd);
}

static bool damage_survived(struct first first, uint64_t number)
{
	static const enum sim_mood moods[] = {SIM_REFUSING, SIM_SILENT, SIM_UNAVAILABLE,
					      SIM_CUTTING};
	struct sim_leave leave = {.lossy = true, .gaps = true, .undelivered = true};
	struct sim_world *world = after_first(first);
	enum sim_end end;
	uint64_t records;
	bool right;

	if (!world)
		return false;
	damage(world, sim_mix(sim_mix(base_seed, first.nth), number));
	world->net.mood = moods[number % 4];
	end = second_life(world, (struct second){0});
	right = end == SIM_LIVED && sim_check_archive(world, leave, &records) &&
		sim_check_left(world, true);
	sim_world_free(world);
	return judged(right, "damage", first, number, 0, end);
}

/* ---- all of them ------------------------------------------------------------------------ */

/* What a worker has done; its parent reads it. */
struct tried {
	uint64_t done, of; /* first deaths; `of` in a sum alone */
	uint64_t kills, worlds, fails, damages, wrong;
};

static struct tried *tried;

static struct tried tried_by_all(const struct tried *workers, unsigned n)
{
	struct tried sum = {.of = first_count};

	for (unsigned i = 0; i < n; i++) {
		sum.done += workers[i].done;
		sum.kills += workers[i].kills;
		sum.worlds += workers[i].worlds;
		sum.fails += workers[i].fails;
		sum.damages += workers[i].damages;
		sum.wrong += workers[i].wrong;
	}
	return sum;
}

static void progress(const struct tried *workers, unsigned n)
{
	struct tried sum = tried_by_all(workers, n);

	(void)printf("%" PRIu64 " of %" PRIu64 " first deaths: died again %" PRIu64
		     " times (%" PRIu64 " worlds), failing disk %" PRIu64
		     ", damaged log %" PRIu64 ", wrong %" PRIu64 "\n",
		     sum.done, sum.of, sum.kills, sum.worlds, sum.fails, sum.damages,
		     sum.wrong);
	(void)fflush(stdout);
}

static void first_add(struct first first)
{
	struct sim_world *world;

	if (first.kind == 0) {
		if (world_is_new(before[first.nth - 1]))
			firsts[first_count++] = first;
		return;
	}
	world = after_first(first);
	if (!world) {
		tried->wrong++;
		return;
	}
	if (world_is_new(sim_world_hash(world)))
		firsts[first_count++] = first;
	sim_world_free(world);
}

static void firsts_find(void)
{
	uint64_t records;
	struct sim_world *rehearsed = sim_story_rehearsed(note, &records);

	for (uint64_t n = 1; n <= rehearsed->operations && n <= SIM_OPERATIONS_KEPT; n++)
		for (unsigned kind = 0; kind < SIM_DEATHS; kind++)
			if (sim_death_matters(kind, rehearsed->kinds[n - 1]))
				first_add((struct first){n, kind});
	sim_world_free(rehearsed);
}

static void kill_at(struct first first, uint64_t later, enum file_env_op op, uint64_t noted)
{
	for (unsigned kind = 0; kind < SIM_DEATHS; kind++) {
		if (!sim_death_matters(kind, op))
			continue;
		tried->kills++;
		if (kind > 0)
			tried->wrong += !kill_survived(first, later, kind, 0);
		else if (world_is_new(noted))
			tried->wrong += !kill_survived(first, later, kind, noted);
	}
}

/* From an operation on that changes nothing is from the next one on. */
static void fail_from(struct first first, uint64_t later, enum file_env_op op)
{
	if (!sim_op_changes(op))
		return;
	tried->wrong += !fail_survived(first, later);
	tried->fails++;
}

/* Everything that can go wrong in the recovery from one death. */
static void recovery_try(struct first first)
{
	struct sim_world *world = after_first(first);
	struct second rehearsed;
	enum sim_end end;

	if (!world) {
		tried->wrong++;
		return;
	}
	end = second_life(world, (struct second){0});
	tried->wrong += !judged(end == SIM_LIVED && sim_story_is_whole(world), "kill", first, 0,
				0, end);
	rehearsed = *second;
	for (uint64_t later = 1; later <= rehearsed.operations; later++) {
		uint64_t at = rehearsed.born + later - 1;

		kill_at(first, later, world->kinds[at], before[at]);
		fail_from(first, later, world->kinds[at]);
	}
	for (uint64_t i = 0; i < DAMAGES; i++, tried->damages++)
		tried->wrong += !damage_survived(first, i);
	sim_world_free(world);
}

static bool case_run(const char *given)
{
	struct first first;
	uint64_t later;
	unsigned kind;
	char what[16];

	if (sscanf(given, "%15s %" SCNu64 " %u %" SCNu64 " %u", what, &first.nth, &first.kind,
		   &later, &kind) != 5) {
		(void)fprintf(stderr, "SIM_CASE is what a failure printed\n");
		return false;
	}
	if (strcmp(what, "kill") == 0)
		return kill_survived(first, later, kind, 0);
	return strcmp(what, "fail") == 0 ? fail_survived(first, later)
					 : damage_survived(first, later);
}

/* Every n-th of the first deaths, each worker on its own: the worlds that others
 * have seen are not known to it, which costs a little and misses nothing. */
static void work(unsigned number, unsigned workers)
{
	for (uint64_t i = number; i < first_count; i += workers) {
		recovery_try(firsts[i]);
		tried->worlds = world_count;
		tried->done++;
	}
}

static void begin(void)
{
	second = sim_shared(sizeof *second);
	before = sim_shared(SIM_OPERATIONS_KEPT * sizeof *before);
}

static void worker_start(unsigned number, unsigned workers, struct tried *of_it)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		abort();
	if (pid > 0)
		return;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	tried = of_it;
	begin(); /* its own: lives of several workers go on at once */
	work(number, workers);
	_exit(tried->wrong || tried->done == 0);
}

/* False: one of them failed, or died. */
static bool workers_wait(const struct tried *workers, unsigned n)
{
	time_t next = time(NULL) + PROGRESS_S;
	bool good = true;

	for (unsigned left = n; left > 0;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid > 0) {
			left--;
			good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
		} else {
			(void)usleep(100000);
		}
		if (time(NULL) >= next) {
			next = time(NULL) + PROGRESS_S;
			progress(workers, n);
		}
	}
	return good;
}

int main(void)
{
	const char *only = getenv("SIM_CASE"), *seed = getenv("SEED");
	unsigned n = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	struct tried *workers, sum;

	base_seed = seed ? strtoull(seed, NULL, 10) : 1;
	workers = sim_shared(n * sizeof *workers);
	tried = workers;
	begin();
	if (only)
		return case_run(only) ? 0 : 1;
	firsts_find();
	if (tried->wrong)
		return 1;
	for (unsigned i = 0; i < n; i++)
		worker_start(i, n, &workers[i]);
	if (!workers_wait(workers, n))
		return 1;
	sum = tried_by_all(workers, n);
	if (sum.done != sum.of)
		return 1;
	(void)printf("row X3 passed: after %" PRIu64 " different deaths %" PRIu64
		     " more while it recovered (%" PRIu64 " worlds), %" PRIu64
		     " failures of the disk, %" PRIu64
		     " damaged logs with the collector away\n",
		     sum.done, sum.kills, sum.worlds, sum.fails, sum.damages);
	return 0;
}
