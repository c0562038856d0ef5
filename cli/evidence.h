/* What a dead agent or machine left: rings, log, archive files. It is looked at and
 * copied, never changed: files are opened for reading alone, and what works on them
 * works on the copies. */
#ifndef CLI_EVIDENCE_H
#define CLI_EVIDENCE_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define EVIDENCE_REASON_BYTES 1024

struct evidence_file {
	char *name;
	ino_t ino; /* of its copy */
};

struct evidence {
	char ring_dir[PATH_MAX]; /* "": none */
	char wal_dir[PATH_MAX];
	char archive_dir[PATH_MAX];
	uint64_t rings, segments, archives;
	uint64_t bytes;		   /* of what was copied */
	uint64_t unreadable_bytes; /* the disk refused; zeros stand there in the copy */
	bool owners_lost; /* a file is another's, and its copy is not */
	/* Archive files taken over: what has another inode later was written anew. */
	struct evidence_file *taken;
	size_t taken_count, taken_cap;
};

/* Looks into `dir` for what is not named yet: it may be a ring directory, a state
 * directory, the log itself, or hold `ring`, `state` and `archive` or `data`. Counts.
 * -ENOENT: nothing of ours; -errno; `ret_reason` says it in words. */
int evidence_find(struct evidence *evidence, const char *dir,
		  char ret_reason[EVIDENCE_REASON_BYTES]);

/* Whether somebody still works with it: an agent, or a process that writes. 1: yes,
 * and `ret_reason` says who and what to do. 0: nobody. -errno. */
int evidence_in_use(const struct evidence *evidence, char ret_reason[EVIDENCE_REASON_BYTES]);

/* Copies rings into `work`/ring, the log into `work`/state/wal, archive files into
 * `out`. `stop`, if it becomes 1, ends it with -EINTR. */
int evidence_copy(struct evidence *evidence, const char *work, const char *out,
		  const volatile sig_atomic_t *stop, char ret_reason[EVIDENCE_REASON_BYTES]);

/* Whether the file in `out` is the copy of a file that was there before. */
bool evidence_is_taken(const struct evidence *evidence, const char *name, ino_t ino);

void evidence_fini(struct evidence *evidence);

#endif
