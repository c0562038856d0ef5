#include "evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/name.h"
#include "base/env_kernel.h"
#include "drain/ring_dir.h"
#include "wal/segment.h"
#include "wire/abi.h"

/* ---- finding --------------------------------------------------------------- */

enum entry_kind { ENTRY_OTHER, ENTRY_RING, ENTRY_SEGMENT, ENTRY_ARCHIVE };

static enum entry_kind kind_of(const char *name)
{
	uint8_t instance[16];
	uint64_t number;
	struct name run;

	if (ring_dir_parse_ring(name, instance))
		return ENTRY_RING;
	if (segment_name_parse(name, "", &number))
		return ENTRY_SEGMENT;
	/* Whatever template that machine had. */
	switch (name_kind(name, "{name}", &run)) {
	case NAME_SEALED:
	case NAME_SPOOL:
		return ENTRY_ARCHIVE;
	default:
		return ENTRY_OTHER;
	}
}

/* How many entries of the kind the directory has; -errno. */
static int64_t count_entries(const char *path, enum entry_kind kind)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int64_t count = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		count += kind_of(entry->d_name) == kind;
	(void)closedir(dir);
	return count;
}

/* Takes the first of these places that has such entries. */
static int find_place(char ret_path[PATH_MAX], const char *dir, const char *const *places,
		      enum entry_kind kind)
{
	char path[PATH_MAX];

	if (*ret_path)
		return 0;
	for (; *places; places++) {
		if (snprintf(path, sizeof path, "%s%s", dir, *places) >= (int)sizeof path)
			return -ENAMETOOLONG;
		if (count_entries(path, kind) > 0) {
			(void)strcpy(ret_path, path);
			return 0;
		}
	}
	return 0;
}

/* A directory that was named, or found. */
static int count_place(const char *path, enum entry_kind kind, uint64_t *ret_count,
		       char reason[EVIDENCE_REASON_BYTES])
{
	int64_t count = *path ? count_entries(path, kind) : 0;

	if (count < 0) {
		(void)snprintf(reason, EVIDENCE_REASON_BYTES, "%.700s cannot be read: %s", path,
			       strerror((int)-count));
		return (int)count;
	}
	*ret_count = (uint64_t)count;
	return 0;
}

int evidence_find(struct evidence *evidence, const char *dir,
		  char ret_reason[EVIDENCE_REASON_BYTES])
{
	static const char *const ring_places[] = {"", "/ring", NULL};
	static const char *const wal_places[] = {"", "/wal", "/state/wal", NULL};
	static const char *const archive_places[] = {"/archive", "/data", NULL};
	int r = 0;

	if (dir) {
		r = find_place(evidence->ring_dir, dir, ring_places, ENTRY_RING);
		if (r == 0)
			r = find_place(evidence->wal_dir, dir, wal_places, ENTRY_SEGMENT);
		if (r == 0)
			r = find_place(evidence->archive_dir, dir, archive_places,
				       ENTRY_ARCHIVE);
	}
	if (r < 0) {
		(void)snprintf(ret_reason, EVIDENCE_REASON_BYTES, "%.700s: %s", dir,
			       strerror(-r));
		return r;
	}
	r = count_place(evidence->ring_dir, ENTRY_RING, &evidence->rings, ret_reason);
	if (r == 0)
		r = count_place(evidence->wal_dir, ENTRY_SEGMENT, &evidence->segments,
				ret_reason);
	if (r == 0)
		r = count_place(evidence->archive_dir, ENTRY_ARCHIVE, &evidence->archives,
				ret_reason);
	if (r < 0 || evidence->rings + evidence->segments > 0)
		return r;
	(void)snprintf(ret_reason, EVIDENCE_REASON_BYTES,
		       "nothing to recover in %.700s: no <32 digits>.ring and no "
		       "wal-<16 digits>.log; name the directories with --ring-dir and "
		       "--state-dir",
		       dir ? dir : "the directories named");
	return -ENOENT;
}

/* ---- is anybody there? -------------------------------------------------------- */

/* 1: somebody has the file's lock. */
static int is_locked(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = env_kernel_locked(NULL, fd);
	close(fd);
	return r;
}

static int agent_is_there(const struct evidence *evidence, char reason[EVIDENCE_REASON_BYTES])
{
	char page[PATH_MAX + 16], lock[PATH_MAX + 16];
	int r = 0;

	(void)snprintf(page, sizeof page, "%s/%s", evidence->ring_dir, WIRE_PAGE_NAME);
	(void)snprintf(lock, sizeof lock, "%s/lock", evidence->wal_dir);
	if (*evidence->ring_dir)
		r = is_locked(page);
	if (r == 1) {
		(void)snprintf(reason, EVIDENCE_REASON_BYTES,
			       "an agent serves %.700s and loses nothing by itself; stop it "
			       "first (SIGTERM), or look at its archives",
			       evidence->ring_dir);
		return r;
	}
	if (r == 0 && *evidence->wal_dir)
		r = is_locked(lock);
	if (r == 1)
		(void)snprintf(reason, EVIDENCE_REASON_BYTES,
			       "an agent writes the log in %.700s and loses nothing by itself; "
			       "stop it first (SIGTERM), or look at its archives",
			       evidence->wal_dir);
	return r;
}

static uint32_t pid_of_ring(const char *path)
{
	struct wire_ring_header header;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : pread(fd, &header, sizeof header, 0);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)sizeof header ? header.pid : 0;
}

static int process_is_there(const struct evidence *evidence, char reason[EVIDENCE_REASON_BYTES])
{
	DIR *dir = opendir(evidence->ring_dir);
	struct dirent *entry;
	char path[PATH_MAX + 64];
	int r = dir ? 0 : -errno;

	while (r == 0 && (entry = readdir(dir))) {
		if (kind_of(entry->d_name) != ENTRY_RING)
			continue;
		(void)snprintf(path, sizeof path, "%s/%.48s", evidence->ring_dir,
			       entry->d_name);
		r = is_locked(path);
		if (r < 0)
			r = 0; /* it cannot be read either, and is told then */
		if (r == 1)
			(void)snprintf(
				reason, EVIDENCE_REASON_BYTES,
				"process %u lives and writes into %.700s; start spanringd on "
				"this directory, it goes on where the other agent ended; or "
				"wait until the process has ended",
				pid_of_ring(path), path);
	}
	if (dir)
		(void)closedir(dir);
	return r;
}

int evidence_in_use(const struct evidence *evidence, char ret_reason[EVIDENCE_REASON_BYTES])
{
	int r = agent_is_there(evidence, ret_reason);

	if (r == 0 && *evidence->ring_dir)
		r = process_is_there(evidence, ret_reason);
	if (r < 0)
		(void)snprintf(ret_reason, EVIDENCE_REASON_BYTES,
			       "cannot tell whether an agent is there: %s", strerror(-r));
	return r;
}

/* ---- the copies that stayed as they were ---------------------------------------- */

bool evidence_is_taken(const struct evidence *evidence, const char *name, ino_t ino)
{
	for (size_t i = 0; i < evidence->taken_count; i++)
		if (evidence->taken[i].ino == ino && strcmp(evidence->taken[i].name, name) == 0)
			return true;
	return false;
}

void evidence_fini(struct evidence *evidence)
{
	for (size_t i = 0; i < evidence->taken_count; i++)
		free(evidence->taken[i].name);
	free(evidence->taken);
	evidence->taken = NULL;
	evidence->taken_count = evidence->taken_cap = 0;
}
