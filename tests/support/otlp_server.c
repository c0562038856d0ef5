#include "otlp_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 32
#define PROGRAM "tests/support/otlp_server.py"

/* Tests run in the root of the tree, or say where it is. */
static void program_path(char *path, size_t len)
{
	const char *root = getenv("SPANRING_SOURCE");

	(void)snprintf(path, len, "%s/" PROGRAM, root ? root : ".");
}

static void server_exec(int in, int out, const char *const args[])
{
	char path[512];
	char *argv[ARGS_MAX + 3];
	int n = 0;

	program_path(path, sizeof(path));
	argv[n++] = (char *)"/usr/bin/python3";
	argv[n++] = path;
	while (args && *args && n < ARGS_MAX + 2)
		argv[n++] = (char *)*args++;
	argv[n] = NULL;
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	execv(argv[0], argv);
	_exit(127);
}

int otlp_server_start(struct otlp_server *server, const char *const args[])
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return -EMFILE;
	}
	server->pid = fork();
	if (server->pid == 0)
		server_exec(in[0], out[1], args);
	close(in[0]);
	close(out[1]);
	server->stdin_fd = in[1];
	server->out = fdopen(out[0], "r");
	if (server->pid < 0 || !server->out || fscanf(server->out, "%d", &server->port) != 1) {
		(void)otlp_server_stop(server, NULL);
		return -EIO;
	}
	return 0;
}

int otlp_server_stop(struct otlp_server *server, struct otlp_server_totals *ret_totals)
{
	struct otlp_server_totals totals = {0};
	int status = 0;

	close(server->stdin_fd);
	if (server->out) {
		if (fscanf(server->out, " requests=%lu spans=%lu bytes=%lu", &totals.requests,
			   &totals.spans, &totals.bytes) == 3 &&
		    ret_totals)
			*ret_totals = totals;
		fclose(server->out);
	}
	if (server->pid > 0 && waitpid(server->pid, &status, 0) < 0)
		return -errno;
	return status ? -EIO : 0;
}
