/* Whose run is sealed next. Few files are written at a time, and one user may have
 * thousands of runs that ended together: those who have any waiting take turns, each
 * with the run that was asked for first. So nobody waits for more than a file or two
 * of every other user, whatever these have begun.
 *
 * Of runs from before a restart, and of received ones, nobody knows whose they are:
 * they take turns as one user. */
#include "archive/stage.h"

#include <stdlib.h>

static void lane_init(struct lane *lane)
{
	list_init(&lane->link);
	list_init(&lane->waiting);
}

void turns_init(struct archive *archive)
{
	list_init(&archive->lanes);
	map_init(&archive->users, sizeof archive->nobodys.user, archive->hash_seed[1]);
	lane_init(&archive->nobodys);
}

/* After the last run. */
void turns_fini(struct archive *archive)
{
	map_fini(&archive->users);
}

/* NULL: no memory. */
static struct lane *lane_get(struct archive *archive, uint32_t user)
{
	uint64_t key = user;
	struct lane *lane = map_get(&archive->users, &key);

	if (lane)
		return lane;
	lane = calloc(1, sizeof *lane);
	if (!lane)
		return NULL;
	lane_init(lane);
	lane->user = user;
	if (map_put(&archive->users, &key, lane) < 0) {
		free(lane);
		return NULL;
	}
	return lane;
}

static void lane_put(struct archive *archive, struct lane *lane)
{
	if (--lane->runs > 0 || lane == &archive->nobodys)
		return;
	(void)map_remove(&archive->users, &lane->user); /* itself */
	free(lane);
}

void turns_add(struct run *run)
{
	list_init(&run->turn);
	run->lane = &run->archive->nobodys;
	run->lane->runs++;
}

void turns_remove(struct run *run)
{
	turns_leave(run);
	lane_put(run->archive, run->lane);
}

void turns_own(struct run *run, uint32_t user)
{
	struct archive *archive = run->archive;
	bool waits = list_linked(&run->turn);
	struct lane *lane;

	if (run->lane != &archive->nobodys)
		return;
	/* Without memory it stays where it is, which harms nobody. */
	lane = lane_get(archive, user);
	if (!lane)
		return;
	turns_remove(run);
	run->lane = lane;
	lane->runs++;
	if (waits)
		turns_wait(run);
}

void turns_wait(struct run *run)
{
	if (list_linked(&run->turn))
		return;
	if (list_empty(&run->lane->waiting))
		list_append(&run->archive->lanes, &run->lane->link);
	list_append(&run->lane->waiting, &run->turn);
}

void turns_leave(struct run *run)
{
	if (!list_linked(&run->turn))
		return;
	list_unlink(&run->turn);
	if (list_empty(&run->lane->waiting))
		list_unlink(&run->lane->link);
}

struct run *turns_next(struct archive *archive)
{
	struct list *first = list_first(&archive->lanes);
	struct lane *lane;
	struct run *run;

	if (!first)
		return NULL;
	lane = list_entry(first, struct lane, link);
	list_move(&archive->lanes, &lane->link);
	run = list_entry(lane->waiting.next, struct run, turn);
	turns_leave(run);
	return run;
}

bool archive_sealing(const struct archive *archive)
{
	return archive->busy_count > 0 || !list_empty(&archive->lanes);
}
