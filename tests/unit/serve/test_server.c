/* The server with real sockets and a clock that the test moves. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve/server.h"
#include "test_env.h"

#define TURNS_MAX 2000

struct world {
	struct test_env env;
	struct server *server;
	struct loopback loopback;
	char dir[64], path[96];
	int page_status;
	unsigned said;
};

static int hello(void *arg, struct buf *out)
{
	struct world *world = arg;

	(void)buf_append_text(out, "hello\n");
	return world->page_status;
}

static int large(void *arg, struct buf *out)
{
	(void)arg;
	for (int i = 0; i < 400000; i++)
		(void)buf_append_text(out, "0123456789");
	return 200;
}

static const struct server_page pages[] = {
	{"/hello", "text/plain", hello, "a greeting"},
	{"/large", "text/plain", large, "four megabytes"},
};

static void note(void *arg, int priority, const char *line)
{
	struct world *world = arg;

	(void)priority;
	(void)line;
	world->said++;
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void start(struct world *world)
{
	struct server_options options = {
		.socket_path = world->path,
		.loopback = &world->loopback,
		.pages = pages,
		.page_count = 2,
		.arg = world,
		.log = note,
		.log_arg = world,
	};

	assert_int_equal(server_new(&world->server, &world->env.env, &options), 0);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	char port[32];

	assert_non_null(world);
	(void)strcpy(world->dir, "/tmp/spanring-serve-XXXXXX");
	assert_non_null(mkdtemp(world->dir));
	(void)snprintf(world->path, sizeof world->path, "%s/agent.sock", world->dir);
	(void)snprintf(port, sizeof port, "127.0.0.1:%u", free_port());
	assert_null(loopback_parse(&world->loopback, port));
	assert_int_equal(test_env_init(&world->env), 0);
	world->env.patience_ms = 5;
	world->page_status = 200;
	start(world);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	server_free(world->server);
	test_env_fini(&world->env);
	assert_int_not_equal(access(world->path, F_OK), 0);
	assert_int_equal(rmdir(world->dir), 0);
	free(world);
	return 0;
}

static void turn(struct world *world)
{
	(void)world->env.env.ops->wait(&world->env.env, 0);
	server_tick(world->server, world->env.mono_ns);
}

static int connect_port(struct world *world)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, &world->loopback.address.any, world->loopback.len), 0);
	return fd;
}

static int connect_unix(struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", world->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

/* Reads until the server closes; turns meanwhile. The answer's whole length. */
static size_t read_all(struct world *world, int fd, char *answer, size_t size)
{
	char piece[65536];
	size_t len = 0;
	ssize_t n;

	for (int i = 0; i < TURNS_MAX; i++) {
		n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			close(fd);
			answer[len < size ? len : size - 1] = '\0';
			return len;
		}
		if (n < 0) {
			turn(world);
			continue;
		}
		if (len < size)
			memcpy(answer + len, piece,
			       (size_t)n < size - len ? (size_t)n : size - len);
		len += (size_t)n;
	}
	fail_msg("the server does not close");
	return 0;
}

static void say(int fd, const char *request)
{
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

static void ask(struct world *world, int fd, const char *request, char *answer, size_t size)
{
	say(fd, request);
	(void)read_all(world, fd, answer, size);
}

static void expect(struct world *world, int fd, const char *request, const char *status)
{
	char answer[4096];

	ask(world, fd, request, answer, sizeof answer);
	if (strncmp(answer, status, strlen(status)) != 0)
		fail_msg("%s\nis answered\n%s", request, answer);
}

#define HOST "Host: localhost\r\n\r\n"

static void pages_are_served_on_both_sockets_with_headers_that_protect(void **state)
{
	struct world *world = *state;
	char answer[4096];

	for (int i = 0; i < 2; i++) {
		ask(world, i ? connect_port(world) : connect_unix(world),
		    "GET /hello?x=1 HTTP/1.1\r\n" HOST, answer, sizeof answer);
		assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
		assert_non_null(strstr(answer, "\r\n\r\nhello\n"));
		assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
		assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'none'"));
		assert_non_null(strstr(answer, "Cache-Control: no-store\r\n"));
		assert_null(strstr(answer, "Access-Control-Allow-Origin"));
	}
	ask(world, connect_unix(world), "GET / HTTP/1.1\r\n" HOST, answer, sizeof answer);
	assert_non_null(strstr(answer, "/hello     a greeting\n"));
}

static void the_unix_socket_is_for_owner_and_group(void **state)
{
	struct world *world = *state;
	struct stat st;

	assert_int_equal(stat(world->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

static void a_page_may_say_that_something_is_wrong(void **state)
{
	struct world *world = *state;

	world->page_status = 503;
	expect(world, connect_unix(world), "GET /hello HTTP/1.1\r\n" HOST, "HTTP/1.1 503 ");
	world->page_status = -ENOMEM;
	expect(world, connect_unix(world), "GET /hello HTTP/1.1\r\n" HOST, "HTTP/1.1 500 ");
}

static void head_gives_no_content_and_writing_is_not_allowed(void **state)
{
	static const char *const methods[] = {"POST",  "PUT", "DELETE", "OPTIONS",
					      "PATCH", "get", "TRACE"};
	struct world *world = *state;
	char request[256], answer[4096];

	ask(world, connect_port(world), "HEAD /hello HTTP/1.1\r\n" HOST, answer, sizeof answer);
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	assert_null(strstr(answer, "hello"));
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		(void)snprintf(request, sizeof request,
			       "%s /hello HTTP/1.1\r\nContent-Length: 0\r\n" HOST, methods[i]);
		expect(world, connect_port(world), request, "HTTP/1.1 405 ");
	}
	expect(world, connect_port(world), "GET /etc/passwd HTTP/1.1\r\n" HOST,
	       "HTTP/1.1 404 ");
	expect(world, connect_port(world), "GET /../hello HTTP/1.1\r\n" HOST, "HTTP/1.1 404 ");
}

static void a_port_answers_only_who_calls_it_by_a_name_of_this_machine(void **state)
{
	struct world *world = *state;

	expect(world, connect_port(world), "GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n",
	       "HTTP/1.1 403 ");
	expect(world, connect_port(world),
	       "GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
	       "HTTP/1.1 4");
	expect(world, connect_port(world), "GET /hello HTTP/1.0\r\n\r\n", "HTTP/1.1 403 ");
	expect(world, connect_port(world), "GET /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 403 ");
	expect(world, connect_port(world),
	       "GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
	       "HTTP/1.1 4");
	/* Who can open the unix socket is no web page. */
	expect(world, connect_unix(world), "GET /hello HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ");
}

static void whoever_dawdles_loses_its_connection_and_nobody_elses(void **state)
{
	struct world *world = *state;
	int slow = connect_port(world);
	char answer[256];

	/* A byte now and then keeps libmicrohttpd's own patience awake. */
	for (int i = 0; i < 12; i++) {
		(void)send(slow, "G", 1, MSG_NOSIGNAL);
		turn(world);
		expect(world, connect_port(world), "GET /hello HTTP/1.1\r\n" HOST,
		       "HTTP/1.1 200 ");
		test_env_advance_ms(&world->env, 1000);
	}
	(void)read_all(world, slow, answer, sizeof answer);
	assert_null(strstr(answer, "200"));
}

static void connections_are_limited_on_each_socket(void **state)
{
	struct world *world = *state;
	int fds[SERVER_CONNECTIONS], late;
	char answer[4096] = "";

	for (int i = 0; i < SERVER_CONNECTIONS; i++) {
		fds[i] = connect_port(world);
		turn(world);
	}
	late = connect_port(world);
	say(late, "GET /hello HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 20; i++)
		turn(world);
	assert_int_equal(recv(late, answer, sizeof answer, MSG_DONTWAIT), -1);
	/* Those on the port do not hinder the unix socket. */
	expect(world, connect_unix(world), "GET /hello HTTP/1.1\r\n" HOST, "HTTP/1.1 200 ");
	/* Their time over, the one that waits has its turn. */
	test_env_advance(&world->env, SERVER_DEADLINE_NS);
	for (int i = 0; i < SERVER_CONNECTIONS; i++)
		(void)read_all(world, fds[i], answer, sizeof answer);
	(void)read_all(world, late, answer, sizeof answer);
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
}

static void a_large_page_comes_whole_and_a_large_request_not_at_all(void **state)
{
	struct world *world = *state;
	char answer[512];
	char *request = malloc(64 << 10);
	int fd = connect_unix(world);

	say(fd, "GET /large HTTP/1.1\r\n" HOST);
	assert_true(read_all(world, fd, answer, sizeof answer) > 4000000);
	assert_non_null(request);
	memset(request, 'a', 64 << 10);
	memcpy(request, "GET /", 5);
	fd = connect_unix(world);
	(void)send(fd, request, 64 << 10, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)read_all(world, fd, answer, sizeof answer);
	assert_null(strstr(answer, " 200 "));
	free(request);
}

static void a_port_that_is_taken_is_said_and_the_rest_is_served(void **state)
{
	struct world *world = *state;
	struct world other = *world;

	(void)snprintf(other.path, sizeof other.path, "%s/other.sock", world->dir);
	other.said = 0;
	{
		struct server_options options = {
			.socket_path = other.path,
			.loopback = &world->loopback,
			.pages = pages,
			.page_count = 2,
			.arg = world,
			.log = note,
			.log_arg = &other,
		};

		assert_int_equal(server_new(&other.server, &world->env.env, &options), 0);
	}
	assert_int_equal(other.said, 1);
	{
		int fd = connect_unix(&other);

		expect(world, fd, "GET /hello HTTP/1.1\r\n" HOST, "HTTP/1.1 200 ");
	}
	server_free(other.server);
}

static void a_socket_that_cannot_be_made_is_tried_again(void **state)
{
	struct world *world = *state;
	struct world late = *world;
	struct server_options options = {
		.socket_path = late.path,
		.pages = pages,
		.page_count = 2,
		.arg = world,
		.log = note,
		.log_arg = &late,
	};
	char dir[sizeof late.path];

	(void)snprintf(dir, sizeof dir, "%.40s/later", world->dir);
	(void)snprintf(late.path, sizeof late.path, "%.50s/agent.sock", dir);
	late.said = 0;
	assert_int_equal(server_new(&late.server, &world->env.env, &options), 0);
	for (int i = 0; i < 3; i++) {
		test_env_advance_ms(&world->env, 1000);
		server_tick(late.server, world->env.mono_ns);
	}
	assert_int_equal(late.said, 1); /* once */
	assert_int_equal(mkdir(dir, 0700), 0);
	server_tick(late.server, world->env.mono_ns);
	assert_int_not_equal(access(late.path, F_OK), 0); /* not before its time */
	test_env_advance_ms(&world->env, 1000);
	server_tick(late.server, world->env.mono_ns);
	assert_int_equal(late.said, 2);
	assert_int_equal(access(late.path, F_OK), 0);
	server_free(late.server);
	assert_int_equal(rmdir(dir), 0);
}

static void without_descriptors_callers_wait_and_the_agent_does_not_spin(void **state)
{
	struct world *world = *state;
	char answer[4096] = "";
	unsigned before = world->env.accepts;
	int fd = connect_port(world);

	world->env.accept_error = -EMFILE;
	world->env.accept_failures = 3;
	say(fd, "GET /hello HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 20; i++)
		turn(world);
	assert_int_equal(world->env.accepts, before + 1);
	assert_int_equal(world->said, 1);
	assert_int_equal(recv(fd, answer, sizeof answer, MSG_DONTWAIT), -1);
	for (int i = 0; i < 3; i++) {
		test_env_advance_ms(&world->env, 1000);
		turn(world);
		turn(world);
	}
	(void)read_all(world, fd, answer, sizeof answer);
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	/* Said once, and again only when it comes again. */
	assert_int_equal(world->said, 1);
	world->env.accept_failures = 1;
	fd = connect_unix(world);
	say(fd, "GET /hello HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 10; i++)
		turn(world);
	assert_int_equal(world->said, 2);
	test_env_advance_ms(&world->env, 1000);
	(void)read_all(world, fd, answer, sizeof answer);
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
}

static void a_caller_that_left_keeps_nobody_waiting(void **state)
{
	struct world *world = *state;
	int first = connect_port(world);

	world->env.accept_error = -ECONNABORTED;
	world->env.accept_failures = 1;
	expect(world, connect_port(world), "GET /hello HTTP/1.1\r\n" HOST, "HTTP/1.1 200 ");
	assert_int_equal(world->said, 0);
	close(first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_are_served_on_both_sockets_with_headers_that_protect),
		TEST(the_unix_socket_is_for_owner_and_group),
		TEST(a_page_may_say_that_something_is_wrong),
		TEST(head_gives_no_content_and_writing_is_not_allowed),
		TEST(a_port_answers_only_who_calls_it_by_a_name_of_this_machine),
		TEST(whoever_dawdles_loses_its_connection_and_nobody_elses),
		TEST(connections_are_limited_on_each_socket),
		TEST(a_large_page_comes_whole_and_a_large_request_not_at_all),
		TEST(a_socket_that_cannot_be_made_is_tried_again),
		TEST(without_descriptors_callers_wait_and_the_agent_does_not_spin),
		TEST(a_caller_that_left_keeps_nobody_waiting),
		TEST(a_port_that_is_taken_is_said_and_the_rest_is_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
