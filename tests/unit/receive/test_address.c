#include "receive/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct address one(const char *text)
{
	struct addresses addresses;

	assert_null(addresses_parse(&addresses, text));
	assert_int_equal(addresses.count, 1);
	assert_string_equal(addresses.at[0].text, text);
	return addresses.at[0];
}

static void ports_and_sockets_are_taken_apart(void **state)
{
	struct address address = one("127.0.0.1:4317");

	(void)state;
	assert_int_equal(address.port, 4317);
	assert_int_equal(address.of.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(address.of.v4.sin_port, htons(4317));
	address = one("[::1]:65535");
	assert_int_equal(address.of.any.sa_family, AF_INET6);
	assert_int_equal(address.port, 65535);
	address = one("unix:/run/spanring/otlp.sock");
	assert_string_equal(address.of.local.sun_path, "/run/spanring/otlp.sock");
	assert_int_equal(address.port, 0);
	address = one("unix:///run/otlp.sock");
	assert_string_equal(address.of.local.sun_path, "/run/otlp.sock");
}

static void several_stand_between_commas_and_none_is_none(void **state)
{
	struct addresses addresses;

	(void)state;
	assert_null(addresses_parse(&addresses, " localhost:1 , unix:/a,[::]:2"));
	assert_int_equal(addresses.count, 3);
	assert_string_equal(addresses.at[1].text, "unix:/a");
	assert_null(addresses_parse(&addresses, ""));
	assert_int_equal(addresses.count, 0);
}

static void what_is_no_address_is_told_what_would_be(void **state)
{
	static const char *const wrong[] = {
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"127.0.0.1:1x",
		"127.0.0.1:-1",
		"example.com:80",
		"::1:80",
		"[::1:80",
		"[::1]",
		"unix:",
		"unix:otlp.sock",
		":4317",
		"127.0.0.1:1 2",
		"1:1,1:2,1:3,1:4,1:5",
		"127.0.0.1:1,,127.0.0.1:2",
	};
	struct addresses addresses;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_non_null(addresses_parse(&addresses, wrong[i]));
}

static struct sockaddr_storage peer_v4(const char *host, uint16_t port)
{
	struct sockaddr_storage peer = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;

	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, host, &v4->sin_addr), 1);
	return peer;
}

static bool reached(const char *own, const char *host, uint16_t port)
{
	struct address address = one(own);
	struct sockaddr_storage peer = peer_v4(host, port);

	return address_is_reached(&address, (struct sockaddr *)&peer);
}

static void who_connects_where_is_known(void **state)
{
	(void)state;
	assert_true(reached("127.0.0.1:4317", "127.0.0.1", 4317));
	assert_true(reached("127.0.0.1:4317", "0.0.0.0", 4317));
	assert_false(reached("127.0.0.1:4317", "127.0.0.1", 4318));
	assert_false(reached("127.0.0.1:4317", "127.0.0.2", 4317));
	assert_true(reached("0.0.0.0:4317", "127.0.0.2", 4317));
	assert_false(reached("0.0.0.0:4317", "192.0.2.1", 4317));
	assert_false(reached("unix:/a", "127.0.0.1", 4317));
	assert_false(reached("[::1]:4317", "127.0.0.1", 4317));
}

static void a_mapped_address_is_what_it_maps(void **state)
{
	struct address address = one("127.0.0.1:4317");
	struct sockaddr_in6 peer = {.sin6_family = AF_INET6, .sin6_port = htons(4317)};

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &peer.sin6_addr), 1);
	assert_true(address_is_reached(&address, (struct sockaddr *)&peer));
}

static void what_others_reach_is_known(void **state)
{
	struct address address;

	(void)state;
	address = one("127.0.0.9:1");
	assert_false(address_is_open(&address));
	address = one("[::1]:1");
	assert_false(address_is_open(&address));
	address = one("unix:/a");
	assert_false(address_is_open(&address));
	address = one("0.0.0.0:1");
	assert_true(address_is_open(&address));
	address = one("[::]:1");
	assert_true(address_is_open(&address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_and_sockets_are_taken_apart),
		cmocka_unit_test(several_stand_between_commas_and_none_is_none),
		cmocka_unit_test(what_is_no_address_is_told_what_would_be),
		cmocka_unit_test(who_connects_where_is_known),
		cmocka_unit_test(a_mapped_address_is_what_it_maps),
		cmocka_unit_test(what_others_reach_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
