/* Operations that every world has in the same way, the real one and those of tests
 * over real files: locks, news of a directory, processes. See env.h for what each
 * means; connections have env_listen.h. They need nothing of a world, which may be
 * NULL for whoever has none. */
#ifndef BASE_ENV_KERNEL_H
#define BASE_ENV_KERNEL_H

#include "base/env.h"

int env_kernel_lock(struct env *env, int fd);
int env_kernel_locked(struct env *env, int fd);
int env_kernel_news_open(struct env *env, const char *path);
int env_kernel_news(struct env *env, int fd, env_name_fn *each, void *arg);
uint32_t env_kernel_pid(struct env *env);
int env_kernel_process(struct env *env, uint32_t pid);

#endif
