/* Runs tests/support/otlp_server.py - gRPC for Python, written by others - as
 * a child for the length of a test. Its flags are described at its top. */
#ifndef SUPPORT_OTLP_SERVER_H
#define SUPPORT_OTLP_SERVER_H

#include <stdio.h>
#include <sys/types.h>

struct otlp_server {
	pid_t pid;
	int port;
	int stdin_fd; /* its end ends the server */
	FILE *out;
};

struct otlp_server_totals {
	unsigned long requests, spans, bytes;
};

/* `args` is NULL-terminated, without the program's name. Returns when the
 * server listens. -errno, -EIO: it said no port. */
int otlp_server_start(struct otlp_server *server, const char *const args[]);

/* Stops it and waits for its end; the totals are of calls answered OK. */
int otlp_server_stop(struct otlp_server *server, struct otlp_server_totals *ret_totals);

#endif
