/* What a disk would still know after the power was cut.
 *
 * The files of a simulation are real ones below `root`. This writes down, in
 * order, everything that changes them (file_env.c tells it) and every sync that
 * was answered. A CUT takes the first so many changes and makes the directory
 * that a machine might find after a power loss at that moment:
 *
 *   synced      what a file's sync covered is there, and so are the names of a
 *               directory that was synced
 *   not synced  each sector of 512 bytes holds any of the versions it had since
 *               the last sync; a size may have grown without its bytes (zeros)
 *               or not at all; names appear in the order they were made, up to
 *               some point: of the whole disk, or of each directory by itself
 *   sync failed what was written before it is marked clean by the kernel though
 *               the disk has not got it: later syncs do not bring it there
 *
 * Which of these it is comes from a seed: nothing of it, all of it, a moment in
 * between with one torn write, or every sector by itself.
 *
 * The list lies in memory that forked processes share, so it outlives the
 * process whose death is simulated. One process at a time uses it. */
#ifndef SUPPORT_SIM_DISK_H
#define SUPPORT_SIM_DISK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define SIM_SECTOR_BYTES 512u
#define SIM_OBJECTS_MAX 65536

enum sim_change_kind {
	SIM_CREATE = 1, /* a name, and the file behind it */
	SIM_MKDIR,
	SIM_RENAME,
	SIM_UNLINK,
	SIM_WRITE,
	SIM_SIZE,
	SIM_SYNC, /* of a file */
	SIM_SYNC_FAILED,
	SIM_SYNC_NAMES, /* of a directory */
};

/* Followed by the names (relative to the root, each with its zero), then by
 * the bytes written; padded to 8. */
struct sim_change {
	uint32_t kind;
	uint32_t object;
	uint64_t offset; /* WRITE; of the others: the new size, or what a sync covers */
	uint64_t mono_ns;
	uint32_t names;
	uint32_t bytes;
};

struct sim_disk {
	char root[1024];
	const uint64_t *mono_ns;
	uint64_t budget; /* bytes all files may take; 0: no limit */
	uint64_t changes;
	size_t len, cap;
	bool was_there; /* the name that is being opened */
	uint32_t objects;
	uint64_t inodes[SIM_OBJECTS_MAX]; /* by object */
	uint8_t log[];
};

/* `mono_ns` is read for every change. Aborts without memory. */
struct sim_disk *sim_disk_new(const char *root, const uint64_t *mono_ns);
void sim_disk_free(struct sim_disk *disk);
/* Begins anew: everything there is now is durable. */
void sim_disk_begin(struct sim_disk *disk);
uint64_t sim_disk_changes(const struct sim_disk *disk);
/* A hash of every change so far. */
uint64_t sim_disk_hash(const struct sim_disk *disk);

/* ---- file_env.c's part ------------------------------------------------------ */

/* Before an open. -ENOSPC: no byte is left for a new name. */
int sim_disk_opening(struct sim_disk *disk, int dirfd, const char *name, int flags);
void sim_disk_opened(struct sim_disk *disk, int dirfd, const char *name, int flags, int fd);
/* How many of `len` bytes at `offset` the budget allows. */
size_t sim_disk_room(struct sim_disk *disk, int fd, off_t offset, size_t len);
void sim_disk_wrote(struct sim_disk *disk, int fd, const struct iovec *iov, int n, off_t offset,
		    size_t len);
void sim_disk_sized(struct sim_disk *disk, int fd);
void sim_disk_renamed(struct sim_disk *disk, int olddir, const char *oldname, int newdir,
		      const char *newname);
void sim_disk_unlinked(struct sim_disk *disk, int dirfd, const char *name);
void sim_disk_made(struct sim_disk *disk, int dirfd, const char *name);
/* A sync was answered that began after `covers` changes. */
void sim_disk_synced(struct sim_disk *disk, int fd, bool ok, uint64_t covers);

/* ---- cuts (sim_cut.c) -------------------------------------------------------- */

struct sim_cut; /* opaque, heap of sim_cut_new()'s caller */

struct sim_cut *sim_cut_new(const struct sim_disk *disk);
void sim_cut_free(struct sim_cut *cut);
/* Goes on to the moment after `changes` changes; never back. False: there are
 * not so many. *ret_mono_ns: when the last of them was. */
bool sim_cut_advance(struct sim_cut *cut, uint64_t changes, uint64_t *ret_mono_ns);
/* Makes what is found into the empty directory `to`. */
void sim_cut_make(const struct sim_cut *cut, uint64_t seed, const char *to);

/* A number from numbers. */
uint64_t sim_mix(uint64_t a, uint64_t b);

#endif
