#include "base/env_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

static bool is_internet(sa_family_t family)
{
	return family == AF_INET || family == AF_INET6;
}

/* A socket's name outlives its server; only one where nobody answers is taken. */
static int name_clear(const struct sockaddr *addr, socklen_t len)
{
	const char *path = ((const struct sockaddr_un *)(const void *)addr)->sun_path;
	struct stat st;
	int fd, r;

	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, addr, len) < 0 ? errno : 0;
	close(fd);
	if (r != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

static int name_take(int fd, const struct sockaddr *addr, socklen_t len)
{
	int r;

	if (bind(fd, addr, len) == 0)
		return 0;
	r = -errno;
	if (r != -EADDRINUSE || addr->sa_family != AF_UNIX)
		return r;
	r = name_clear(addr, len);
	if (r == 0 && bind(fd, addr, len) < 0)
		r = -errno;
	return r;
}

/* 0666 is what a loopback port is, too; the directory can say more. */
static int name_open(const struct sockaddr *addr)
{
	if (addr->sa_family != AF_UNIX)
		return 0;
	return chmod(((const struct sockaddr_un *)(const void *)addr)->sun_path, 0666) < 0
		       ? -errno
		       : 0;
}

int env_listen(struct env *env, const struct sockaddr *addr, socklen_t len)
{
	int fd, r, one = 1;

	(void)env;
	fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (is_internet(addr->sa_family))
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (addr->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	r = name_take(fd, addr, len);
	if (r == 0)
		r = name_open(addr);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int env_accept(struct env *env, int fd)
{
	int accepted, domain = 0, one = 1;
	socklen_t len = sizeof domain;

	(void)env;
	/* A connection that was broken off meanwhile is none. */
	do
		accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (accepted < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (accepted < 0)
		return -errno;
	/* Answers are written whole; waiting for more would only delay them. */
	if (getsockopt(accepted, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	    is_internet((sa_family_t)domain))
		(void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return accepted;
}
