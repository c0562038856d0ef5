/* The agent is told too little of its modules: the kernel has no news of the ring
 * directory to give, gives none any more, or loses some; it does not say whether a
 * lock is held; the directory cannot be listed or a ring not opened. From the n-th
 * operation of that kind on, once, ten times, or until the modules are done. Every
 * ring is found all the same, every death seen, nothing is lost or told twice. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_world.h"

static const struct sim_plot plot = {
	.seed = 9,
	.modules = 5,
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

struct row {
	const char *name;
	enum file_env_op op;
	enum file_env_fault_kind kind;
	int error;
	const char *what;
};

static const struct row rows[] = {
	{"E1", FILE_ENV_NEWS_OPEN, FILE_ENV_FAIL, -EMFILE, "no news to be had"},
	{"E1", FILE_ENV_NEWS_OPEN, FILE_ENV_FAIL, -ENOSPC, "no watch to be had"},
	{"E1", FILE_ENV_NEWS, FILE_ENV_FAIL, -EIO, "news break off"},
	{"E1", FILE_ENV_NEWS, FILE_ENV_SHORT, 0, "the queue of news runs over"},
	{"E1", FILE_ENV_LIST, FILE_ENV_FAIL, -EMFILE, "no listing"},
	{"E2", FILE_ENV_LOCKED, FILE_ENV_FAIL, -EINTR, "a lock's question is interrupted"},
	{"E2", FILE_ENV_LOCKED, FILE_ENV_FAIL, -ENOLCK, "a lock cannot be asked for"},
	{"E3", FILE_ENV_OPEN, FILE_ENV_FAIL, -EMFILE, "a ring cannot be opened"},
	{"E3", FILE_ENV_FSTAT, FILE_ENV_FAIL, -ENOMEM, "a ring cannot be looked at"},
};

static const uint64_t lasts[] = {1, 10, UINT64_MAX};

static const struct row *row; /* of the world that lives */
static uint64_t times;
static uint64_t *failed, *seen;

static bool on_operation(struct sim_world *world, enum file_env_op op,
			 struct file_env_fault *ret_fault)
{
	if (op != row->op || world->turn >= world->last_turn || sim_on_disk(world) ||
	    ++*seen < world->nth || *failed >= times)
		return false;
	++*failed;
	*ret_fault = (struct file_env_fault){.kind = row->kind, .error = row->error};
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
	*failed = *seen = 0;
	end = sim_world_live(world, sim_life_finish);
	world->fault = NULL;
	if (end == SIM_NOT_BEGUN) /* whoever starts it tries again */
		end = sim_world_live(world, sim_life_finish);
	right = end == SIM_LIVED && sim_check_archive(world, (struct sim_leave){0}, &records) &&
		sim_check_left(world, false);
	if (!right)
		(void)fprintf(stderr,
			      "%s: %s, from number %" PRIu64 " on, %" PRIu64 " times: end %d\n",
			      row->name, row->what, nth, *failed, end);
	*ret_over = *failed == 0;
	sim_world_free(world);
	return right;
}

/* Some are asked thousands of times: then not from every single one on. */
static uint64_t after(uint64_t n)
{
	return n + 1 + (getenv("SOAK") ? n / 64 : n / 4);
}

static bool row_run(uint64_t *ret_runs)
{
	uint64_t runs = 0, wrong = 0;
	bool over = false;

	for (uint64_t n = 1; !over; n = after(n), runs++)
		wrong += !survives(n, lasts[runs % 3], &over);
	/* The last one found nothing to fail; the first must have. */
	if (runs < 2) {
		(void)fprintf(stderr, "%s: %s: nothing was asked\n", row->name, row->what);
		return false;
	}
	*ret_runs += runs - 1;
	return wrong == 0;
}

int main(void)
{
	size_t count = sizeof rows / sizeof rows[0];
	bool right = true, row_right = true;
	uint64_t runs = 0;

	failed = sim_shared(sizeof *failed);
	seen = sim_shared(sizeof *seen);
	for (row = rows; row < rows + count; row++) {
		row_right &= row_run(&runs);
		if (row + 1 < rows + count && row[1].name == row->name)
			continue;
		if (row_right)
			(void)printf("row %s passed: %" PRIu64
				     " times: all rings found, all deaths "
				     "seen, nothing lost\n",
				     row->name, runs);
		right &= row_right;
		row_right = true;
		runs = 0;
	}
	return right ? 0 : 1;
}
