/* When the peer's name is resolved. That requests arrive is e2e/test_export_http's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <netdb.h>
#include <string.h>

#include "export/http_transport.h"
#include "export/options.h"
#include "test_env.h"

static struct test_env world;
static const struct env_ops *real_ops;
static struct env_ops counting;
static unsigned resolutions;
static struct export_options options;
static struct http_transport http;

static int count_resolution(struct env *env, const char *host, const char *port,
			    env_resolved_fn *done, void *arg)
{
	(void)host;
	resolutions++;
	return real_ops->resolve_start(env, "127.0.0.1", port, done, arg);
}

static void no_news(void *arg, bool up, const char *why)
{
	(void)arg;
	(void)up;
	(void)why;
}

static const struct transport_news news = {.changed = no_news};

static int setup(void **state)
{
	char error[128];

	(void)state;
	assert_int_equal(test_env_init(&world), 0);
	real_ops = world.env.ops;
	counting = *world.env.ops;
	counting.resolve_start = count_resolution;
	world.env.ops = &counting;
	resolutions = 0;
	memset(&options, 0, sizeof options);
	options.protocol = EXPORT_HTTP_PROTOBUF;
	assert_int_equal(endpoint_parse_url(&options.endpoint,
					    "http://collector.test:4318/v1/traces", error,
					    sizeof error),
			 0);
	assert_int_equal(export_options_fill(&options), 0);
	http_transport_init(&http, &world.env, &options, &news, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	http.transport.ops->fini(&http.transport);
	test_env_fini(&world);
	return 0;
}

/* As export_tick() does: wanted, then sent if it is ready, then the tick. */
static bool ready_in_a_turn(void)
{
	struct transport *transport = &http.transport;
	bool ready;

	transport->ops->want(transport, true);
	ready = transport->ops->ready(transport);
	(void)transport->ops->tick(transport, world.mono_ns);
	(void)world.env.ops->wait(&world.env, 0);
	return ready;
}

static void a_name_is_resolved_anew_a_minute_later_and_not_before(void **state)
{
	(void)state;
	assert_false(ready_in_a_turn());
	assert_int_equal(resolutions, 1);
	assert_true(ready_in_a_turn());
	test_env_advance_ms(&world, 59999);
	assert_true(ready_in_a_turn());
	assert_int_equal(resolutions, 1);
	test_env_advance_ms(&world, 1);
	assert_false(ready_in_a_turn()); /* nothing goes to the old address */
	assert_int_equal(resolutions, 2);
	assert_true(ready_in_a_turn());
	assert_int_equal(resolutions, 2);
}

static void add_address(const char *text)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct env_address *added = &world.addresses[world.address_count++];
	struct addrinfo *found;

	assert_int_equal(getaddrinfo(text, "4318", &hints, &found), 0);
	memcpy(&added->at, found->ai_addr, found->ai_addrlen);
	added->len = found->ai_addrlen;
	freeaddrinfo(found);
}

static void libcurl_has_all_addresses_and_begins_with_another_after_a_failure(void **state)
{
	(void)state;
	add_address("2001:db8::2");
	add_address("192.0.2.1");
	add_address("192.0.2.2");
	assert_false(ready_in_a_turn());
	assert_true(ready_in_a_turn());
	assert_string_equal(http.resolve,
			    "collector.test:4318:[2001:db8::2],192.0.2.1,192.0.2.2");
	http.address++;
	test_env_advance_ms(&world, 60000);
	assert_false(ready_in_a_turn());
	assert_true(ready_in_a_turn());
	assert_string_equal(http.resolve,
			    "collector.test:4318:192.0.2.1,192.0.2.2,[2001:db8::2]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_name_is_resolved_anew_a_minute_later_and_not_before, setup, teardown),
		cmocka_unit_test_setup_teardown(
			libcurl_has_all_addresses_and_begins_with_another_after_a_failure,
			setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
