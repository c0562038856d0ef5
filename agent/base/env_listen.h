/* The serving half of a world's sockets: listen() and accept() of env.h. They need
 * nothing of a world, which may be NULL. */
#ifndef BASE_ENV_LISTEN_H
#define BASE_ENV_LISTEN_H

#include "base/env.h"

int env_listen(struct env *env, const struct sockaddr *addr, socklen_t len);
int env_accept(struct env *env, int fd);

#endif
