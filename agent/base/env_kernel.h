/* Calls of the kernel that every world makes in the same way, the real one and
 * those of tests over real files: locks, news of a directory, processes. See
 * env.h for what each means; connections have env_listen.h. -errno. */
#ifndef BASE_ENV_KERNEL_H
#define BASE_ENV_KERNEL_H

#include "base/env.h"

int env_kernel_lock(int fd);
int env_kernel_locked(int fd);
int env_kernel_news_open(const char *path);
int env_kernel_news(int fd, env_name_fn *each, void *arg);
int env_kernel_process(uint32_t pid);

#endif
