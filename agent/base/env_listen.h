/* The serving half of the real env's sockets: see listen() and accept() in env.h. */
#ifndef BASE_ENV_LISTEN_H
#define BASE_ENV_LISTEN_H

#include <sys/socket.h>

int env_listen(const struct sockaddr *addr, socklen_t len);
int env_accept(int fd);

#endif
