/* Directories: are they there, whose are they, is there room. */
#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "doctor.h"

#define MIB (UINT64_C(1) << 20)
#define RING_ROOM_BYTES (128 * MIB)
#define DISK_ROOM_BYTES (256 * MIB)
#define ROOM_FILES 1000

struct room {
	uint64_t bytes, bytes_total, files, files_total;
	bool read_only;
};

static bool look_for_room(const char *path, struct room *ret_room)
{
	struct statvfs vfs;

	if (statvfs(path, &vfs) < 0)
		return false;
	*ret_room = (struct room){
		.bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize,
		.bytes_total = (uint64_t)vfs.f_blocks * vfs.f_frsize,
		.files = vfs.f_favail,
		.files_total = vfs.f_files,
		.read_only = vfs.f_flag & ST_RDONLY,
	};
	return true;
}

static void say_room(struct doctor *doctor, const char *check, const char *path,
		     uint64_t enough, const char *fix)
{
	struct room room;
	bool few_files, little;

	if (!look_for_room(path, &room))
		return;
	/* File systems without a table of files say 0 of 0. */
	few_files = room.files_total && room.files < ROOM_FILES;
	little = room.bytes < enough;
	if (room.read_only)
		doctor_say(doctor, DOCTOR_FAIL, check,
			   "It is mounted read-only; remount it, or name another directory.",
			   "%s", path);
	else if (few_files)
		doctor_say(doctor, room.files ? DOCTOR_WARN : DOCTOR_FAIL, check,
			   "Remove files, or make the file system with more inodes "
			   "(nr_inodes= of a tmpfs).",
			   "room for %" PRIu64 " more files", room.files);
	else
		doctor_say(doctor,
			   !little	? DOCTOR_OK
			   : room.bytes ? DOCTOR_WARN
					: DOCTOR_FAIL,
			   check, little ? fix : NULL, "%" PRIu64 " MiB free of %" PRIu64,
			   room.bytes / MIB, room.bytes_total / MIB);
}

/* ---- the ring directory ------------------------------------------------------------- */

static void look_at_kind(struct doctor *doctor)
{
	struct statfs fs;

	if (statfs(doctor->ring_dir, &fs) < 0)
		return;
	if ((unsigned long)fs.f_type == TMPFS_MAGIC)
		doctor_say(doctor, DOCTOR_OK, "file system", NULL, "tmpfs");
	else
		doctor_say(
			doctor, DOCTOR_WARN, "file system",
			"Rings belong into memory: mount a tmpfs there (size=512m,mode=3733), "
			"or set SPANRING_DIR to a directory below /run or /dev/shm.",
			"not a tmpfs: slow, and programs of other users refuse it");
}

/* As the agent judges: whoever may rename in it may put another ring in place. */
static void look_at_owner(struct doctor *doctor, const struct stat *st)
{
	bool others = (st->st_mode & 022) && !(st->st_mode & S_ISVTX);

	if (others)
		doctor_say(
			doctor, DOCTOR_FAIL, "owner and mode",
			"Others may rename what is in it: chmod 0700, or 3733 to serve every "
			"user.",
			"%04o, uid %u", st->st_mode & 07777, st->st_uid);
	else
		doctor_say(doctor, DOCTOR_OK, "owner and mode", NULL, "%04o, uid %u",
			   st->st_mode & 07777, st->st_uid);
}

static void look_at_access(struct doctor *doctor, const struct stat *st)
{
	if (access(doctor->ring_dir, W_OK | X_OK) == 0)
		doctor_say(doctor, DOCTOR_OK, "writable by you", NULL, "uid %u, yes",
			   geteuid());
	else
		doctor_say(
			doctor, DOCTOR_FAIL, "writable by you",
			st->st_mode & 02
				? "Look at the directories above it: each must let this user "
				  "through (x)."
				: "Run this as the directory's owner, or chmod it 3733 so that "
				  "every user's programs are traced.",
			"uid %u, no: %s", geteuid(), strerror(errno));
}

void doctor_ring_dir(struct doctor *doctor)
{
	struct stat st;

	if (!*doctor->ring_dir) {
		doctor_say(
			doctor, DOCTOR_FAIL, "directory",
			"Start spanringd, which makes one; or set SPANRING_DIR.",
			"none of SPANRING_DIR, /run/spanring/ring, $XDG_RUNTIME_DIR/spanring, "
			"/dev/shm/spanring-%u is there",
			geteuid());
		return;
	}
	if (stat(doctor->ring_dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		doctor_say(doctor, DOCTOR_FAIL, "directory",
			   "Start spanringd with it as --ring-dir, which makes it.", "%s: %s",
			   doctor->ring_dir,
			   errno == ENOENT ? "is not there" : "is no directory");
		return;
	}
	doctor_say(doctor, DOCTOR_OK, "directory", NULL, "%s", doctor->ring_dir);
	look_at_kind(doctor);
	look_at_owner(doctor, &st);
	look_at_access(doctor, &st);
	say_room(doctor, "room for rings", doctor->ring_dir, RING_ROOM_BYTES,
		 "A ring takes up to 64 MiB; make the mount larger (mount -o remount,size=...) "
		 "or set SPANRING_RING_MAX. Programs whose ring finds no room refuse spans.");
}

/* ---- the agent's ---------------------------------------------------------------------- */

void doctor_agent_dirs(struct doctor *doctor)
{
	json_t *agent = json_object_get(doctor->status, "agent");
	const char *state = json_string_value(json_object_get(agent, "state_dir"));
	const char *archive = json_string_value(json_object_get(agent, "archive_dir"));

	if (state && *state)
		say_room(doctor, "room for the log", state, DISK_ROOM_BYTES,
			 "The log takes at most half of what is free; free some space or move "
			 "it with --state-dir.");
	if (archive && *archive)
		say_room(doctor, "room for archives", archive, DISK_ROOM_BYTES,
			 "Free some space, or move new archives with --archive-dir; runs wait "
			 "in "
			 "the log meanwhile.");
	else if (archive)
		doctor_say(doctor, DOCTOR_WARN, "archive",
			   "Nothing is kept as a file; set archive.enabled to true.", "off");
}
