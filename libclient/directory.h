/* Where rings live: the search for the directory and whether to trust it.
 *
 * A directory is trusted when it is ours alone (owner is our effective user,
 * mode 0700), or when it is on tmpfs and all its parents are root's and
 * writable by nobody else: then root made it, and its owner is the agent. Where
 * others may write to it, it must be sticky. */
#ifndef LIBCLIENT_DIRECTORY_H
#define LIBCLIENT_DIRECTORY_H

#include <stddef.h>
#include <sys/types.h>

#define DIRECTORY_PATH_SIZE 256u

struct directory {
	int fd; /* O_PATH; the caller closes it */
	uid_t owner;
	char path[DIRECTORY_PATH_SIZE];
};

/* Where a path leads that begins at the working directory. -ENAMETOOLONG, and
 * the errors of getcwd(). */
int directory_absolute(char ret_path[DIRECTORY_PATH_SIZE], const char *path);

/* Opens the named directory, or the first of the usual places that exists
 * when `named` is NULL. A missing one that was named is created, mode 0700,
 * if its parent is ours.
 * *ret->path says on failure, too, what was looked at last.
 * -ENOENT: none. -EPERM: not to be trusted. -ENAMETOOLONG, -ENOTDIR, ... */
int directory_open(struct directory *ret, const char *named);

#endif
