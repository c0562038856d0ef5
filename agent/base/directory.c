#include "base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

/* The names in the directory that holds `path`. Where it cannot be synced, as on
 * a file system that does not know it, nothing better can be done. */
static void sync_above(struct env *env, const char *path)
{
	const char *slash = strrchr(path, '/');
	char above[PATH_MAX] = ".";
	int fd;

	if (slash) {
		size_t len = slash == path ? 1 : (size_t)(slash - path);

		memcpy(above, path, len);
		above[len] = '\0';
	}
	fd = env->ops->open(env, AT_FDCWD, above, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return;
	(void)env->ops->sync(env, fd);
	(void)env->ops->close(env, fd);
}

int directory_make(struct env *env, const char *path, mode_t mode)
{
	size_t len = strlen(path);
	char part[PATH_MAX];
	int r = 0;

	if (len == 0 || len >= sizeof part)
		return len ? -ENAMETOOLONG : -EINVAL;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		r = env->ops->mkdir(env, AT_FDCWD, part, mode);
		if (r == 0)
			sync_above(env, part);
		/* A parent on a read-only or foreign file system may well be
		 * there; opening the directory tells. */
	}
	return r == -EEXIST ? 0 : r;
}
