#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "export/endpoint.h"

static void rule_02_endpoints_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *host, *port, *authority, *path;
	} cases[] = {
		{"http://localhost:4317", "localhost", "4317", "localhost:4317", ""},
		{"http://collector", "collector", "4317", "collector:4317", ""},
		{"HTTP://h:1/", "h", "1", "h:1", ""},
		{"http://h:65535/a/b//", "h", "65535", "h:65535", "/a/b"},
		{"h:4317", "h", "4317", "h:4317", ""},
		{"h", "h", "4317", "h:4317", ""},
		{"[::1]:4317", "::1", "4317", "[::1]:4317", ""},
		{"http://[2001:db8::2]", "2001:db8::2", "4317", "[2001:db8::2]:4317", ""},
		{"127.0.0.1:9/", "127.0.0.1", "9", "127.0.0.1:9", ""},
		{"https://h:4317/p", "h", "4317", "h:4317", "/p"},
		{"unix:/run/c.sock", "/run/c.sock", "", "localhost", ""},
		{"unix:///run/c.sock", "/run/c.sock", "", "localhost", ""},
	};
	struct endpoint endpoint;
	char error[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(endpoint_parse(&endpoint, cases[i].text, error, sizeof(error)),
				 0);
		assert_string_equal(endpoint.host, cases[i].host);
		assert_string_equal(endpoint.port, cases[i].port);
		assert_string_equal(endpoint.authority, cases[i].authority);
		assert_string_equal(endpoint.path, cases[i].path);
	}
}

static void urls_of_otlp_http_are_used_as_they_are(void **state)
{
	static const struct {
		const char *text, *authority, *path;
	} cases[] = {
		{"http://h", "h:80", "/"},
		{"https://h", "h:443", "/"},
		{"http://h:4318/v1/traces", "h:4318", "/v1/traces"},
		{"http://h/a/b//", "h:80", "/a/b//"},
		{"https://[::1]/x", "[::1]:443", "/x"},
		{"unix:/run/c.sock", "localhost", "/v1/traces"},
	};
	struct endpoint endpoint;
	char error[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			endpoint_parse_url(&endpoint, cases[i].text, error, sizeof(error)), 0);
		assert_string_equal(endpoint.authority, cases[i].authority);
		assert_string_equal(endpoint.path, cases[i].path);
	}
	assert_int_equal(endpoint_parse_url(&endpoint, "h:4318", error, sizeof(error)),
			 -EINVAL);
	assert_non_null(strstr(error, "http://host:port"));
}

static void a_base_url_gets_the_path_of_traces(void **state)
{
	static const char *const cases[][2] = {
		{"http://h:1", "http://h:1/v1/traces"},
		{"http://h:1/", "http://h:1/v1/traces"},
		{"http://h/base//", "http://h/base/v1/traces"},
		{"unix:/run/c.sock", "unix:/run/c.sock"},
	};
	char url[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(endpoint_url_of_base(cases[i][0], url, sizeof(url)), 0);
		assert_string_equal(url, cases[i][1]);
	}
	assert_int_equal(endpoint_url_of_base("http://a-long-name.example", url, sizeof(url)),
			 -ENAMETOOLONG);
}

static void what_is_not_an_endpoint_is_explained(void **state)
{
	static const struct {
		const char *text, *says;
		int r;
	} cases[] = {
		{"unix:run/c.sock", "begins with /", -EINVAL},
		{"https://", "no host", -EINVAL},
		{"ftp://h", "unknown scheme \"ftp\"", -EINVAL},
		{"", "no host", -EINVAL},
		{"http://", "no host", -EINVAL},
		{"http://:4317", "no host", -EINVAL},
		{"h:0", "not in 1 to 65535", -EINVAL},
		{"h:65536", "not in 1 to 65535", -EINVAL},
		{"h:", "not a port", -EINVAL},
		{"h:+1", "not a port", -EINVAL},
		{"h:12a", "not in 1", -EINVAL},
		{"::1", "brackets", -EINVAL},
		{"[::1", "without", -EINVAL},
		{"[::1]4317", "unexpected", -EINVAL},
		{"h\r\nx:1", "0x0d", -EINVAL},
		{"user@h:1", "0x40", -EINVAL},
		{"h:1/a b", "0x20", -EINVAL},
		{"h:1/a?b", "0x3f", -EINVAL},
	};
	struct endpoint endpoint, before;
	char error[200];

	(void)state;
	memset(&endpoint, 0x5a, sizeof(endpoint));
	before = endpoint;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(endpoint_parse(&endpoint, cases[i].text, error, sizeof(error)),
				 cases[i].r);
		if (!strstr(error, cases[i].says))
			fail_msg("\"%s\" gives \"%s\"", cases[i].text, error);
	}
	assert_memory_equal(&endpoint, &before, sizeof(before));
}

static void the_scheme_decides_and_is_known_to_be_absent(void **state)
{
	static const struct {
		const char *text;
		enum endpoint_scheme scheme;
		bool local;
	} cases[] = {
		{"h:1", ENDPOINT_NO_SCHEME, false},
		{"http://127.9.9.9", ENDPOINT_HTTP, true},
		{"HTTPS://localhost", ENDPOINT_HTTPS, true},
		{"unix:/s", ENDPOINT_UNIX, true},
		{"https://[::1]:1", ENDPOINT_HTTPS, true},
		{"http://10.0.0.1", ENDPOINT_HTTP, false},
	};
	struct endpoint endpoint;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(endpoint_parse(&endpoint, cases[i].text, NULL, 0), 0);
		assert_int_equal(endpoint.scheme, cases[i].scheme);
		assert_int_equal(endpoint_is_local(&endpoint), cases[i].local);
	}
}

static void a_host_longer_than_a_name_can_be_is_refused(void **state)
{
	struct endpoint endpoint;
	char text[400];

	(void)state;
	memset(text, 'h', sizeof(text));
	text[300] = '\0';
	assert_int_equal(endpoint_parse(&endpoint, text, NULL, 0), -ENAMETOOLONG);
	text[300] = 'h';
	text[399] = '\0';
	assert_int_equal(endpoint_parse(&endpoint, text, NULL, 0), -ENAMETOOLONG);
	memcpy(text, "unix:/", 6);
	text[6 + 108] = '\0';
	assert_int_equal(endpoint_parse(&endpoint, text, NULL, 0), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_02_endpoints_are_taken_apart),
		cmocka_unit_test(urls_of_otlp_http_are_used_as_they_are),
		cmocka_unit_test(a_base_url_gets_the_path_of_traces),
		cmocka_unit_test(what_is_not_an_endpoint_is_explained),
		cmocka_unit_test(the_scheme_decides_and_is_known_to_be_absent),
		cmocka_unit_test(a_host_longer_than_a_name_can_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
