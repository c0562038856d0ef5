#include "sync_disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct sync_disk *disk;
static struct file_env *world;

static int answer(int fd)
{
	struct stat st;

	assert_in_range(fd, 0, SYNC_DISK_DESCRIPTORS_MAX - 1);
	assert_int_equal(fstat(fd, &st), 0);
	disk->asked++;
	if (disk->failed[fd])
		disk->asked_again++;
	if (disk->failures_left == 0 || (S_ISDIR(st.st_mode) && !disk->directories)) {
		disk->names_synced += S_ISDIR(st.st_mode);
		return 0;
	}
	if (disk->failures_left > 0)
		disk->failures_left--;
	/* A directory has nothing to be written again: it is asked again. */
	disk->failed[fd] = S_ISREG(st.st_mode);
	return disk->error;
}

static int disk_sync(struct env *env, int fd)
{
	(void)env;
	disk->blocking++;
	return answer(fd);
}

static void world_answers(int fd, env_done_fn *done, void *arg)
{
	assert_true(world->sync_count < FILE_ENV_SYNCS_MAX);
	world->syncs[world->sync_count].done = done;
	world->syncs[world->sync_count].arg = arg;
	world->syncs[world->sync_count++].result = answer(fd);
}

static int disk_sync_start(struct env *env, int fd, env_done_fn *done, void *arg)
{
	(void)env;
	if (!disk->slow) {
		world_answers(fd, done, arg);
		return 0;
	}
	assert_true(disk->held_count < SYNC_DISK_HELD_MAX);
	disk->held[disk->held_count].fd = fd;
	disk->held[disk->held_count].done = done;
	disk->held[disk->held_count++].arg = arg;
	return 0;
}

static void disk_cancel(struct env *env, void *arg)
{
	unsigned kept = 0;

	(void)env;
	for (unsigned i = 0; i < disk->held_count; i++)
		if (disk->held[i].arg != arg)
			disk->held[kept++] = disk->held[i];
	disk->held_count = kept;
	kept = 0;
	for (unsigned i = 0; i < world->sync_count; i++)
		if (world->syncs[i].arg != arg)
			world->syncs[kept++] = world->syncs[i];
	world->sync_count = kept;
}

static int disk_close(struct env *env, int fd)
{
	(void)env;
	disk->failed[fd] = false;
	for (unsigned i = 0; i < disk->held_count; i++)
		assert_int_not_equal(disk->held[i].fd, fd); /* it is being synced */
	world->open_count--;
	return close(fd) < 0 ? -errno : 0;
}

void sync_disk_install(struct sync_disk *to, struct file_env *over)
{
	disk = to;
	world = over;
	memset(disk, 0, sizeof *disk);
	disk->error = -EIO;
	disk->ops = *world->env.ops;
	disk->ops.sync = disk_sync;
	disk->ops.sync_start = disk_sync_start;
	disk->ops.cancel = disk_cancel;
	disk->ops.close = disk_close;
	world->env.ops = &disk->ops;
}

void sync_disk_answer(struct sync_disk *of)
{
	for (unsigned i = 0; i < of->held_count; i++)
		world_answers(of->held[i].fd, of->held[i].done, of->held[i].arg);
	of->held_count = 0;
}
