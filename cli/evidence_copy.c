/* Copying evidence: rings with their holes, what the disk still gives of a damaged
 * file, and nothing that is not a plain file. */
#include "evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES (UINT64_C(1) << 20)
#define SECTOR_BYTES UINT64_C(4096)

struct copier {
	struct evidence *evidence;
	const volatile sig_atomic_t *stop;
	char *reason;
	uint8_t *piece;
};

static int copy_failed(const struct copier *copier, const char *what, int error)
{
	(void)snprintf(copier->reason, EVIDENCE_REASON_BYTES, "%.700s cannot be copied: %s%s",
		       what, strerror(-error),
		       error == -ENOSPC ? "; name a place with more room by --out" : "");
	return error;
}

static int write_all(int fd, const uint8_t *at, size_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Copies [from, to). Where the disk refuses, a sector at a time is tried, and what
 * it does not give stays a hole: the checks of rings and log find it. */
static int copy_range(struct copier *copier, int source, int target, uint64_t from, uint64_t to)
{
	uint64_t step = PIECE_BYTES;
	int r = 0;

	while (r == 0 && from < to) {
		uint64_t want = to - from < step ? to - from : step;
		ssize_t n = pread(source, copier->piece, want, (off_t)from);

		if (*copier->stop)
			return -EINTR;
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return 0; /* it became shorter: nothing more is there */
		if (n < 0 && step > SECTOR_BYTES) {
			step = SECTOR_BYTES;
			continue;
		}
		if (n < 0) {
			copier->evidence->unreadable_bytes += want;
			from += want;
			continue;
		}
		r = write_all(target, copier->piece, (size_t)n, from);
		copier->evidence->bytes += (uint64_t)n;
		from += (uint64_t)n;
		step = from % PIECE_BYTES ? step : PIECE_BYTES;
	}
	return r;
}

static int copy_content(struct copier *copier, int source, int target, uint64_t size)
{
	off_t begin = 0, end;
	int r = 0;

	if (ioctl(target, FICLONE, source) == 0) {
		copier->evidence->bytes += size;
		return 0;
	}
	while (r == 0 && (uint64_t)begin < size) {
		begin = lseek(source, begin, SEEK_DATA);
		if (begin < 0 && errno == ENXIO)
			break; /* nothing but a hole is left */
		if (begin < 0)
			return copy_range(copier, source, target, 0, size);
		end = lseek(source, begin, SEEK_HOLE);
		if (end < 0)
			end = (off_t)size;
		r = copy_range(copier, source, target, (uint64_t)begin, (uint64_t)end);
		begin = end;
	}
	return r < 0 || ftruncate(target, (off_t)size) == 0 ? r : -errno;
}

static int open_source(int dirfd, const char *name)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = openat(dirfd, name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(dirfd, name, flags) : fd;
}

/* 0 copied or no plain file, -errno. */
static int copy_file(struct copier *copier, int from, int to, const char *name, ino_t *ret_ino)
{
	int source = open_source(from, name), target, r;
	struct stat st;
	uid_t uid;

	if (source < 0)
		return errno == ELOOP ? 0 : -errno;
	if (fstat(source, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(source);
		return 0;
	}
	target = openat(to, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (target < 0) {
		r = -errno;
		close(source);
		return r;
	}
	r = copy_content(copier, source, target, (uint64_t)st.st_size);
	/* Whose ring it was is known by its owner, where we may say so. */
	uid = st.st_uid;
	(void)!fchown(target, st.st_uid, st.st_gid);
	if (r == 0 && fstat(target, &st) == 0)
		*ret_ino = st.st_ino;
	copier->evidence->owners_lost |= st.st_uid != uid;
	close(target);
	close(source);
	return r;
}

static int note_taken(struct evidence *evidence, const char *name, ino_t ino)
{
	size_t cap = evidence->taken_cap ? evidence->taken_cap * 2 : 64;
	struct evidence_file *taken;

	if (evidence->taken_count == evidence->taken_cap) {
		taken = reallocarray(evidence->taken, cap, sizeof *taken);
		if (!taken)
			return -ENOMEM;
		evidence->taken = taken;
		evidence->taken_cap = cap;
	}
	evidence->taken[evidence->taken_count] = (struct evidence_file){strdup(name), ino};
	if (!evidence->taken[evidence->taken_count].name)
		return -ENOMEM;
	evidence->taken_count++;
	return 0;
}

static int copy_entries(struct copier *copier, DIR *dir, int to, const char *const *endings,
			bool note)
{
	struct dirent *entry;
	ino_t ino = 0;
	int r = 0;

	while (r == 0 && (entry = readdir(dir))) {
		const char *const *ending = endings;
		size_t len = strlen(entry->d_name);

		while (*ending && (len < strlen(*ending) ||
				   strcmp(entry->d_name + len - strlen(*ending), *ending) != 0))
			ending++;
		if (!*ending || entry->d_name[0] == '.')
			continue;
		r = copy_file(copier, dirfd(dir), to, entry->d_name, &ino);
		if (r == 0 && note)
			r = note_taken(copier->evidence, entry->d_name, ino);
		if (r < 0)
			return copy_failed(copier, entry->d_name, r);
	}
	return r;
}

static int copy_directory(struct copier *copier, const char *from, const char *to,
			  const char *const *endings, bool note)
{
	DIR *dir;
	int fd, r;

	if (!*from)
		return 0;
	fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return copy_failed(copier, to, -errno);
	dir = opendir(from);
	r = dir ? copy_entries(copier, dir, fd, endings, note)
		: copy_failed(copier, from, -errno);
	if (dir)
		(void)closedir(dir);
	close(fd);
	return r;
}

static int make(char path[PATH_MAX + 16], const char *work, const char *name)
{
	(void)snprintf(path, PATH_MAX + 16, "%s/%s", work, name);
	return mkdir(path, 0700) < 0 ? -errno : 0;
}

int evidence_copy(struct evidence *evidence, const char *work, const char *out,
		  const volatile sig_atomic_t *stop, char ret_reason[EVIDENCE_REASON_BYTES])
{
	static const char *const ring_endings[] = {".ring", ".ctl", NULL};
	static const char *const wal_endings[] = {".log", NULL};
	static const char *const archive_endings[] = {".otlp.json", ".partial", NULL};
	struct copier copier = {evidence, stop, ret_reason, malloc(PIECE_BYTES)};
	char ring[PATH_MAX + 16], state[PATH_MAX + 16], wal[PATH_MAX + 16];
	int r = copier.piece ? 0 : -ENOMEM;

	if (r == 0)
		r = make(ring, work, "ring");
	if (r == 0)
		r = make(state, work, "state");
	if (r == 0)
		r = make(wal, work, "state/wal");
	if (r < 0)
		(void)copy_failed(&copier, work, r);
	if (r == 0)
		r = copy_directory(&copier, evidence->ring_dir, ring, ring_endings, false);
	if (r == 0)
		r = copy_directory(&copier, evidence->wal_dir, wal, wal_endings, false);
	if (r == 0)
		r = copy_directory(&copier, evidence->archive_dir, out, archive_endings, true);
	free(copier.piece);
	return r;
}
