/* A world for tests: real files, a fake clock, and one fault at a time.
 *
 * Operations are counted from file_env_arm() on. A test that wants every
 * operation of a scenario to fail once is a loop over `nth` that ends when
 * file_env_fired() says that the scenario had no n-th operation any more.
 *
 * A crash is simulated: from then on every operation fails with -ESHUTDOWN and
 * changes nothing, as if the process were gone. The test drops the object under
 * test and opens it again through another file_env. close() always closes, so
 * that tests leave no descriptors. */
#ifndef SUPPORT_FILE_ENV_H
#define SUPPORT_FILE_ENV_H

#include "base/env.h"

enum file_env_op {
	FILE_ENV_ANY, /* as a fault's op: all of the following */
	FILE_ENV_RANDOM,
	FILE_ENV_OPEN,
	FILE_ENV_FSTAT,
	FILE_ENV_PREAD,
	FILE_ENV_PWRITEV,
	FILE_ENV_FALLOCATE,
	FILE_ENV_TRUNCATE,
	FILE_ENV_RENAME,
	FILE_ENV_UNLINK,
	FILE_ENV_MKDIR,
	FILE_ENV_LIST,
	FILE_ENV_SPACE,
	FILE_ENV_SYNC,
	FILE_ENV_SYNC_START,
	FILE_ENV_SYNC_DONE, /* the answer of a background sync */
	FILE_ENV_LOCK,
	FILE_ENV_LOCKED,
	FILE_ENV_NEWS_OPEN,
	FILE_ENV_NEWS,
	FILE_ENV_PROCESS,
	FILE_ENV_ACCEPT,
	FILE_ENV_OPS,
};

enum file_env_fault_kind {
	FILE_ENV_FAIL,	       /* returns `error`, changes nothing */
	FILE_ENV_SHORT,	       /* pread and pwritev move `bytes` at most; of news `bytes`
				* names at most are given, and the rest is lost; others
				* succeed */
	FILE_ENV_CRASH_BEFORE, /* the process dies before the operation */
	FILE_ENV_CRASH_AFTER,  /* the process dies when it is done */
	FILE_ENV_CRASH_TORN,   /* pwritev writes `bytes`, then as CRASH_BEFORE */
	FILE_ENV_LATE,	       /* syncs answer `delay_ns` later; others succeed */
};

struct file_env_fault {
	enum file_env_op op;
	enum file_env_fault_kind kind;
	uint64_t nth;	/* the first operation that fails, from 1 */
	uint64_t times; /* so many in a row; 0 and 1: one; UINT64_MAX: for ever */
	int error;	/* negative */
	size_t bytes;
	uint64_t delay_ns;
};

/* What a simulation adds (sim_world.h). Each may be NULL. */
struct file_env_hooks {
	/* Decides about every operation, in place of the armed fault. `fd`: what
	 * it is about, or the directory of the name; -1: no file. */
	bool (*fault)(void *arg, enum file_env_op op, int fd, struct file_env_fault *ret_fault);
	/* The process dies here, really: does not return. */
	void (*die)(void *arg);
	void *arg;
};

struct sim_disk;

#define FILE_ENV_SYNCS_MAX 64

struct file_env {
	struct env env;				   /* pass this; the first member */
	uint64_t mono_ns, boot_ns, wall_ns, ticks; /* the clock: set or advance */
	uint64_t passed_ns; /* since init: what really passed, however clocks are set */
	uint64_t random_state;
	uint64_t counts[FILE_ENV_OPS]; /* since arm; [FILE_ENV_ANY]: all */
	struct file_env_fault fault;
	bool armed, fired, crashed;
	int open_count; /* descriptors open through this world */
	uint64_t space; /* free bytes to answer with; 0: the real ones */
	struct file_env_hooks hooks;
	int open_flags;	   /* of the open that a hook is asked about */
	off_t read_offset; /* and of the pread */
	size_t read_len;
	struct sim_disk *disk; /* is told what changes; may be NULL */
	struct file_env_sync {
		env_done_fn *done;
		void *arg;
		int result, fd;
		uint64_t due_ns;
		uint64_t covers; /* changes of the disk that came before it */
	} syncs[FILE_ENV_SYNCS_MAX];
	unsigned sync_count;
};

void file_env_init(struct file_env *world, uint64_t seed);
void file_env_advance(struct file_env *world, uint64_t ns);

/* Replaces the fault; counting begins anew. */
void file_env_arm(struct file_env *world, struct file_env_fault fault);
void file_env_disarm(struct file_env *world);
bool file_env_fired(const struct file_env *world);
const char *file_env_op_name(enum file_env_op op);

/* A fresh directory under $TMPDIR, /dev/shm or /tmp; free() the path after removing. */
char *test_directory_new(void);
/* Removes what is in it, but for names that end in `keep` (NULL: all). */
void test_directory_empty(const char *path, const char *keep);
/* Removes it with everything in it. */
void test_directory_remove(const char *path);
/* Copies the regular files of one directory into another. */
void test_directory_copy(const char *from, const char *to);
/* How many descriptors this process has open. */
int test_open_descriptors(void);

#endif
