#include "base/env_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "file_env.h"

static char *directory;
static struct sockaddr_un address;

static int setup(void **state)
{
	(void)state;
	directory = test_directory_new();
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", directory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_directory_remove(directory);
	free(directory);
	return 0;
}

static int listen_there(void)
{
	return env_listen(NULL, (struct sockaddr *)&address, sizeof address);
}

static int connect_there(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void everybody_of_the_machine_may_connect_to_a_socket(void **state)
{
	int fd = listen_there(), client, accepted;
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(stat(address.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	assert_int_equal(env_accept(NULL, fd), -EAGAIN);
	client = connect_there();
	accepted = env_accept(NULL, fd);
	assert_true(accepted >= 0);
	assert_true(fcntl(accepted, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(accepted, F_GETFD) & FD_CLOEXEC);
	close(accepted);
	close(client);
	close(fd);
}

static void a_name_is_taken_over_from_the_dead_alone(void **state)
{
	int fd = listen_there(), second, client;

	(void)state;
	assert_int_equal(listen_there(), -EADDRINUSE);
	close(fd); /* as a killed server does: the name stays */
	second = listen_there();
	assert_true(second >= 0);
	client = connect_there();
	close(client);
	close(second);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	int fd = open(address.sun_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(listen_there(), -EADDRINUSE);
	assert_int_equal(stat(address.sun_path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void a_port_has_one_server(void **state)
{
	struct sockaddr_in port = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof port;
	int fd = env_listen(NULL, (struct sockaddr *)&port, len);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&port, &len), 0);
	assert_int_equal(env_listen(NULL, (struct sockaddr *)&port, len), -EADDRINUSE);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everybody_of_the_machine_may_connect_to_a_socket),
		TEST(a_name_is_taken_over_from_the_dead_alone),
		TEST(what_is_no_socket_is_left_alone),
		TEST(a_port_has_one_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
