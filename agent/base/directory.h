/* Directories that must still be there after a power loss. */
#ifndef BASE_DIRECTORY_H
#define BASE_DIRECTORY_H

#include "base/env.h"

/* Makes the directory and what is missing above it. Each new name is synced in
 * the directory that holds it: files below it can be as durable as they like, if
 * their directory's name is lost, so are they. 0: it is there now, or seems to
 * be (open it to know); -errno of making the last part, -ENAMETOOLONG, -EINVAL:
 * an empty path. */
int directory_make(struct env *env, const char *path, mode_t mode);

#endif
