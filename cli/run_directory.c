/* The archives in a directory, while an agent works in it: what is open while the
 * names are read may be sealed, and called otherwise, before it is opened. */
#include "run_list.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct names {
	char **at;
	size_t count, cap;
};

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static bool is_archive_name(const char *name)
{
	return name[0] != '.' && (ends_in(name, ".otlp.json") || ends_in(name, ".otlp.jsonl") ||
				  ends_in(name, ".otlp.json" RUN_LIST_SPOOL));
}

static int add_name(struct names *names, const char *name)
{
	if (names->count == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 64;
		char **at = reallocarray(names->at, cap, sizeof(*at));

		if (!at)
			return -ENOMEM;
		names->at = at;
		names->cap = cap;
	}
	names->at[names->count] = strdup(name);
	return names->at[names->count] ? (int)++names->count : -ENOMEM;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static int read_names(struct names *names, DIR *directory)
{
	struct dirent *entry;
	int r = 0;

	while (r >= 0 && (entry = readdir(directory)))
		if (is_archive_name(entry->d_name))
			r = add_name(names, entry->d_name);
	if (names->count)
		qsort(names->at, names->count, sizeof(*names->at), by_name);
	return r < 0 ? r : 0;
}

static bool has_name(const struct names *names, const char *name)
{
	return names->count &&
	       bsearch(&name, names->at, names->count, sizeof(*names->at), by_name);
}

/* What is no file is not opened: nobody may ever write into a FIFO. */
static bool is_file(struct run_list *list, const char *path)
{
	char sentence[PATH_MAX + 64];
	struct stat st;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return true; /* who opens it sees what is wrong */
	(void)snprintf(sentence, sizeof(sentence), "%s: not a file", path);
	run_list_tell(list, sentence);
	return false;
}

static int add_path(struct run_list *list, const char *directory, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s%s%s", directory,
		     ends_in(directory, "/") ? "" : "/", name) >= (int)sizeof(path))
		return 0; /* then nobody can open it by that */
	return is_file(list, path) ? run_list_add_file(list, path, true) : 0;
}

static int add_listed(struct run_list *list, const char *directory, const struct names *names,
		      const char *name)
{
	char other[NAME_MAX + 16];
	int r;

	if (ends_in(name, ".otlp.json")) {
		/* While a run is open again, its file of before stands beside its spool. */
		(void)snprintf(other, sizeof(other), "%s" RUN_LIST_SPOOL, name);
		if (has_name(names, other))
			return 0;
	}
	r = add_path(list, directory, name);
	if (r == -ENOENT && ends_in(name, RUN_LIST_SPOOL)) {
		(void)snprintf(other, sizeof(other), "%.*s",
			       (int)(strlen(name) - strlen(RUN_LIST_SPOOL)), name);
		r = add_path(list, directory, other); /* it has been sealed meanwhile */
	}
	return r == -ENOENT ? 0 : r;
}

int run_list_add_directory(struct run_list *list, const char *path, DIR *directory)
{
	struct names names = {0};
	int r;

	r = read_names(&names, directory);
	for (size_t i = 0; i < names.count && r >= 0; i++)
		r = add_listed(list, path, &names, names.at[i]);
	for (size_t i = 0; i < names.count; i++)
		free(names.at[i]);
	free(names.at);
	return r < 0 ? r : 0;
}
