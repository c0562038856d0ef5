/* Directories of tests: made, copied, removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_env.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

char *test_directory_new(void)
{
	const char *parent = getenv("TMPDIR");
	char *path;

	/* Tests make and remove thousands of files: memory is kinder. */
	if (!parent)
		parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	must(asprintf(&path, "%s/spanring-test-XXXXXX", parent) > 0, "asprintf");
	must(mkdtemp(path) != NULL, path);
	return path;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = suffix ? strlen(suffix) : 0;

	return tail > 0 && len >= tail && strcmp(name + len - tail, suffix) == 0;
}

/* Takes the descriptor. */
static void remove_entries(int dirfd, const char *keep)
{
	struct dirent *entry;
	DIR *dir = fdopendir(dirfd);
	int fd;

	must(dir != NULL, "fdopendir");
	while ((entry = readdir(dir)) != NULL) {
		if (is_dots(entry->d_name) || ends_with(entry->d_name, keep) ||
		    unlinkat(dirfd, entry->d_name, 0) == 0)
			continue;
		fd = openat(dirfd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		must(fd >= 0, entry->d_name);
		remove_entries(fd, NULL);
		must(unlinkat(dirfd, entry->d_name, AT_REMOVEDIR) == 0, entry->d_name);
	}
	closedir(dir);
}

void test_directory_empty(const char *path, const char *keep)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(fd >= 0, path);
	remove_entries(fd, keep);
}

void test_directory_remove(const char *path)
{
	test_directory_empty(path, NULL);
	must(rmdir(path) == 0, path);
}

static void copy_file(int from_dir, int to_dir, const char *name)
{
	int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
	int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char piece[65536];
	ssize_t n;

	must(from >= 0 && to >= 0, name);
	while ((n = read(from, piece, sizeof piece)) > 0)
		must(write(to, piece, (size_t)n) == n, "write");
	must(n == 0, "read");
	close(from);
	close(to);
}

void test_directory_copy(const char *from, const char *to)
{
	struct dirent *entry;
	DIR *source = opendir(from), *target = opendir(to);

	must(source && target, from);
	while ((entry = readdir(source)) != NULL)
		if (entry->d_type == DT_REG)
			copy_file(dirfd(source), dirfd(target), entry->d_name);
	closedir(source);
	closedir(target);
}

int test_open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	must(dir != NULL, "/proc/self/fd");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and this listing */
}
