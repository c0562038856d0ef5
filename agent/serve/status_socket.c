#include "serve/status_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

/* Readers at the same time; one more waits in the backlog. */
#define CLIENTS_MAX 8

struct client {
	struct status_socket *socket;
	int fd; /* -1: free */
	struct buf answer;
	size_t sent;
};

struct status_socket {
	struct env *env;
	status_json_fn *json;
	void *arg;
	int fd;
	char path[sizeof((struct sockaddr_un *)0)->sun_path];
	struct client clients[CLIENTS_MAX];
};

static void client_close(struct client *client)
{
	struct env *env = client->socket->env;

	(void)env->ops->watch(env, client->fd, 0, NULL, NULL);
	(void)env->ops->close(env, client->fd);
	buf_fini(&client->answer);
	client->fd = -1;
}

/* Sends what the peer takes; a slow reader holds only its own copy. */
static void client_send(void *arg, uint32_t events)
{
	struct client *client = arg;
	struct env *env = client->socket->env;
	struct iovec iov = {client->answer.at + client->sent,
			    client->answer.len - client->sent};
	ssize_t n;

	n = events & (EPOLLERR | EPOLLHUP) ? -EPIPE : env->ops->send(env, client->fd, &iov, 1);
	if (n > 0)
		client->sent += (size_t)n;
	if ((n < 0 && n != -EAGAIN) || client->sent == client->answer.len)
		client_close(client);
}

static struct client *client_free_slot(struct status_socket *socket)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (socket->clients[i].fd < 0)
			return &socket->clients[i];
	return NULL;
}

static void on_connect(void *arg, uint32_t events)
{
	struct status_socket *socket = arg;
	struct client *client = client_free_slot(socket);
	struct env *env = socket->env;
	int fd;

	(void)events;
	if (!client)
		return;
	fd = accept4(socket->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	client->fd = fd;
	client->sent = 0;
	buf_init(&client->answer);
	if (socket->json(socket->arg, &client->answer) < 0 ||
	    env->ops->watch(env, fd, EPOLLOUT, client_send, client) < 0)
		client_close(client);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r;

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
	    chmod(path, 0660) < 0 || listen(fd, CLIENTS_MAX) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int status_socket_new(struct status_socket **ret_socket, struct env *env, const char *dir,
		      status_json_fn *json, void *arg)
{
	struct status_socket *socket = calloc(1, sizeof *socket);
	int n, r;

	if (!socket)
		return -ENOMEM;
	*socket = (struct status_socket){.env = env, .json = json, .arg = arg, .fd = -1};
	for (int i = 0; i < CLIENTS_MAX; i++)
		socket->clients[i] = (struct client){.socket = socket, .fd = -1};
	n = snprintf(socket->path, sizeof socket->path, "%s/%s", dir, STATUS_SOCKET_NAME);
	r = n < 0 || (size_t)n >= sizeof socket->path ? -ENAMETOOLONG : listen_at(socket->path);
	if (r >= 0) {
		socket->fd = r;
		r = env->ops->watch(env, socket->fd, EPOLLIN, on_connect, socket);
	}
	if (r < 0) {
		status_socket_free(socket);
		return r;
	}
	*ret_socket = socket;
	return 0;
}

void status_socket_free(struct status_socket *socket)
{
	if (!socket)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (socket->clients[i].fd >= 0)
			client_close(&socket->clients[i]);
	if (socket->fd >= 0) {
		(void)socket->env->ops->watch(socket->env, socket->fd, 0, NULL, NULL);
		(void)socket->env->ops->close(socket->env, socket->fd);
		(void)unlink(socket->path);
	}
	free(socket);
}
