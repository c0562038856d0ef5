/* Protobuf's own Python implementation judges what we print, read and encode;
 * judge.py says how. */
#include "opentelemetry/proto/resource/v1/resource.pb-c.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/bytes_text.h"
#include "otlp/encode.h"
#include "otlp/json_print.h"
#include "otlp/json_read.h"
#include "otlp/pb.h"
#include "random_message.h"
#include "records.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TRACES_DATA (&opentelemetry__proto__trace__v1__traces_data__descriptor)
#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)
#define RESOURCE (&opentelemetry__proto__resource__v1__resource__descriptor)
#define KEY_VALUE (&opentelemetry__proto__common__v1__key_value__descriptor)
#define ANY_VALUE (&opentelemetry__proto__common__v1__any_value__descriptor)
#define SCOPE (&opentelemetry__proto__common__v1__instrumentation_scope__descriptor)

struct cases {
	char path[64];
	FILE *file;
};

static void cases_open(struct cases *cases)
{
	int fd;

	(void)snprintf(cases->path, sizeof(cases->path), "/tmp/spanring-judge-XXXXXX");
	fd = mkstemp(cases->path);
	assert_true(fd >= 0);
	cases->file = fdopen(fd, "w");
	assert_non_null(cases->file);
}

static void cases_add(struct cases *cases, const char *kind,
		      const ProtobufCMessageDescriptor *type, struct bytes message,
		      struct bytes text)
{
	struct buf hex = BUF_INIT;

	assert_int_equal(bytes_text_hex(&hex, message), 0);
	fprintf(cases->file, "%s\t%s\t%.*s\t", kind, type->name, (int)hex.len, (char *)hex.at);
	fwrite(text.at, 1, text.len, cases->file);
	fputc('\n', cases->file);
	buf_fini(&hex);
}

/* build/tests/unit/otlp/test_judge -> build/gen/python */
static void stubs_path(char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	for (int up = 0; up < 4; up++)
		*strrchr(self, '/') = '\0';
	assert_true(snprintf(path, size, "%s/gen/python", self) < (int)size);
}

static void cases_judge(struct cases *cases)
{
	char stubs[PATH_MAX], command[2 * PATH_MAX];
	const char *slash = strrchr(__FILE__, '/');
	int status;

	assert_int_equal(fclose(cases->file), 0);
	stubs_path(stubs, sizeof(stubs));
	(void)snprintf(command, sizeof(command), "/usr/bin/python3 %.*s/judge.py %s %s",
		       (int)(slash - __FILE__), __FILE__, stubs, cases->path);
	status = system(command);
	(void)unlink(cases->path);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static json_t *parse(struct bytes text)
{
	json_error_t error;
	json_t *value = json_loadb((const char *)text.at, text.len,
				   JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);

	if (!value)
		fail_msg("%s at %d: %.*s", error.text, error.position, (int)text.len,
			 (const char *)text.at);
	return value;
}

static void read_json(struct buf *out, const ProtobufCMessageDescriptor *type,
		      struct bytes text)
{
	struct otlp_json_error error;
	json_t *value = parse(text);
	int r;

	r = otlp_json_read(out, type, value, &error);
	if (r < 0)
		fail_msg("%s: %s: %s", strerror(-r), error.path, error.reason);
	json_decref(value);
}

static void random_messages_survive_json_and_protobuf_agrees_on_both(void **state)
{
	static const ProtobufCMessageDescriptor *const types[] = {TRACES_DATA, SPAN, RESOURCE,
								  SCOPE};
	struct cases cases;
	uint64_t seed = 1;

	(void)state;
	cases_open(&cases);
	for (unsigned i = 0; i < 2000; i++) {
		const ProtobufCMessageDescriptor *type = types[i % 4];
		struct buf message = BUF_INIT, text = BUF_INIT, again = BUF_INIT;

		random_message(&message, type, &seed, 1 + i % 3, 10);
		assert_int_equal(otlp_json_print(&text, type, buf_bytes(&message)), 0);
		read_json(&again, type, buf_bytes(&text));
		if (!bytes_equal(buf_bytes(&message), buf_bytes(&again)))
			fail_msg("message %u came back otherwise: %.*s", i, (int)text.len,
				 (char *)text.at);
		cases_add(&cases, "both", type, buf_bytes(&message), buf_bytes(&text));
		buf_fini(&message);
		buf_fini(&text);
		buf_fini(&again);
	}
	cases_judge(&cases);
}

#define FIELDS_MAX 200

/* Two messages as one, their fields in any order: repeated fields interleave,
 * messages come in pieces, several members of a oneof follow each other. */
static void scramble(struct buf *out, const ProtobufCMessageDescriptor *type, uint64_t *seed)
{
	struct bytes fields[FIELDS_MAX];
	struct buf both = BUF_INIT;
	struct pb_reader reader;
	struct pb_field field;
	size_t n = 0;

	random_message(&both, type, seed, 2, 8);
	(void)pb_varint(&both, 99, 7); /* not a field of any of them */
	random_message(&both, type, seed, 2, 8);
	reader = pb_read(buf_bytes(&both));
	for (const uint8_t *at = reader.at; n < FIELDS_MAX && pb_next(&reader, &field) > 0;
	     n++) {
		fields[n] = (struct bytes){at, (size_t)(reader.at - at)};
		at = reader.at;
	}
	while (n) {
		size_t i = (size_t)(random_next(seed) % n);

		assert_int_equal(buf_append(out, fields[i].at, fields[i].len), 0);
		fields[i] = fields[--n];
	}
	buf_fini(&both);
}

static void messages_out_of_order_print_as_protobuf_merges_them(void **state)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		TRACES_DATA, SPAN, KEY_VALUE, ANY_VALUE, RESOURCE, SCOPE};
	struct cases cases;
	uint64_t seed = 2;

	(void)state;
	cases_open(&cases);
	for (unsigned i = 0; i < 1800; i++) {
		const ProtobufCMessageDescriptor *type = types[i % 6];
		struct buf message = BUF_INIT, text = BUF_INIT, again = BUF_INIT;
		struct buf same = BUF_INIT;

		scramble(&message, type, &seed);
		assert_int_equal(otlp_json_print(&text, type, buf_bytes(&message)), 0);
		cases_add(&cases, "form", type, buf_bytes(&message), buf_bytes(&text));
		read_json(&again, type, buf_bytes(&text));
		assert_int_equal(otlp_json_print(&same, type, buf_bytes(&again)), 0);
		assert_true(bytes_equal(buf_bytes(&text), buf_bytes(&same)));
		buf_fini(&message);
		buf_fini(&text);
		buf_fini(&again);
		buf_fini(&same);
	}
	cases_judge(&cases);
}

#define SPAN_ID UINT64_C(0x0807060504030201)

/* Sometimes a character, sometimes a part of one, from few enough that keys
 * meet again. */
static struct bytes random_text(uint64_t *seed)
{
	static const char *const texts[] = {"",
					    "a",
					    "key",
					    "llm.input",
					    "llm.output",
					    "\xff",
					    "\xc3\xa9",
					    "caf\xc3",
					    "\xed\xa0\x80",
					    "\n\"",
					    "\xe2\x80\xa8 a rather longer one, of many words"};

	return bytes_of(texts[random_next(seed) % (sizeof(texts) / sizeof(texts[0]))]);
}

static enum wire_value_type random_value(struct buf *value, uint64_t *seed, unsigned depth)
{
	enum wire_value_type type = (enum wire_value_type)(random_next(seed) % (depth ? 8 : 6));
	uint64_t number = random_next(seed) >> (random_next(seed) % 64);
	struct bytes text = random_text(seed);

	if (type == WIRE_STRING || type == WIRE_BYTES)
		(void)buf_append(value, text.at, text.len);
	else if (type == WIRE_BOOL)
		(void)buf_append_byte(value, number & 1);
	else if (type == WIRE_INT || type == WIRE_DOUBLE)
		(void)buf_append(value, &number, 8);
	for (uint64_t n = type >= WIRE_ARRAY ? random_next(seed) % 4 : 0; n; n--) {
		struct buf inner = BUF_INIT;
		enum wire_value_type inner_type = random_value(&inner, seed, depth - 1);
		struct bytes key = type == WIRE_MAP ? random_text(seed) : bytes_of("");

		records_entry(value, key, inner_type, buf_bytes(&inner));
		buf_fini(&inner);
	}
	return type;
}

static void random_entries(struct buf *entries, uint64_t *seed)
{
	for (uint64_t n = random_next(seed) % 4; n; n--) {
		struct buf value = BUF_INIT;
		enum wire_value_type type = random_value(&value, seed, 2);

		records_entry(entries, random_text(seed), type, buf_bytes(&value));
		buf_fini(&value);
	}
}

static void random_record(struct buf *records, uint64_t *seed)
{
	struct buf value = BUF_INIT, entries = BUF_INIT;
	enum wire_value_type type = random_value(&value, seed, 4);
	uint32_t number = (uint32_t)random_next(seed) >> (random_next(seed) % 32);

	random_entries(&entries, seed);
	switch (random_next(seed) % 8) {
	case 0:
		records_text(records, WIRE_STATUS, SPAN_ID, number % 3, random_text(seed));
		break;
	case 1:
		records_text(records, WIRE_NAME, SPAN_ID, 0, random_text(seed));
		break;
	case 2:
		records_event(records, SPAN_ID, number, random_text(seed), buf_bytes(&entries),
			      number % 3);
		break;
	case 3:
		records_link(records, SPAN_ID, number, number, random_text(seed),
			     buf_bytes(&entries), number % 3);
		break;
	case 4:
		records_dropped(records, SPAN_ID, number, number % 2, number % 3);
		break;
	default:
		records_attribute(records, SPAN_ID, random_text(seed), type, buf_bytes(&value));
	}
	buf_fini(&value);
	buf_fini(&entries);
}

static void random_span(struct buf *records, uint64_t *seed)
{
	records_start(records, SPAN_ID, random_next(seed) % 2,
		      (unsigned)(random_next(seed) % 6), (uint32_t)random_next(seed),
		      random_next(seed), random_text(seed), random_text(seed));
	for (uint64_t n = random_next(seed) % 30; n; n--)
		random_record(records, seed);
	records_end(records, SPAN_ID, random_next(seed));
}

static uint64_t same_time(void *arg, uint64_t ticks)
{
	(void)arg;
	return ticks;
}

static void encoded_spans_are_canonical_protobuf(void **state)
{
	const struct otlp_clock clock = {same_time, NULL};
	struct cases cases;
	uint64_t seed = 4;

	(void)state;
	cases_open(&cases);
	for (unsigned i = 0; i < 2000; i++) {
		struct buf records = BUF_INIT, message = BUF_INIT, text = BUF_INIT;
		struct otlp_span_summary summary;
		struct bytes chunk;

		random_span(&records, &seed);
		chunk = buf_bytes(&records);
		assert_int_equal(otlp_encode_span(&message, &chunk, 1, &clock, NULL, &summary), 0);
		assert_int_equal(otlp_json_print(&text, SPAN, buf_bytes(&message)), 0);
		cases_add(&cases, "both", SPAN, buf_bytes(&message), buf_bytes(&text));
		buf_fini(&records);
		buf_fini(&message);
		buf_fini(&text);
	}
	cases_judge(&cases);
}

static void add_trace_line(struct cases *cases, struct bytes line)
{
	struct buf message = BUF_INIT, text = BUF_INIT, again = BUF_INIT;

	read_json(&message, TRACES_DATA, line);
	cases_add(cases, "parse", TRACES_DATA, buf_bytes(&message), line);
	assert_int_equal(otlp_json_print(&text, TRACES_DATA, buf_bytes(&message)), 0);
	cases_add(cases, "both", TRACES_DATA, buf_bytes(&message), buf_bytes(&text));
	read_json(&again, TRACES_DATA, buf_bytes(&text));
	assert_true(bytes_equal(buf_bytes(&message), buf_bytes(&again)));
	buf_fini(&message);
	buf_fini(&text);
	buf_fini(&again);
}

static unsigned add_trace_file(struct cases *cases, const char *dir, const char *name)
{
	char path[PATH_MAX], *line = NULL;
	unsigned lines = 0;
	size_t cap = 0;
	ssize_t len;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	assert_non_null(file);
	while ((len = getline(&line, &cap, file)) > 0) {
		if (line[len - 1] == '\n')
			len--;
		add_trace_line(cases, (struct bytes){(uint8_t *)line, (size_t)len});
		lines++;
	}
	free(line);
	fclose(file);
	return lines;
}

static void real_traces_are_the_same_for_us_and_for_protobuf(void **state)
{
	const char *dir = getenv("SPANRING_TEST_TRACES");
	struct dirent *entry;
	struct cases cases;
	unsigned lines = 0;
	DIR *listing;

	(void)state;
	if (!dir || !*dir)
		skip();
	listing = opendir(dir);
	assert_non_null(listing);
	cases_open(&cases);
	while ((entry = readdir(listing))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot && strcmp(dot, ".jsonl") == 0)
			lines += add_trace_file(&cases, dir, entry->d_name);
	}
	closedir(listing);
	assert_true(lines > 0);
	cases_judge(&cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_messages_survive_json_and_protobuf_agrees_on_both),
		cmocka_unit_test(messages_out_of_order_print_as_protobuf_merges_them),
		cmocka_unit_test(encoded_spans_are_canonical_protobuf),
		cmocka_unit_test(real_traces_are_the_same_for_us_and_for_protobuf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
