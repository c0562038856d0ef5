#include "sim_disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_BYTES (UINT64_C(1) << 30) /* of address space; pages come when touched */

uint64_t sim_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) ^ (b + UINT64_C(0xbf58476d1ce4e5b9));

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* ---- the list -------------------------------------------------------------- */

static uint8_t *change_add(struct sim_disk *disk, struct sim_change change)
{
	size_t bytes = (sizeof change + change.names + change.bytes + 7) & ~(size_t)7;
	uint8_t *at = disk->log + disk->len;

	assert(disk->len + bytes <= disk->cap);
	change.mono_ns = *disk->mono_ns;
	memset(at + bytes - 8, 0, 8);
	memcpy(at, &change, sizeof change);
	disk->len += bytes;
	disk->changes++;
	return at + sizeof change;
}

/* The name relative to the root. False: it lies elsewhere, as rings do. */
static bool relative(const struct sim_disk *disk, int dirfd, const char *name,
		     char ret_name[PATH_MAX])
{
	char link[64], at[PATH_MAX];
	size_t root = strlen(disk->root);
	ssize_t n = 0;

	if (name[0] == '/') {
		(void)snprintf(at, sizeof at, "%s", name);
	} else {
		(void)snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
		n = readlink(link, at, sizeof at - 1);
		if (n < 0)
			return false;
		(void)snprintf(at + n, sizeof at - (size_t)n, "/%s", name);
	}
	if (strncmp(at, disk->root, root) != 0 || at[root] != '/')
		return false;
	(void)snprintf(ret_name, PATH_MAX, "%s", at + root + 1);
	return true;
}

/* 0: not a file of this disk. */
static uint32_t object_of(const struct sim_disk *disk, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	for (uint32_t i = disk->objects; i > 0; i--)
		if (disk->inodes[i - 1] == st.st_ino)
			return i;
	return 0;
}

/* Numbers of inodes are used again, so a new name is a new object. */
static uint32_t object_new(struct sim_disk *disk, int fd)
{
	struct stat st;

	assert(disk->objects < SIM_OBJECTS_MAX);
	if (fstat(fd, &st) < 0)
		abort();
	disk->inodes[disk->objects++] = st.st_ino;
	return disk->objects;
}

static void named(struct sim_disk *disk, enum sim_change_kind kind, uint32_t object,
		  const char *name)
{
	uint32_t len = (uint32_t)strlen(name) + 1;

	memcpy(change_add(disk,
			  (struct sim_change){.kind = kind, .object = object, .names = len}),
	       name, len);
}

/* ---- what file_env.c tells --------------------------------------------------- */

static uint64_t counted_bytes; /* nftw() has no argument */

static int count_bytes(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)path;
	(void)walk;
	if (type == FTW_F)
		counted_bytes += (uint64_t)st->st_size;
	return 0;
}

static uint64_t used(const struct sim_disk *disk)
{
	counted_bytes = 0;
	(void)nftw(disk->root, count_bytes, 16, FTW_PHYS);
	return counted_bytes;
}

int sim_disk_opening(struct sim_disk *disk, int dirfd, const char *name, int flags)
{
	char path[PATH_MAX];

	disk->was_there = faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (!disk->budget || !(flags & O_CREAT) || disk->was_there ||
	    !relative(disk, dirfd, name, path))
		return 0;
	return used(disk) < disk->budget ? 0 : -ENOSPC;
}

void sim_disk_opened(struct sim_disk *disk, int dirfd, const char *name, int flags, int fd)
{
	char path[PATH_MAX];

	if (disk->was_there && (flags & O_TRUNC))
		sim_disk_sized(disk, fd);
	if ((flags & O_CREAT) && !disk->was_there && relative(disk, dirfd, name, path))
		named(disk, SIM_CREATE, object_new(disk, fd), path);
}

size_t sim_disk_room(struct sim_disk *disk, int fd, off_t offset, size_t len)
{
	uint64_t now, left;
	struct stat st;

	if (!disk->budget || !object_of(disk, fd) || fstat(fd, &st) < 0 ||
	    (uint64_t)offset + len <= (uint64_t)st.st_size)
		return len;
	now = used(disk);
	left = now < disk->budget ? disk->budget - now : 0;
	/* What lies inside the file takes nothing more. */
	if (offset < st.st_size)
		left += (uint64_t)(st.st_size - offset);
	return len < left ? len : (size_t)left;
}

void sim_disk_wrote(struct sim_disk *disk, int fd, const struct iovec *iov, int n, off_t offset,
		    size_t len)
{
	uint32_t object = object_of(disk, fd);
	uint8_t *to;

	if (!object)
		return;
	to = change_add(disk, (struct sim_change){.kind = SIM_WRITE,
						  .object = object,
						  .offset = (uint64_t)offset,
						  .bytes = (uint32_t)len});
	for (int i = 0; i < n && len > 0; i++) {
		size_t part = iov[i].iov_len < len ? iov[i].iov_len : len;

		memcpy(to, iov[i].iov_base, part);
		to += part;
		len -= part;
	}
}

void sim_disk_sized(struct sim_disk *disk, int fd)
{
	uint32_t object = object_of(disk, fd);
	struct stat st;

	if (!object || fstat(fd, &st) < 0)
		return;
	(void)change_add(disk, (struct sim_change){.kind = SIM_SIZE,
						   .object = object,
						   .offset = (uint64_t)st.st_size});
}

void sim_disk_renamed(struct sim_disk *disk, int olddir, const char *oldname, int newdir,
		      const char *newname)
{
	char from[PATH_MAX], to[PATH_MAX];
	uint32_t from_len, to_len;
	uint8_t *at;

	if (!relative(disk, olddir, oldname, from) || !relative(disk, newdir, newname, to))
		return;
	from_len = (uint32_t)strlen(from) + 1;
	to_len = (uint32_t)strlen(to) + 1;
	at = change_add(disk,
			(struct sim_change){.kind = SIM_RENAME, .names = from_len + to_len});
	memcpy(at, from, from_len);
	memcpy(at + from_len, to, to_len);
}

void sim_disk_unlinked(struct sim_disk *disk, int dirfd, const char *name)
{
	char path[PATH_MAX];

	if (relative(disk, dirfd, name, path))
		named(disk, SIM_UNLINK, 0, path);
}

void sim_disk_made(struct sim_disk *disk, int dirfd, const char *name)
{
	char path[PATH_MAX];

	if (relative(disk, dirfd, name, path))
		named(disk, SIM_MKDIR, 0, path);
}

static void names_synced(struct sim_disk *disk, int fd, uint64_t covers)
{
	char path[PATH_MAX];
	size_t len;

	if (!relative(disk, fd, ".", path))
		return;
	/* "wal/." is wal, "." is the root: "". */
	len = strlen(path);
	path[len >= 2 ? len - 2 : 0] = '\0';
	len = strlen(path) + 1;
	memcpy(change_add(disk, (struct sim_change){.kind = SIM_SYNC_NAMES,
						    .offset = covers,
						    .names = (uint32_t)len}),
	       path, len);
}

void sim_disk_synced(struct sim_disk *disk, int fd, bool ok, uint64_t covers)
{
	uint32_t object;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return;
	if (S_ISDIR(st.st_mode)) {
		if (ok)
			names_synced(disk, fd, covers);
		return;
	}
	object = object_of(disk, fd);
	if (object)
		(void)change_add(disk,
				 (struct sim_change){.kind = ok ? SIM_SYNC : SIM_SYNC_FAILED,
						     .object = object,
						     .offset = covers});
}

/* ---- life -------------------------------------------------------------------- */

struct sim_disk *sim_disk_new(const char *root, const uint64_t *mono_ns)
{
	struct sim_disk *disk = mmap(NULL, DISK_BYTES, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (disk == MAP_FAILED)
		abort();
	(void)snprintf(disk->root, sizeof disk->root, "%s", root);
	disk->mono_ns = mono_ns;
	disk->cap = DISK_BYTES - sizeof *disk;
	return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
	if (disk)
		munmap(disk, DISK_BYTES);
}

static void begin_file(struct sim_disk *disk, int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct iovec iov = {0};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		abort();
	disk->was_there = false;
	sim_disk_opened(disk, dirfd, name, O_CREAT, fd);
	if (st.st_size > 0) {
		iov = (struct iovec){malloc((size_t)st.st_size), (size_t)st.st_size};
		if (!iov.iov_base || pread(fd, iov.iov_base, iov.iov_len, 0) != st.st_size)
			abort();
		sim_disk_wrote(disk, fd, &iov, 1, 0, iov.iov_len);
		free(iov.iov_base);
	}
	sim_disk_synced(disk, fd, true, disk->changes);
	close(fd);
}

/* Takes the descriptor. */
static void begin_directory(struct sim_disk *disk, int dirfd)
{
	DIR *dir = fdopendir(dirfd);
	const struct dirent *entry;

	if (!dir)
		abort();
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			sim_disk_made(disk, dirfd, entry->d_name);
			begin_directory(disk, openat(dirfd, entry->d_name,
						     O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		} else if (S_ISREG(st.st_mode)) {
			begin_file(disk, dirfd, entry->d_name);
		}
	}
	sim_disk_synced(disk, dirfd, true, disk->changes);
	closedir(dir);
}

void sim_disk_begin(struct sim_disk *disk)
{
	disk->changes = 0;
	disk->len = 0;
	disk->objects = 0;
	begin_directory(disk, open(disk->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

uint64_t sim_disk_changes(const struct sim_disk *disk)
{
	return disk->changes;
}

uint64_t sim_disk_hash(const struct sim_disk *disk)
{
	uint64_t hash = disk->changes, word;

	for (size_t at = 0; at < disk->len; at += 8) {
		memcpy(&word, disk->log + at, 8);
		hash = sim_mix(hash, word);
	}
	return hash;
}
