/* Which directory the rings are looked for in. Whoever removes it, mounts something
 * over it or puts another in its place takes away what new processes would come to,
 * and these cannot say so, because they never print. So the path is asked for once
 * a second, and what is there now is served: made, if there is nothing.
 *
 * Rings of before are served to their end, out of the directory that they lie in:
 * its descriptor and its agent.page stay until the last of them is gone. Their
 * processes ring that page's bell, which nobody hears any more: they are looked at
 * by the poll. One that had not opened its answers yet does not find them any more: it
 * writes until its ring is full, and counts what it refuses then. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>

#include "drain/stage.h"

static void on_news(void *arg, uint32_t events)
{
	/* Only the wake matters: every tick asks for news. */
	(void)arg;
	(void)events;
}

static void watch(struct drain *drain, struct ring_dir *directory, bool on)
{
	if (directory->news_fd < 0)
		return;
	/* Without the news the directory is listed. */
	(void)drain->env->ops->watch(drain->env, directory->news_fd, on ? EPOLLIN : 0,
				     on ? on_news : NULL, on ? drain : NULL);
}

static void hear(struct drain *drain, struct ring_dir *directory)
{
	if (ring_dir_hear(directory, drain->path) == 0)
		watch(drain, directory, true);
}

void follow_hear(struct drain *drain)
{
	hear(drain, drain->directory);
}

static int open_directory(struct drain *drain, struct ring_dir **ret_directory,
			  const char **ret_reason)
{
	struct ring_dir *directory = malloc(sizeof *directory);
	int r;

	*ret_reason = "";
	if (!directory)
		return -ENOMEM;
	r = ring_dir_open(directory, drain->env, drain->path, ret_reason);
	if (r < 0) {
		drain->holder = directory->holder;
		free(directory);
		return r;
	}
	hear(drain, directory);
	if (!directory->on_tmpfs)
		stage_log(drain, LOG_WARNING,
			  "%s is not on tmpfs: rings will be slow, and programs may refuse it",
			  drain->path);
	*ret_directory = directory;
	return 0;
}

static void close_directory(struct ring_dir *directory)
{
	ring_dir_close(directory);
	free(directory);
}

int follow_begin(struct drain *drain, const char *path)
{
	const char *reason;
	int r;

	drain->path = strdup(path);
	if (!drain->path)
		return -ENOMEM;
	r = open_directory(drain, &drain->directory, &reason);
	if (r < 0 && *reason)
		stage_log(drain, LOG_ERR, "%s: %s", path, reason);
	if (r == -EBUSY && drain->holder)
		stage_log(drain, LOG_ERR, "%s is served by process %u", path, drain->holder);
	return r;
}

void follow_end(struct drain *drain)
{
	if (drain->directory) {
		watch(drain, drain->directory, false);
		close_directory(drain->directory);
	}
	free(drain->path);
}

void follow_enter(struct drain *drain, struct ring *ring)
{
	follow_leave(drain, ring);
	ring->directory = drain->directory;
	ring->directory->rings++;
}

void follow_leave(struct drain *drain, struct ring *ring)
{
	struct ring_dir *directory = ring->directory;

	ring->directory = NULL;
	if (directory && --directory->rings == 0 && directory != drain->directory)
		close_directory(directory);
}

/* Another directory, or none, is what the path leads to. Not to know is no. */
static bool leads_elsewhere(const struct drain *drain)
{
	struct env *env = drain->env;
	const struct stat *ours = &drain->directory->st;
	struct stat st;
	int fd, r;

	fd = env->ops->open(env, AT_FDCWD, drain->path, O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return true;
	if (fd < 0)
		return false;
	r = env->ops->fstat(env, fd, &st);
	env->ops->close(env, fd);
	return r == 0 && (st.st_dev != ours->st_dev || st.st_ino != ours->st_ino);
}

static void move_to(struct drain *drain, struct ring_dir *fresh)
{
	struct ring_dir *old = drain->directory;

	/* What was shown there before is still found. */
	(void)find_all(drain);
	watch(drain, old, false);
	/* Relaxed: a wake of it would reach nobody. */
	atomic_store_explicit(&old->page->sleeping, 0, memory_order_relaxed);
	drain->directory = fresh;
	drain->listed = false;
	/* Whoever has the old page's bell takes the new one before that is gone. */
	if (drain->ops.moved)
		drain->ops.moved(drain->ops.arg);
	if (old->rings == 0)
		close_directory(old);
}

static void say_failed(struct drain *drain, int error, const char *reason)
{
	if (*reason == '\0')
		reason = error == -EBUSY ? "another agent serves what is there now"
					 : condition_remedy(error);
	condition_raise(drain->options.conditions, CONDITION_RING_DIR_FAILING,
			"somebody removed or replaced the ring directory, and it cannot be "
			"served as it is now: %s: %s; processes that run are served, those "
			"that start now are not traced",
			strerror(-error), reason);
}

bool follow_look(struct drain *drain)
{
	struct ring_dir *fresh;
	const char *reason;
	int r;

	if (!leads_elsewhere(drain))
		return true;
	r = open_directory(drain, &fresh, &reason);
	if (r < 0) {
		say_failed(drain, r, reason);
		return false;
	}
	move_to(drain, fresh);
	stage_log(drain, LOG_WARNING,
		  "somebody removed or replaced the ring directory: the one at its place is "
		  "served now, rings of the old one to their end; a process that started in "
		  "between is traced as soon as it looks again");
	return true;
}
