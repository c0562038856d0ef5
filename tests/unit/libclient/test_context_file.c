#include "context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define OTHER "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-00"

static char directory[64];

static int enter_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test_context_file.XXXXXX");
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;

	(void)state;
	if (!entries)
		return -1;
	while ((entry = readdir(entries)))
		if (entry->d_name[0] != '.')
			(void)remove(entry->d_name);
	closedir(entries);
	return chdir("/") == 0 ? rmdir(directory) : -1;
}

static int files_here(void)
{
	DIR *entries = opendir(".");
	struct dirent *entry;
	int count = 0;

	assert_non_null(entries);
	while ((entry = readdir(entries)))
		count += entry->d_name[0] != '.';
	closedir(entries);
	return count;
}

static int descriptors_open(void)
{
	DIR *entries = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(entries);
	while (readdir(entries))
		count++;
	closedir(entries);
	return count;
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_file_is(const char *path, const char *parent)
{
	struct spanring_context context;
	char text[SPANRING_TRACEPARENT_SIZE];

	assert_int_equal(spanring_context_from_file(path, &context), 0);
	assert_true(context.is_remote);
	assert_int_equal(spanring_context_format(&context, text), 0);
	assert_string_equal(text, parent);
}

static struct spanring_context context_of(const char *parent)
{
	struct spanring_context context;

	assert_int_equal(spanring_context_parse(parent, NULL, &context), 0);
	return context;
}

static void a_written_context_is_read_again_and_nothing_stays_behind(void **state)
{
	struct spanring_context context = context_of(PARENT);
	int before = descriptors_open();

	(void)state;
	errno = EXDEV;
	assert_int_equal(spanring_context_to_file(&context, "c"), 0);
	assert_file_is("c", PARENT);
	context = context_of(OTHER);
	assert_int_equal(spanring_context_to_file(&context, "c"), 0);
	assert_file_is("c", OTHER);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(files_here(), 1);
	assert_int_equal(descriptors_open(), before);
	remove("c");
}

static void the_tracestate_travels_along(void **state)
{
	struct spanring_context context, read;

	(void)state;
	assert_int_equal(spanring_context_parse(PARENT, "a=\"1\",b=2", &context), 0);
	assert_int_equal(spanring_context_to_file(&context, "c"), 0);
	assert_int_equal(spanring_context_from_file("c", &read), 0);
	assert_string_equal(read.tracestate, "a=\"1\",b=2");
	assert_int_equal(read.tracestate_length, 9);
	remove("c");
}

static void the_default_path_comes_from_the_environment(void **state)
{
	struct spanring_context context = context_of(PARENT);

	(void)state;
	unsetenv("SPANRING_CONTEXT_FILE");
	assert_int_equal(spanring_context_to_file(&context, NULL), 0);
	assert_file_is("trace.context", PARENT);
	setenv("SPANRING_CONTEXT_FILE", "elsewhere", 1);
	assert_int_equal(spanring_context_from_file(NULL, &context), -ENOENT);
	context = context_of(OTHER);
	assert_int_equal(spanring_context_to_file(&context, NULL), 0);
	unsetenv("SPANRING_CONTEXT_FILE");
	assert_file_is("elsewhere", OTHER);
	assert_file_is(NULL, PARENT);
	remove("elsewhere");
	remove("trace.context");
}

static void assert_none(const char *path, int error)
{
	struct spanring_context context, before;

	memset(&context, 0xa5, sizeof context);
	before = context;
	errno = EXDEV;
	assert_int_equal(spanring_context_from_file(path, &context), error);
	assert_memory_equal(&context, &before, sizeof context);
	assert_int_equal(errno, EXDEV);
}

static void missing_damaged_and_zero_id_files_give_none(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"{}",
		"garbage\n",
		"{\"traceparent\": \"" PARENT,
		"{\"traceparent\": "
		"\"00-00000000000000000000000000000000-b7ad6b7169203331-01\"}",
		"{\"traceparent\": "
		"\"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01\"}",
	};

	(void)state;
	assert_none("missing", -ENOENT);
	assert_none("", -ENOENT);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		write_text("c", texts[i]);
		assert_none("c", -EBADMSG);
	}
	remove("c");
}

static void a_file_too_large_for_a_carrier_is_damaged(void **state)
{
	(void)state;
	write_text("c", "{\"traceparent\": \"" PARENT "\"}");
	assert_int_equal(truncate("c", 1 << 20), 0);
	assert_none("c", -EBADMSG);
	remove("c");
}

static void links_directories_and_fifos_are_not_followed(void **state)
{
	(void)state;
	write_text("c", "{\"traceparent\": \"" PARENT "\"}");
	assert_int_equal(symlink("c", "link"), 0);
	assert_none("link", -EBADMSG);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_none("fifo", -EBADMSG);
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_none("folder", -EBADMSG);
	remove("folder");
	remove("fifo");
	remove("link");
	remove("c");
}

static void writing_replaces_a_link_and_spares_its_target(void **state)
{
	struct spanring_context context = context_of(PARENT);
	struct stat st;

	(void)state;
	write_text("precious", "x");
	assert_int_equal(symlink("precious", "c"), 0);
	assert_int_equal(spanring_context_to_file(&context, "c"), 0);
	assert_int_equal(lstat("c", &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(stat("precious", &st), 0);
	assert_int_equal(st.st_size, 1);
	remove("precious");
	remove("c");
}

static void a_failed_write_leaves_the_old_file_and_no_other(void **state)
{
	struct spanring_context context = context_of(PARENT), none = {0};
	char longer[5000];

	(void)state;
	assert_int_equal(spanring_context_to_file(&none, "c"), -EINVAL);
	assert_int_equal(spanring_context_to_file(&context, "no/such/folder"), -ENOENT);
	assert_int_equal(spanring_context_to_file(&context, ""), -ENOENT);
	memset(longer, 'a', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(spanring_context_to_file(&context, longer), -ENAMETOOLONG);
	assert_int_equal(mkdir("folder", 0700), 0);
	write_text("folder/x", "");
	assert_int_equal(spanring_context_to_file(&context, "folder"), -EISDIR);
	assert_int_equal(files_here(), 1);
	remove("folder/x");
	remove("folder");
}

static void a_file_size_limit_raises_no_signal(void **state)
{
	struct spanring_context context = context_of(PARENT);
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit limit = {8, 8};

		signal(SIGXFSZ, SIG_DFL);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(spanring_context_to_file(&context, "c") == -EFBIG ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(files_here(), 0);
}

static void readers_see_the_old_or_the_new_file_never_half_of_one(void **state)
{
	struct spanring_context one = context_of(PARENT), other = context_of(OTHER);
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(spanring_context_to_file(&one, "c"), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		for (int i = 0; i < 500; i++)
			if (spanring_context_to_file(i & 1 ? &one : &other, "c") < 0)
				_exit(1);
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		struct spanring_context context;

		assert_int_equal(spanring_context_from_file("c", &context), 0);
	}
	assert_int_equal(status, 0);
	assert_int_equal(files_here(), 1);
	remove("c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_written_context_is_read_again_and_nothing_stays_behind),
		cmocka_unit_test(the_tracestate_travels_along),
		cmocka_unit_test(the_default_path_comes_from_the_environment),
		cmocka_unit_test(missing_damaged_and_zero_id_files_give_none),
		cmocka_unit_test(a_file_too_large_for_a_carrier_is_damaged),
		cmocka_unit_test(links_directories_and_fifos_are_not_followed),
		cmocka_unit_test(writing_replaces_a_link_and_spares_its_target),
		cmocka_unit_test(a_failed_write_leaves_the_old_file_and_no_other),
		cmocka_unit_test(a_file_size_limit_raises_no_signal),
		cmocka_unit_test(readers_see_the_old_or_the_new_file_never_half_of_one),
	};

	return cmocka_run_group_tests(tests, enter_directory, remove_directory);
}
