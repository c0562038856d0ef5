/* What each rule finds, and what it must let pass. The secrets are made up, and cut
 * into pieces here so that no scanner takes this file for a leak. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "redact/redactor.h"

#define A20 "aB3dE6gH9jK2mN5pQ8rT"
#define A40 A20 A20
#define HEX32 "0123456789abcdef0123456789abcdef"

static struct redact_settings defaults(void)
{
	return (struct redact_settings){
		.enabled = true, .match_limit = 100000, .value_bytes_max = 1 << 26};
}

static struct redactor *make(const struct redact_settings *settings)
{
	struct redact_fault fault;
	struct redactor *redactor;

	if (redactor_new(&redactor, settings, &fault) < 0)
		fail_msg("%s: %s", fault.key, fault.text);
	return redactor;
}

/* The text as it is after redaction; "(gone)" for one that goes whole. */
static char *redacted(struct redactor *redactor, struct bytes text)
{
	struct buf out = BUF_INIT;

	switch (redactor_find(redactor, redactor_plain(redactor), text)) {
	case REDACT_STAYS:
		(void)buf_append(&out, text.at, text.len);
		break;
	case REDACT_CHANGES:
		assert_int_equal(redactor_write(redactor, &out, text), 0);
		break;
	case REDACT_GOES:
		(void)buf_append_text(&out, "(gone)");
		break;
	}
	assert_int_equal(buf_append_byte(&out, 0), 0);
	return (char *)out.at;
}

static void expect(struct redactor *redactor, const char *text, const char *wanted)
{
	char *got = redacted(redactor, bytes_of(text));

	if (strcmp(got, wanted) != 0)
		fail_msg("\n  of  %s\n  got %s\n  not %s", text, got, wanted);
	free(got);
}

struct sample {
	const char *text, *wanted;
};

static void expect_all(const struct sample *samples, size_t count)
{
	struct redact_settings settings = defaults();
	struct redactor *redactor = make(&settings);

	for (size_t i = 0; i < count; i++)
		expect(redactor, samples[i].text, samples[i].wanted);
	redactor_free(redactor);
}
#define EXPECT_ALL(samples) expect_all(samples, sizeof(samples) / sizeof(samples)[0])

static void keys_of_vendors_are_found(void **state)
{
	static const struct sample samples[] = {
		{"s"
		 "k-" A40,
		 "[redacted:openai-key]"},
		{"use s"
		 "k-proj-" A20 "_" A40 ".",
		 "use [redacted:openai-key]."},
		{"s"
		 "k-ant-api03-" A40 "-AA",
		 "[redacted:anthropic-key]"},
		{"AI"
		 "zaSyA-" A20 "012345678_y",
		 "[redacted:google-key]"},
		{"ya29"
		 ".a0" A40,
		 "[redacted:google-key]"},
		{"GOC"
		 "SPX-" A20 "12345678",
		 "[redacted:google-key]"},
		{"id AKI"
		 "AIOSFODNN7EXAMPLE end",
		 "id [redacted:aws-key] end"},
		{"aws_secret_access_"
		 "key = " A40,
		 "aws_secret_access_key = [redacted:aws-key]"},
		{"\"Secret"
		 "AccessKey\": \"" A40 "\"",
		 "\"SecretAccessKey\": \"[redacted:aws-key]\""},
		{"gh"
		 "p_" A20 "0123456789abcdef",
		 "[redacted:github-token]"},
		{"github"
		 "_pat_" A20 "_" A40,
		 "[redacted:github-token]"},
		{"gl"
		 "pat-" A20,
		 "[redacted:gitlab-token]"},
		{"xox"
		 "b-1234567890-" A20,
		 "[redacted:slack-token]"},
		{"https://hooks.sl"
		 "ack.com/services/T0/B0/" A20,
		 "https://hooks.slack.com/services/[redacted:slack-token]"},
		{"h"
		 "f_" A20 "abcdefghijklmn",
		 "[redacted:huggingface-token]"},
		{"s"
		 "k_live_" A20,
		 "[redacted:stripe-key]"},
		{"wh"
		 "sec_" A20 "123456",
		 "[redacted:stripe-key]"},
		{"Account"
		 "Key=" A40 A40 "abcdef==;",
		 "AccountKey=[redacted:azure-key];"},
		{"abc"
		 "8"
		 "Q~" A20 "0123456789abcd",
		 "[redacted:azure-key]"},
		{"np"
		 "m_" A20 "0123456789abcdef",
		 "[redacted:npm-token]"},
		{"py"
		 "pi-AgEIcHlwaS5vcmc" A40,
		 "[redacted:vendor-token]"},
		{"S"
		 "G." A20 "ab." A40 "abc",
		 "[redacted:vendor-token]"},
		{"gs"
		 "k_" A40,
		 "[redacted:vendor-token]"},
		{"da"
		 "pi" HEX32,
		 "[redacted:vendor-token]"},
		{"123456789:"
		 "AAE" A20 "01234567890a",
		 "[redacted:vendor-token]"},
		{"hv"
		 "s." A20 "abcdef",
		 "[redacted:vendor-token]"},
		{"tv"
		 "ly-" A20,
		 "[redacted:vendor-token]"},
	};

	(void)state;
	EXPECT_ALL(samples);
}

static void forms_of_credentials_are_found(void **state)
{
	static const struct sample samples[] = {
		{"Authorization: Bea"
		 "rer " A20,
		 "Authorization: Bearer [redacted:bearer]"},
		{"{\"a\":\"bea"
		 "rer " A20 "==\"}",
		 "{\"a\":\"bearer [redacted:bearer]\"}"},
		{"Basic dXNlcjpwYXNzd29yZA==", "Basic [redacted:basic-auth]"},
		{"ey"
		 "JhbGciOiJIUzI1NiJ9.ey"
		 "JzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
		 "[redacted:jwt]"},
		{"-----BEGIN RSA PRIVATE "
		 "KEY-----\nMII" A40 "\n-----END RSA PRIVATE KEY-----\nafter",
		 "[redacted:private-key]\nafter"},
		{"-----BEGIN PRIVATE "
		 "KEY-----\\nMII" A40 "\\n" A20 "(cut off)",
		 "[redacted:private-key](cut off)"},
		{"postgres://me:hunter2@db/x", "postgres://me:[redacted:url-password]@db/x"},
		{"http://me:p@ss:w@host/", "http://me:[redacted:url-password]@host/"},
		{"GET /v1?key=abcdefgh&x=1", "GET /v1?key=[redacted:url-parameter]&x=1"},
		{"/cb#access_token=abc&y", "/cb#access_token=[redacted:url-parameter]&y"},
		{"/a?x=1&password=p", "/a?x=1&password=[redacted:url-parameter]"},
		{"\"/a?x=1\\u0026api_key=abcdefgh\"",
		 "\"/a?x=1\\u0026api_key=[redacted:url-parameter]\""},
		{"/a?u=%2Fb%3Ftoken=abcdef", "/a?u=%2Fb%3Ftoken=[redacted:url-parameter]"},
		{"Server=x;User=a;Password=secret1;",
		 "Server=x;User=a;Password=[redacted:url-parameter];"},
	};

	(void)state;
	EXPECT_ALL(samples);
}

static void members_of_json_in_a_text_are_found(void **state)
{
	static const struct sample samples[] = {
		{"{\"user\": \"x\", \"password\": \"hunter2\"}",
		 "{\"user\": \"x\", \"password\": \"[redacted:json-secret]\"}"},
		{"{\"api_key\":\"a\\\"b\",\"n\":1}",
		 "{\"api_key\":\"[redacted:json-secret]\",\"n\":1}"},
		{"\"{\\\"dbPassword\\\" : \\\"hun\\\\nter2\\\", \\\"n\\\":1}\"",
		 "\"{\\\"dbPassword\\\" : \\\"[redacted:json-secret]\\\", \\\"n\\\":1}\""},
		{"{\\\\\\\"client_secret\\\\\\\":\\\\\\\"abc\\\\\\\"}",
		 "{\\\\\\\"client_secret\\\\\\\":\\\\\\\"[redacted:json-secret]\\\\\\\"}"},
		{"{\"Authorization\": \"Basic abc\"}",
		 "{\"Authorization\": \"[redacted:json-secret]\"}"},
		{"{\"password\": \"cut off", "{\"password\": \"[redacted:json-secret]"},
	};

	(void)state;
	EXPECT_ALL(samples);
}

static void secrets_are_found_behind_escapes_and_in_the_middle(void **state)
{
	static const struct sample samples[] = {
		{"{\\n\\\"k\\\": \\\"\\ns"
		 "k-" A40 "\\\"}",
		 "{\\n\\\"k\\\": \\\"\\n[redacted:openai-key]\\\"}"},
		{"x%20s"
		 "k-" A40,
		 "x%20[redacted:openai-key]"},
		{"ключ=s"
		 "k-" A40 "е",
		 "ключ=[redacted:openai-key]е"},
		{"s"
		 "k-" A40 " and gh"
		 "p_" A40,
		 "[redacted:openai-key] and [redacted:github-token]"},
	};

	(void)state;
	EXPECT_ALL(samples);
}

static void ordinary_text_stays(void **state)
{
	static const char *const texts[] = {
		"",
		"s",
		"sk",
		"sk-",
		"a task-oriented-dialogue-system-with-many-parts",
		"class=\"sk-estimator-doc-link fitted\" id=\"sk-container-id-1\"",
		"sk-a-long-name-of-a-class-that-has-more-than-forty-letters",
		".sk-toggleable__label-arrow:before { color: red }",
		"basic understanding of bearer tokens and Basic authentication",
		"the bearer authentication-mechanism-of-choice",
		"sorted(items, key=lambda item: item.name)",
		"{\"password\": {\"type\": \"string\"}, \"secret\": true, \"api_key\": \"\"}",
		"{\"max_token\": \"x\", \"token\": \"the\", \"key\": \"value\", \"password\": "
		"\"${DB}\"}",
		"the \"secret\" of \"password\" and \"authorization\"",
		"api_key=os.environ['OPENAI_API_KEY']",
		"password=password",
		"see https://example.com:8080/path@v2?q=1",
		"mailto://user@example.com",
		"https://user@example.com/x",
		"postgres://me:${PASSWORD}@db/x and postgres://me:<password>@db",
		"?key=",
		"?page_token=",
		"SELECT 1; BEGIN TRANSACTION; END",
		"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
		"BEGIN = b'-----BEGIN PRIVATE KEY-----'; END = b'-----END PRIVATE KEY-----'",
		"if (line == \"-----BEGIN PRIVATE KEY-----\") { return read_the_rest(); }",
		"Basic Options, basic elements, basic features and basic password",
		"-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
		"eyJhbGciOi is how a JWT begins",
		"0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
		"4111 1111 1111 1111 and someone@example.com",
		"hf_hub_download(repo_id=name), npm_config_registry, xoxo, ghost",
		"| --- | --- |\n|-----|-----|",
		"AKIRA and ASIAN markets, AIzawa",
	};
	struct redact_settings settings = defaults();
	struct redactor *redactor = make(&settings);

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		expect(redactor, texts[i], texts[i]);
	redactor_free(redactor);
}

static void what_is_redacted_stays_as_it_is(void **state)
{
	static const char *const texts[] = {
		"s"
		"k-" A40,
		"http://me:pass@host/?key=abcdefgh;password=abcdefgh",
		"Bea"
		"rer " A20,
		"AccountKey=" A40 A40,
	};
	struct redact_settings settings = defaults();
	struct redactor *redactor = make(&settings);

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char *once = redacted(redactor, bytes_of(texts[i]));

		assert_string_not_equal(once, texts[i]);
		expect(redactor, once, once);
		free(once);
	}
	redactor_free(redactor);
}

static void rules_that_are_off_find_when_enabled(void **state)
{
	struct redact_settings settings = defaults();
	struct redactor *redactor;

	(void)state;
	settings.enable = (char *)"email, card-number";
	redactor = make(&settings);
	expect(redactor, "to a.b+c@mail.example.com.", "to [redacted:email].");
	expect(redactor, "card 4111 1111 1111 1111!", "card [redacted:card-number]!");
	expect(redactor, "4111111111111111", "[redacted:card-number]");
	expect(redactor, "4111111111111112", "4111111111111112");
	expect(redactor, "@x @ a@b", "@x @ a@b");
	redactor_free(redactor);
}

static void rules_that_are_on_can_be_disabled(void **state)
{
	struct redact_settings settings = defaults();
	struct redactor *redactor;

	(void)state;
	settings.disable = (char *)"openai-key, secret-keys";
	redactor = make(&settings);
	expect(redactor,
	       "s"
	       "k-" A40,
	       "s"
	       "k-" A40);
	assert_false(redactor_key(redactor, bytes_of("password"))->whole & redactor->active);
	redactor_free(redactor);
}

static void own_rule(struct redact_settings *settings, const char *pattern,
		     const char *contains, enum redact_action action)
{
	settings->rules[settings->rule_count++] = (struct redact_rule_settings){
		.name = (char *)(settings->rule_count == 1 ? "own" : "own2"),
		.pattern = (char *)pattern,
		.contains = (char *)contains,
		.action = action,
		.everywhere = true,
	};
}

static void own_patterns_are_looked_for_in_the_whole_text(void **state)
{
	struct redact_settings settings = defaults();
	struct redactor *redactor;

	(void)state;
	own_rule(&settings, "CUST-[0-9]{4}", NULL, REDACT_MASK);
	own_rule(&settings, "user (?<secret>[a-zäöü]+)", "user ", REDACT_MASK);
	redactor = make(&settings);
	expect(redactor, "CUST-1234, CUST-5678 CUST-1",
	       "[redacted:own], [redacted:own] CUST-1");
	expect(redactor, "a user müller b", "a user [redacted:own2] b");
	expect(redactor,
	       "s"
	       "k-" A40 " CUST-1234",
	       "[redacted:openai-key] [redacted:own]");
	redactor_free(redactor);
}

static void what_overlaps_goes_together(void **state)
{
	struct redact_settings settings = defaults();
	struct redactor *redactor;

	(void)state;
	own_rule(&settings, "aaa b", NULL, REDACT_MASK);
	own_rule(&settings, "b cc", NULL, REDACT_MASK);
	redactor = make(&settings);
	expect(redactor, "x aaa b cc y", "x [redacted:own] y");
	redactor_free(redactor);
}

static void a_pattern_never_cuts_a_character(void **state)
{
	struct redact_settings settings = defaults();
	struct redactor *redactor;

	(void)state;
	own_rule(&settings, "a.", NULL, REDACT_MASK);
	redactor = make(&settings);
	expect(redactor, "xa\xc3\xa4y", "x[redacted:own]y");
	redactor_free(redactor);
}

static void a_rule_that_drops_takes_the_whole_text(void **state)
{
	struct redact_settings settings = defaults();
	struct redactor *redactor;

	(void)state;
	settings.action = REDACT_DROP;
	redactor = make(&settings);
	expect(redactor,
	       "text with s"
	       "k-" A40 " in it",
	       "(gone)");
	redactor_free(redactor);
}

/* Catastrophic in any engine that goes back. */
static void what_a_limit_leaves_undecided_goes(void **state)
{
	struct redact_settings settings = defaults();
	struct redactor *redactor;

	(void)state;
	settings.match_limit = 1000;
	own_rule(&settings, "^(a|aa)+$", NULL, REDACT_MASK);
	redactor = make(&settings);
	expect(redactor, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "(gone)");
	assert_int_equal(redactor->reason, REDACT_UNDECIDED);
	redactor_free(redactor);
	settings = defaults();
	settings.value_bytes_max = 8;
	redactor = make(&settings);
	expect(redactor, "12345678", "12345678");
	expect(redactor, "123456789", "(gone)");
	assert_int_equal(redactor->reason, REDACT_UNDECIDED);
	redactor_free(redactor);
}

static bool whole(struct redactor *redactor, const char *key)
{
	return redactor_key(redactor, bytes_of(key))->whole & redactor->active;
}

static void keys_of_secrets_are_known_in_any_spelling(void **state)
{
	static const char *const secret[] = {
		"password",
		"db.password",
		"DB_PASSWORD",
		"userPassword",
		"api_key",
		"x-api-key",
		"apiKey",
		"openai.api-key",
		"http.request.header.authorization",
		"Authorization",
		"http.response.header.set-cookie",
		"Cookie",
		"client_secret",
		"auth_token",
	};
	static const char *const plain[] = {
		"gen_ai.usage.output_tokens",
		"llm.token_count.prompt",
		"token",
		"key",
		"http.url",
		"author",
		"cookie.count",
		"secretary",
		"passwords_seen",
		"tokens",
		"gen_ai.request.max_tokens",
		"service.name",
		"",
	};
	struct redact_settings settings = defaults();
	struct redactor *redactor = make(&settings);

	(void)state;
	for (int twice = 0; twice < 2; twice++) { /* the second time from the cache */
		for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
			if (!whole(redactor, secret[i]))
				fail_msg("%s is no secret", secret[i]);
		for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
			if (whole(redactor, plain[i]))
				fail_msg("%s is one", plain[i]);
	}
	redactor_free(redactor);
}

static void only_allowed_keys_pass_where_there_is_a_list(void **state)
{
	struct redact_settings settings = defaults();
	struct redactor *redactor;

	(void)state;
	settings.allow_keys = (char *)"gen_ai.*, service.name , x?z";
	redactor = make(&settings);
	assert_false(whole(redactor, "gen_ai.system"));
	assert_false(whole(redactor, "service.name"));
	assert_false(whole(redactor, "xyz"));
	assert_true(whole(redactor, "service.names"));
	assert_true(whole(redactor, "other"));
	redactor_free(redactor);
}

/* RFC 4231, its second case, with a longer key. */
static void hashes_of_equal_secrets_are_equal(void **state)
{
	struct redact_settings settings = defaults();
	char path[] = "/tmp/redact-key-XXXXXX";
	struct redactor *redactor;
	char *first, *second, *other;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0123456789abcdef\n", 17), 17);
	settings.action = REDACT_HASH;
	settings.hash_key_file = path;
	redactor = make(&settings);
	first = redacted(redactor, bytes_of("a s"
					    "k-" A40));
	second = redacted(redactor, bytes_of("a s"
					     "k-" A40));
	other = redacted(redactor, bytes_of("a s"
					    "k-" A40 "x"));
	assert_string_equal(first, second);
	assert_string_not_equal(first, other);
	assert_int_equal(strlen(first), strlen("a [redacted:openai-key:]") + 32);
	free(first);
	free(second);
	free(other);
	redactor_free(redactor);
	(void)close(fd);
	(void)unlink(path);
}

static void refused(struct redact_settings settings, const char *key, const char *text)
{
	struct redact_fault fault;
	struct redactor *redactor;

	assert_int_equal(redactor_new(&redactor, &settings, &fault), -EINVAL);
	assert_string_equal(fault.key, key);
	if (!strstr(fault.text, text))
		fail_msg("'%s' says nothing of '%s'", fault.text, text);
}

static void settings_that_cannot_be_are_refused(void **state)
{
	struct redact_settings settings = defaults();

	(void)state;
	settings.enable = (char *)"emial";
	refused(settings, "redact.enable", "emial");
	settings = defaults();
	settings.disable = (char *)"email,nothing";
	refused(settings, "redact.disable", "nothing");
	settings = defaults();
	own_rule(&settings, "a(b", NULL, REDACT_MASK);
	refused(settings, "redact.rules[0].pattern", "character 3");
	settings = defaults();
	own_rule(&settings, NULL, NULL, REDACT_MASK);
	refused(settings, "redact.rules[0].name", "finds nothing");
	settings = defaults();
	own_rule(&settings, "a", NULL, REDACT_MASK);
	settings.rules[0].name = (char *)"jwt";
	refused(settings, "redact.rules[0].name", "another rule");
	settings.rules[0].name = (char *)"Not Good";
	refused(settings, "redact.rules[0].name", "small letters");
	settings = defaults();
	settings.action = REDACT_HASH;
	refused(settings, "redact.hash_key_file", "needs a key");
	settings.hash_key_file = (char *)"/nonexistent";
	refused(settings, "redact.hash_key_file", "No such file");
}

/* Whatever the text is, twice of it costs about twice. Counted in steps of PCRE2 and
 * places tried would be better; time, taken as the least of some, will do. */
static uint64_t cost_ns(struct redactor *redactor, const char *piece, size_t bytes)
{
	struct buf text = BUF_INIT;
	uint64_t least = UINT64_MAX;

	while (text.len < bytes)
		assert_int_equal(buf_append_text(&text, piece), 0);
	for (int i = 0; i < 3; i++) {
		struct timespec begin, end;
		uint64_t ns;

		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
		(void)redactor_find(redactor, redactor_plain(redactor), buf_bytes(&text));
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
		ns = (uint64_t)(end.tv_sec - begin.tv_sec) * 1000000000 +
		     (uint64_t)end.tv_nsec - (uint64_t)begin.tv_nsec;
		if (ns < least)
			least = ns;
	}
	buf_fini(&text);
	return least;
}

static void cost_grows_with_the_length_alone(void **state)
{
	static const char *const pieces[] = {
		"The quick brown fox jumps over the lazy dog. ",
		"eyJ",
		"eyJabc-",
		"sk-",
		"sk-a",
		"://",
		"://a",
		"://a:",
		"&key=",
		"&token=",
		"key=",
		"Bearer ",
		"bearer",
		"basic ",
		"-----BEGIN ",
		"-----BEGIN PRIVATE KEY",
		"-----BEGIN PRIVATE KEY-----",
		"AKIA",
		"gh"
		"p_",
		"xoxb-",
		"8Q~",
		"JQQJ9",
		":AA",
		"1:AA",
		"a",
		"-",
		"%20eyJ",
		"\\neyJ",
		"eyJ0123456789.",
		"eyJ0123456789.eyJ0123456789",
		"://a:b",
		"&secret=;",
		"SG.a",
		"s"
		"k-" A40 " ",
		"secret_access_key=",
		"://a@",
		"://:@",
		"ya29.",
		"glpat-a",
		"\"password\":",
		"\"password\":\"",
		"\"password\":\"\\",
		"\\\"password\\\":\\\"",
		"\\",
		"\"secret\" ",
		"@",
		"a@",
		"a.b@c.d",
		"1",
		"1 ",
		"4111-",
		"12345678:AA",
		"; secret=",
	};
	struct redact_settings settings = defaults();
	struct redactor *redactor;

	(void)state;
	settings.enable = (char *)"email, card-number";
	redactor = make(&settings);
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		uint64_t once = cost_ns(redactor, pieces[i], 50000);
		uint64_t often = cost_ns(redactor, pieces[i], 800000);

		if (getenv("SHOW_COST"))
			print_message("%-32s %8.2f ns/byte\n", pieces[i],
				      (double)often / 800000);
		/* Sixteen times the text; squared it would be 256 times. */
		if (often > 96 * once + 1000000)
			fail_msg("'%s': 50 KB take %lu ns, 800 KB %lu ns", pieces[i],
				 (unsigned long)once, (unsigned long)often);
	}
	redactor_free(redactor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_vendors_are_found),
		cmocka_unit_test(forms_of_credentials_are_found),
		cmocka_unit_test(members_of_json_in_a_text_are_found),
		cmocka_unit_test(secrets_are_found_behind_escapes_and_in_the_middle),
		cmocka_unit_test(ordinary_text_stays),
		cmocka_unit_test(what_is_redacted_stays_as_it_is),
		cmocka_unit_test(rules_that_are_off_find_when_enabled),
		cmocka_unit_test(rules_that_are_on_can_be_disabled),
		cmocka_unit_test(own_patterns_are_looked_for_in_the_whole_text),
		cmocka_unit_test(what_overlaps_goes_together),
		cmocka_unit_test(a_pattern_never_cuts_a_character),
		cmocka_unit_test(a_rule_that_drops_takes_the_whole_text),
		cmocka_unit_test(what_a_limit_leaves_undecided_goes),
		cmocka_unit_test(keys_of_secrets_are_known_in_any_spelling),
		cmocka_unit_test(only_allowed_keys_pass_where_there_is_a_list),
		cmocka_unit_test(hashes_of_equal_secrets_are_equal),
		cmocka_unit_test(settings_that_cannot_be_are_refused),
		cmocka_unit_test(cost_grows_with_the_length_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
