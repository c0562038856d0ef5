/* The real world behind struct env (see env.h): clocks, files, sockets and
 * epoll of this Linux.
 *
 * Background syncs go through io_uring where the kernel allows it; where it does
 * not (ENOSYS, EPERM: containers block it) by a helper thread. Helper threads own no state: one waits in fdatasync, one in
 * getaddrinfo (apart, so that a slow name server never delays durability), one
 * sleeps on the doorbell. Each starts when first needed, takes no signals, and
 * its results come back through wait() on the agent's thread.
 *
 * SIGXFSZ is ignored from env_linux_new() on: a file size limit must come back
 * as -EFBIG, not end the agent. */
#ifndef BASE_ENV_LINUX_H
#define BASE_ENV_LINUX_H

#include <stdatomic.h>

#include "base/env.h"

enum env_linux_uring {
	ENV_LINUX_URING_AUTO = 0, /* when the kernel allows it */
	ENV_LINUX_URING_NEVER = 1,
};

struct env_linux_options {
	enum env_linux_uring uring;
};

/* `options` NULL: the defaults. -EMFILE, -ENFILE, -ENOMEM. */
int env_linux_new(struct env **ret_env, const struct env_linux_options *options);

/* Stops the threads. Callbacks not yet run are never run; the descriptors
 * given out stay the caller's. A getaddrinfo() in progress is waited for. */
void env_linux_free(struct env *env);

/* Whether syncs go through io_uring, and opens with O_NOFOLLOW through openat2:
 * for `status`. */
bool env_linux_uses_uring(const struct env *env);
bool env_linux_uses_openat2(const struct env *env);

/* Calls `fn` from wait() when somebody wakes the futex `word`. Its value means
 * nothing; wakes that come close together are one call, and one that comes
 * while none waits is lost (the caller polls anyway). At most 10,000 calls a
 * second, because anybody may wake the word.
 *
 * A second call replaces the first; `word` NULL stops it, which must happen
 * before the word is unmapped. -ENOMEM, -EAGAIN, -EMFILE. */
int env_linux_doorbell(struct env *env, _Atomic uint32_t *word, env_watch_fn *fn, void *arg);

#endif
