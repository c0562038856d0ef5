/* Which addresses the state is served on, and under which names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/loopback.h"

static void addresses_of_this_machine_are_taken(void **state)
{
	struct loopback loopback;

	(void)state;
	assert_null(loopback_parse(&loopback, "127.0.0.1:9464"));
	assert_int_equal(loopback.port, 9464);
	assert_int_equal(loopback.address.v4.sin_family, AF_INET);
	assert_int_equal(ntohl(loopback.address.v4.sin_addr.s_addr), INADDR_LOOPBACK);
	assert_null(loopback_parse(&loopback, "[::1]:1"));
	assert_int_equal(loopback.address.v6.sin6_family, AF_INET6);
	assert_null(loopback_parse(&loopback, "localhost:65535"));
	assert_int_equal(loopback.address.v4.sin_family, AF_INET);
}

static void every_other_address_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"9464",
		":9464",
		"0.0.0.0:9464",
		"*:9464",
		"192.168.0.1:80",
		"[::]:9464",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:09",
		"127.0.0.1:65536",
		"127.0.0.1:99999999999",
		"127.0.0.1:94 ",
		"127.0.0.1:-1",
		"localhost.evil.example:80",
		"127.0.0.1.evil.example:80",
		"::1:9464",
		"example.com:9464",
	};
	struct loopback loopback;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (!loopback_parse(&loopback, wrong[i]))
			fail_msg("'%s' was taken", wrong[i]);
}

static void a_host_of_ours_has_our_port_or_none(void **state)
{
	static const char *const ours[] = {
		"localhost",	  "LocalHost:9464", "127.0.0.1",
		"127.0.0.1:9464", "[::1]",	    "[::1]:9464",
	};
	static const char *const others[] = {
		"",
		"evil.example",
		"localhost:80",
		"localhost.evil.example",
		"localhost.",
		"127.0.0.1.nip.io:9464",
		"127.0.0.1:9464x",
		"[::1",
		"::1",
		"localhost:9464:9464",
		"localhost:",
		"127.0.0.2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (!loopback_host_is_ours(ours[i], 9464))
			fail_msg("'%s' was refused", ours[i]);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (loopback_host_is_ours(others[i], 9464))
			fail_msg("'%s' was taken", others[i]);
	assert_false(loopback_host_is_ours(NULL, 9464));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_this_machine_are_taken),
		cmocka_unit_test(every_other_address_is_refused),
		cmocka_unit_test(a_host_of_ours_has_our_port_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
