#include "sink.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "export/endpoint.h"
#include "sink_print.h"
#include "sink_server.h"

#define CONNECTIONS_MAX 512

enum sink_style { STYLE_LINES, STYLE_JSON, STYLE_QUIET };

struct sink {
	enum sink_style style;
	uint64_t count_max; /* spans to end after, 0: none */
	const char *listen;

	int epoll;
	int listener;
	int signals;
	struct sink_connection *connections[CONNECTIONS_MAX];
	struct buf text;

	uint64_t spans, requests, bytes, accepted, refused;
	bool ending, failed;
};

static const char help[] =
	"usage: spanring sink [--listen ADDR] [--json | --quiet] [--count N]\n"
	"\n"
	"Receives spans by OTLP/gRPC (without TLS) and prints them: one line per span\n"
	"on standard output, everything else on standard error. It keeps nothing. Use\n"
	"it to see what an exporter really sends.\n"
	"\n"
	"  --listen ADDR  host:port, default 127.0.0.1:4317; port 0 takes a free one\n"
	"  --json         one line of OTLP/JSON per request instead\n"
	"  --quiet        print nothing but the summary (also for benchmarks)\n"
	"  --count N      end after N spans\n"
	"  --help         this text\n"
	"\n"
	"It ends on Ctrl-C or SIGTERM with a summary: spans, requests, bytes.\n"
	"\n"
	"To see your agent's spans here, in another terminal:\n"
	"  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 spanringd\n"
	"\n"
	"Exit codes: 0 ended as asked, 1 failed (address in use, ...), 2 wrong usage.\n";

/* --- requests ------------------------------------------------------------- */

static int request_print(struct sink *sink, struct bytes request)
{
	int r;

	if (sink->style == STYLE_QUIET)
		return 0;
	buf_reset(&sink->text);
	r = sink->style == STYLE_JSON ? sink_print_json(&sink->text, request)
				      : sink_print_lines(&sink->text, request);
	if (r < 0)
		return r;
	if (fwrite(sink->text.at, 1, sink->text.len, stdout) != sink->text.len ||
	    fflush(stdout) != 0) {
		fprintf(stderr, "sink: cannot write: %s\n", strerror(errno));
		sink->failed = sink->ending = true;
	}
	return 0;
}

static int on_request(void *arg, struct bytes request)
{
	struct sink *sink = arg;
	uint64_t spans = 0;
	int r;

	r = sink_count(request, &spans);
	if (r == 0)
		r = request_print(sink, request);
	if (r < 0) {
		sink->refused++;
		return -EBADMSG;
	}
	sink->spans += spans;
	sink->requests++;
	sink->bytes += request.len;
	if (sink->count_max && sink->spans >= sink->count_max)
		sink->ending = true;
	return 0;
}

/* --- descriptors ---------------------------------------------------------- */

/* Slot 0 and 1 are the listener and the signals. */
static int watch(struct sink *sink, int op, int fd, uint32_t events, uint64_t slot)
{
	struct epoll_event event = {.events = events, .data.u64 = slot};

	return epoll_ctl(sink->epoll, op, fd, &event) < 0 ? -errno : 0;
}

static void connection_close(struct sink *sink, size_t slot)
{
	sink_connection_free(sink->connections[slot]);
	sink->connections[slot] = NULL;
}

static void connection_serve(struct sink *sink, size_t slot)
{
	struct sink_connection *connection = sink->connections[slot];
	bool was_blocked = sink_connection_blocked(connection);
	int r;

	r = sink_connection_serve(connection);
	if (r < 0) {
		connection_close(sink, slot);
		return;
	}
	if (was_blocked == sink_connection_blocked(connection))
		return;
	(void)watch(sink, EPOLL_CTL_MOD, sink_connection_fd(connection),
		    was_blocked ? EPOLLIN : EPOLLIN | EPOLLOUT, slot + 2);
}

static void connection_accept(struct sink *sink)
{
	int fd = accept4(sink->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
	size_t slot = 0;

	if (fd < 0)
		return;
	while (slot < CONNECTIONS_MAX && sink->connections[slot])
		slot++;
	if (slot == CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (sink_connection_new(&sink->connections[slot], fd, on_request, sink) < 0)
		return;
	if (watch(sink, EPOLL_CTL_ADD, fd, EPOLLIN, slot + 2) < 0) {
		connection_close(sink, slot);
		return;
	}
	sink->accepted++;
}

static void event_serve(struct sink *sink, uint64_t slot)
{
	if (slot == 0)
		connection_accept(sink);
	else if (slot == 1)
		sink->ending = true;
	else if (sink->connections[slot - 2])
		connection_serve(sink, slot - 2);
}

static void sink_loop(struct sink *sink)
{
	struct epoll_event events[64];
	int n;

	while (!sink->ending) {
		n = epoll_wait(sink->epoll, events, 64, -1);
		for (int i = 0; i < n; i++)
			event_serve(sink, events[i].data.u64);
	}
}

/* --- beginning and end ---------------------------------------------------- */

static int listener_bind(const struct addrinfo *addr)
{
	int fd = socket(addr->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
	    one = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, addr->ai_addr, addr->ai_addrlen) < 0 || listen(fd, 128) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static void listener_announce(const struct sink *sink)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[64] = "?", port[8] = "?";

	if (getsockname(sink->listener, (struct sockaddr *)&addr, &len) == 0)
		(void)getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port,
				  sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	fprintf(stderr,
		addr.ss_family == AF_INET6 ? "sink: listening on [%s]:%s\n"
					   : "sink: listening on %s:%s\n",
		host, port);
}

/* "host:port", or what endpoint_parse() takes; it refuses port 0, we do not. */
static int listen_address(const char *text, char *host, size_t host_len, char *port,
			  size_t port_len)
{
	char error[160], probe[300];
	struct endpoint endpoint;
	size_t len = strlen(text);
	bool any = len > 2 && len < 280 && strcmp(text + len - 2, ":0") == 0;

	(void)snprintf(probe, sizeof(probe), any ? "%.*s:1" : "%.*s",
		       (int)(any ? len - 2 : len), text);
	if (endpoint_parse(&endpoint, probe, error, sizeof(error)) < 0) {
		fprintf(stderr, "sink: --listen %s: %s\n", text, error);
		return -EINVAL;
	}
	(void)snprintf(host, host_len, "%s", endpoint.host);
	(void)snprintf(port, port_len, "%s", any ? "0" : endpoint.port);
	return 0;
}

/* The exit code: 0, 1 or 2. */
static int sink_listen(struct sink *sink)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
	char host[256], port[8];
	int r;

	if (listen_address(sink->listen, host, sizeof(host), port, sizeof(port)) < 0)
		return 2;
	r = getaddrinfo(host, port, &hints, &list);
	if (r != 0) {
		fprintf(stderr, "sink: %s: %s\n", sink->listen, gai_strerror(r));
		return 1;
	}
	sink->listener = listener_bind(list);
	freeaddrinfo(list);
	if (sink->listener < 0) {
		fprintf(stderr, "sink: cannot listen on %s: %s\n", sink->listen,
			strerror(-sink->listener));
		if (sink->listener == -EADDRINUSE)
			fprintf(stderr, "sink: a collector may be running there; --listen "
					"127.0.0.1:0 takes a free port\n");
		return 1;
	}
	listener_announce(sink);
	return 0;
}

static int sink_open(struct sink *sink)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	sink->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sink->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sink->signals < 0 || sink->epoll < 0 ||
	    watch(sink, EPOLL_CTL_ADD, sink->listener, EPOLLIN, 0) < 0 ||
	    watch(sink, EPOLL_CTL_ADD, sink->signals, EPOLLIN, 1) < 0) {
		fprintf(stderr, "sink: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

static void sink_close(struct sink *sink)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (sink->connections[i])
			connection_close(sink, i);
	if (sink->listener >= 0)
		close(sink->listener);
	if (sink->signals >= 0)
		close(sink->signals);
	if (sink->epoll >= 0)
		close(sink->epoll);
	buf_fini(&sink->text);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void sink_summary(const struct sink *sink)
{
	fprintf(stderr, "sink: %llu span%s in %llu request%s, %llu bytes, %llu connection%s",
		(unsigned long long)sink->spans, plural(sink->spans),
		(unsigned long long)sink->requests, plural(sink->requests),
		(unsigned long long)sink->bytes, (unsigned long long)sink->accepted,
		plural(sink->accepted));
	if (sink->refused)
		fprintf(stderr, ", %llu refused", (unsigned long long)sink->refused);
	fprintf(stderr, "\n");
}

static int sink_run(struct sink *sink)
{
	int code = sink_listen(sink);

	if (code == 0)
		code = sink_open(sink);
	if (code == 0) {
		sink_loop(sink);
		sink_summary(sink);
	}
	sink_close(sink);
	return code ? code : sink->failed;
}

/* --- options -------------------------------------------------------------- */

static bool count_parse(struct sink *sink, const char *text)
{
	char *end;

	errno = 0;
	sink->count_max = strtoull(text, &end, 10);
	if (*text >= '1' && *text <= '9' && !*end && !errno)
		return true;
	fprintf(stderr, "sink: --count %s: a number from 1 is needed\n", text);
	return false;
}

/* -1 to go on, else the exit code. */
static int options_parse(struct sink *sink, int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},
		{"count", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (option == '?' || (option == 'c' && !count_parse(sink, optarg)))
			goto usage;
		if (option == 'l')
			sink->listen = optarg;
		if (option == 'j')
			sink->style = STYLE_JSON;
		if (option == 'q')
			sink->style = STYLE_QUIET;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "sink: unexpected \"%s\"\n", argv[optind]);
usage:
	fprintf(stderr, "Try: spanring sink --help\n");
	return 2;
}

int sink_main(int argc, char **argv)
{
	struct sink *sink = calloc(1, sizeof(*sink));
	int code;

	if (!sink)
		return 1;
	sink->listen = "127.0.0.1:4317";
	sink->epoll = sink->listener = sink->signals = -1;
	code = options_parse(sink, argc, argv);
	if (code < 0)
		code = sink_run(sink);
	free(sink);
	return code;
}
