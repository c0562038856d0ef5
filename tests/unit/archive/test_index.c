#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/index.h"
#include "file_env.h"

static struct file_env env;
static char *dir;
static char path[512];
static struct index sealed;

static void open_index(void)
{
	index_init(&sealed, &env.env, dir);
	sealed.seed = 99;
	assert_int_equal(index_open(&sealed), 0);
}

static int setup(void **state)
{
	(void)state;
	file_env_init(&env, 5);
	dir = test_directory_new();
	snprintf(path, sizeof(path), "%s/archive.index", dir);
	open_index();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	index_fini(&sealed);
	assert_int_equal(env.open_count, 0);
	test_directory_remove(dir);
	free(dir);
	return 0;
}

static void put(uint32_t n, uint64_t size)
{
	struct index_entry entry = {.size = size, .crc = n, .crc_known = true, .recent = true};

	memcpy(entry.trace_id, &n, sizeof(n));
	snprintf(entry.name.text, sizeof(entry.name.text), "a_run_%u.otlp.json", n);
	assert_int_equal(index_put(&sealed, &entry), 0);
}

static bool find(uint32_t n, struct index_entry *ret_entry)
{
	uint8_t trace_id[16] = {0};

	memcpy(trace_id, &n, sizeof(n));
	return index_find(&sealed, trace_id, ret_entry) > 0;
}

static void what_was_put_is_found_in_this_life_and_the_next(void **state)
{
	struct index_entry entry;

	(void)state;
	for (uint32_t n = 1; n <= 3000; n++)
		put(n, n * 10);
	for (int life = 0; life < 2; life++) {
		for (uint32_t n = 1; n <= 3000; n++) {
			assert_true(find(n, &entry));
			assert_int_equal(entry.size, n * 10);
			assert_int_equal(entry.crc, n);
			assert_int_equal(entry.recent, life == 0);
		}
		assert_false(find(4000, &entry));
		index_fini(&sealed);
		open_index();
	}
}

static void a_later_line_replaces_the_earlier_one(void **state)
{
	struct index_entry entry;

	(void)state;
	put(1, 10);
	put(1, 20);
	assert_true(find(1, &entry));
	assert_int_equal(entry.size, 20);
	index_fini(&sealed);
	open_index();
	assert_true(find(1, &entry));
	assert_int_equal(entry.size, 20);
	assert_int_equal(sealed.count, 1);
}

static void append_text(const char *text)
{
	FILE *file = fopen(path, "ab");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	fclose(file);
}

static void a_torn_line_and_damaged_lines_cost_only_themselves(void **state)
{
	struct index_entry entry;

	(void)state;
	put(1, 10);
	index_fini(&sealed);
	append_text("not a line\n"
		    "00000000000000000000000000000007 ../../etc/passwd 1 - complete\n"
		    "00000000000000000000000000000008 .hidden 1 - complete\n"
		    "\n"
		    "0000000000000000000000000000000x a_run_1.otlp.json 1 - complete\n"
		    "09000000000000000000000000000000 a_run_9.otlp.json 5 - partial\n"
		    "0a0000000000000000000000000000");
	open_index();
	assert_int_equal(sealed.count, 1);
	assert_true(find(1, &entry));
	assert_false(find(9, &entry)); /* without its sum */
	put(10, 100);
	index_fini(&sealed);
	open_index();
	assert_int_equal(sealed.count, 2);
	assert_true(find(10, &entry));
}

static void flip_bit(off_t at, unsigned bit)
{
	FILE *file = fopen(path, "r+b");
	int byte;

	assert_non_null(file);
	assert_int_equal(fseeko(file, at, SEEK_SET), 0);
	byte = fgetc(file);
	assert_int_equal(fseeko(file, at, SEEK_SET), 0);
	assert_int_not_equal(fputc(byte ^ 1 << bit, file), EOF);
	fclose(file);
}

/* Not that line, but never another one, under whose trace id the file would hide. */
static void a_flipped_bit_makes_no_other_entry(void **state)
{
	struct index_entry before, entry;
	struct stat st;

	(void)state;
	put(1, 10);
	assert_true(find(1, &before));
	index_fini(&sealed);
	assert_int_equal(stat(path, &st), 0);
	/* Not its end: a line without one is torn, and is cut off. */
	for (off_t at = 0; at < st.st_size - 1; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			flip_bit(at, bit);
			open_index();
			assert_true(sealed.count <= 1);
			if (sealed.count == 1) {
				assert_true(find(1, &entry));
				assert_string_equal(entry.name.text, before.name.text);
				assert_int_equal(entry.crc, before.crc);
			}
			index_fini(&sealed);
			flip_bit(at, bit);
		}
	}
	open_index();
	assert_true(find(1, &entry));
}

static void replaced_lines_are_cleaned_out(void **state)
{
	struct index_entry entry;
	struct stat st;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		put(i % 3 + 1, i);
	assert_int_equal(index_compact(&sealed), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < 400);
	assert_true(find(2, &entry));
	assert_int_equal(entry.size, 4999);
	assert_true(entry.recent);
	put(4, 4);
	index_fini(&sealed);
	open_index();
	assert_int_equal(sealed.count, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_found_in_this_life_and_the_next),
		TEST(a_later_line_replaces_the_earlier_one),
		TEST(a_flipped_bit_makes_no_other_entry),
		TEST(a_torn_line_and_damaged_lines_cost_only_themselves),
		TEST(replaced_lines_are_cleaned_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
