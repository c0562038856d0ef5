/* D4, D5, D7, D8, D13 through the whole agent: from the n-th operation on, operations
 * that change the disk fail once, five times, or until the modules are done; then
 * the disk is well again. D7: a disk is full, the archive's, the log's, or one that
 * both are on, and the first write still gets a part of its bytes out. D13: what the
 * archive wrote cannot be read. Nobody died, so nothing may be lost, and the agent returns to
 * normal by itself. For every n; the error and how long it lasts go round. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_world.h"

static const struct sim_plot plot = {
	.seed = 4,
	.modules = 4,
	.runs = 2,
	.turns_each = 12,
	.turns_apart = 4,
	.records_per_turn = 6,
	.turn_ns = 20000000,
};

static const struct sim_settings settings = {
	.log_max_bytes = 1 << 20,
	.log_segment_bytes = 16 << 10,
};

/* Which operations fail. */
enum concern { CHANGES, SYNCS, ROOM, READS };

struct row {
	const char *name;
	enum concern concern;
	int errors[4];
};

static const struct row rows[] = {
	{"D4/env", CHANGES, {ENOSPC, EDQUOT, EIO, EAGAIN}},
	{"D5/env", SYNCS, {EIO, EIO, ENOSPC, EDQUOT}},
	{"D7/env", ROOM, {ENOSPC, ENOSPC, EDQUOT, ENOSPC}},
	{"D8/env", CHANGES, {EROFS, EROFS, EACCES, EROFS}},
	{"D13/env", READS, {EIO, EIO, EAGAIN, EIO}},
};

/* D7: what lies on the disk that is full. */
static const char *const full[] = {"disk/archive", "disk/state", "disk"};

static const uint64_t lasts[] = {1, 5, UINT64_MAX};
/* D13: in each place five reads in a row may fail before it counts as damaged. Most
 * of it is read when the modules are done, so that is no end of it. */
static const uint64_t reads_last[] = {1, 3, 5};

static const struct row *row; /* of the world that lives */
static uint64_t times;
static uint64_t *failed;

static bool concerns(enum file_env_op op)
{
	bool sync = op == FILE_ENV_SYNC || op == FILE_ENV_SYNC_DONE;

	switch (row->concern) {
	case SYNCS:
		return sync;
	case ROOM:
		return op == FILE_ENV_PWRITEV || op == FILE_ENV_FALLOCATE;
	case READS:
		return op == FILE_ENV_PREAD;
	default:
		return !sync && sim_op_changes(op);
	}
}

static bool is_hit(const struct sim_world *world)
{
	switch (row->concern) {
	case ROOM:
		return sim_is_of(world, full[world->nth / 2 % 3]);
	case READS:
		return sim_is_of(world, "disk/archive");
	default:
		return sim_on_disk(world);
	}
}

static bool on_operation(struct sim_world *world, enum file_env_op op,
			 struct file_env_fault *ret_fault)
{
	if (world->operations < world->nth || *failed >= times || !concerns(op) ||
	    (world->turn >= world->last_turn && row->concern != READS) || !is_hit(world))
		return false;
	++*failed;
	*ret_fault = (struct file_env_fault){
		.kind = FILE_ENV_FAIL,
		.error = -row->errors[world->nth % 4],
	};
	if (row->concern == ROOM && op == FILE_ENV_PWRITEV && *failed == 1) {
		ret_fault->kind = FILE_ENV_SHORT;
		ret_fault->bytes = 1 + world->nth % 100;
	}
	return true;
}

static bool survives(uint64_t nth, uint64_t last, bool *ret_over)
{
	struct sim_world *world = sim_world_new(&plot, &settings);
	enum sim_end end;
	uint64_t records;
	bool right;

	world->nth = nth;
	world->fault = on_operation;
	times = last;
	*failed = 0;
	end = sim_world_live(world, sim_life_finish);
	world->fault = NULL;
	if (end == SIM_NOT_BEGUN) /* whoever starts it tries again */
		end = sim_world_live(world, sim_life_finish);
	right = end == SIM_LIVED && sim_check_archive(world, (struct sim_leave){0}, &records) &&
		sim_check_left(world, false);
	if (!right)
		(void)fprintf(stderr,
			      "%s: from operation %" PRIu64 " on, %" PRIu64
			      " times error %d: end %d\n",
			      row->name, nth, *failed, row->errors[nth % 4], end);
	*ret_over = *failed == 0;
	sim_world_free(world);
	return right;
}

static bool row_run(void)
{
	const uint64_t *times_of = row->concern == READS ? reads_last : lasts;
	uint64_t runs = 0, hits = 0, wrong = 0, step = getenv("SOAK") ? 1 : 3;
	unsigned spared = 0; /* in a row */
	bool over = false;

	/* One disk of D7 may have its last write before another one has. */
	for (uint64_t n = 1; spared < 6; n += step, runs++) {
		wrong += !survives(n, times_of[n / step % 3], &over);
		spared = over ? spared + 1 : 0;
		hits += !over;
	}
	if (wrong || hits == 0)
		return false;
	(void)printf("row %s passed: %" PRIu64
		     " times from another operation on, %s: nothing lost\n",
		     row->name, runs,
		     row->concern == READS ? "once, three and five times"
					   : "once, five times, or until it was well again");
	return true;
}

int main(void)
{
	bool right = true;

	failed = sim_shared(sizeof *failed);
	for (row = rows; row < rows + sizeof rows / sizeof rows[0]; row++)
		right &= row_run();
	return right ? 0 : 1;
}
