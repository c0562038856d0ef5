#include "agent_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/abi.h"

#define PATIENCE_S 5
#define PIECE_BYTES 65536u

int agent_connect(const char *dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd, n, r;

	n = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", dir, WIRE_SOCKET_NAME);
	if (n < 0 || (size_t)n >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int ask(int fd, const char *path)
{
	char request[256];
	int n;

	/* 1.0: the answer ends with the connection, and comes in one piece. */
	n = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n",
		     path);
	if (n < 0 || (size_t)n >= sizeof request)
		return -ENAMETOOLONG;
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		return errno ? -errno : -EIO;
	return 0;
}

static int receive(int fd, struct buf *answer)
{
	ssize_t n;

	for (;;) {
		if (answer->len > AGENT_ANSWER_BYTES_MAX)
			return -EBADMSG;
		if (buf_reserve(answer, PIECE_BYTES) < 0)
			return -ENOMEM;
		n = recv(fd, answer->at + answer->len, PIECE_BYTES, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		answer->len += (size_t)n;
	}
}

/* The length that the head announces, or SIZE_MAX. The head ends with a 0. */
static size_t content_length(const char *head)
{
	for (const char *line = strchr(head, '\n'); line; line = strchr(line + 1, '\n'))
		if (strncasecmp(line + 1, "Content-Length:", 15) == 0)
			return strtoull(line + 16, NULL, 10);
	return SIZE_MAX;
}

static int take_apart(struct buf *answer, struct buf *out, int *ret_status)
{
	char *end = memmem(answer->at, answer->len, "\r\n\r\n", 4), *head = (char *)answer->at;
	size_t len;
	int status;

	if (!end || answer->len < 12 || memcmp(head, "HTTP/1.", 7) != 0)
		return -EBADMSG;
	*end = '\0';
	if (sscanf(head + 8, " %3d", &status) != 1)
		return -EBADMSG;
	len = answer->len - (size_t)(end + 4 - head);
	if (content_length(head) != len)
		return -EBADMSG;
	if (buf_append(out, end + 4, len) < 0)
		return -ENOMEM;
	*ret_status = status;
	return 0;
}

int agent_get(const char *dir, const char *path, struct buf *out, int *ret_status)
{
	struct buf answer = BUF_INIT;
	int fd, r;

	fd = agent_connect(dir);
	if (fd < 0)
		return fd;
	r = ask(fd, path);
	if (r == 0)
		r = receive(fd, &answer);
	close(fd);
	if (r == 0)
		r = take_apart(&answer, out, ret_status);
	buf_fini(&answer);
	return r;
}
