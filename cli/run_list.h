/* The runs of directories and files, each with what a list shows of it. */
#ifndef CLI_RUN_LIST_H
#define CLI_RUN_LIST_H

#include <dirent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the name of an open run's file ends in. */
#define RUN_LIST_SPOOL ".partial"

enum run_status {
	RUN_OK,		/* complete, no span failed */
	RUN_QUIET,	/* likewise, but that it is over was not said */
	RUN_ERROR,	/* nothing is missing, a span failed */
	RUN_INCOMPLETE, /* something of it is missing, or was cut off */
	RUN_OPEN,	/* it is being written */
};
const char *run_status_name(enum run_status status);

/* All of it is the list's; texts are "" where nothing is known. */
struct run_entry {
	char *path;
	char *id; /* of the trace */
	char *service;
	char *name; /* as the run was called, else the service's */
	/* Arrays of strings: one for each process; why the run is incomplete; beside the
	 * modules, how each ended, empty where the file does not say. */
	json_t *modules, *reasons, *exit_codes;
	enum run_status status;
	uint64_t start_ns, end_ns;
	int64_t spans, errors, processes;
	int64_t input_tokens, output_tokens; /* -1: none were said */
};

/* Told of what cannot be read; the rest is listed. */
typedef void run_list_problem_fn(void *arg, const char *sentence);

struct run_list {
	struct run_entry *entries; /* newest first once they are all there */
	size_t count, cap;
	run_list_problem_fn *problem;
	void *arg;
	bool failed; /* something could not be read */
};

void run_list_init(struct run_list *list, run_list_problem_fn *problem, void *arg);
void run_list_fini(struct run_list *list);

/* The archives in a directory, or of one file; a file of several traces has several
 * runs. -ENOMEM; what is wrong with the path is told. */
int run_list_add(struct run_list *list, const char *path);
void run_list_sort(struct run_list *list);

/* The two that run_list_add() is made of. A file that is gone is -ENOENT and not told
 * where it may be. */
int run_list_add_file(struct run_list *list, const char *path, bool may_be_gone);
/* run_directory.c */
int run_list_add_directory(struct run_list *list, const char *path, DIR *directory);
void run_list_tell(struct run_list *list, const char *sentence);

/* The newest run in the directory whose trace id begins so (8 digits at least),
 * whose file is called so, or whose name is so. 1: found; 0, -ENOMEM. */
int run_list_find(struct run_list *list, const char *directory, const char *word,
		  const struct run_entry **ret_entry);

#endif
