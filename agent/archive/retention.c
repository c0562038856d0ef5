#include "archive/retention.h"

#include "archive/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

/* Of the index, looked at in one turn. */
#define LOOKS_MAX 64
/* Between two passes; sooner when something was sealed since. */
#define PASS_NS UINT64_C(60000000000)
#define PASS_SEALED_NS UINT64_C(5000000000)

static bool is_wanted(const struct retention_limits *limits)
{
	return limits->age_ns_max || limits->bytes_max || limits->free_bytes_min ||
	       limits->files_max;
}

void retention_fini(struct retention *retention)
{
	free(retention->files);
	retention->files = NULL;
	retention->count = retention->cap = 0;
	retention->collecting = retention->removing = false;
}

void retention_set(struct archive *archive, const struct retention_limits *limits)
{
	archive->retention.limits = *limits;
	archive->retention.due_ns = 0;
}

/* --- looking -------------------------------------------------------------- */

/* What stands there under the name is what was sealed, as far as its size says. -ENOENT:
 * there is nothing, or something else. */
static int look(struct archive *archive, const struct index_entry *entry,
		uint64_t *ret_written_ns)
{
	struct env *env = archive->env;
	struct stat st;
	int fd, r;

	fd = env->ops->open(env, archive->directory.fd, entry->name.text,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = env->ops->fstat(env, fd, &st);
	(void)env->ops->close(env, fd);
	if (r < 0)
		return r;
	/* Made again from the files, the index knows no sizes. */
	if (!S_ISREG(st.st_mode) || (entry->crc_known && entry->size != (uint64_t)st.st_size))
		return -ENOENT;
	*ret_written_ns =
		(uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

static int note(struct retention *retention, const struct retained *file)
{
	size_t cap = retention->cap ? retention->cap * 2 : 256;
	struct retained *at;

	if (retention->count == retention->cap) {
		at = reallocarray(retention->files, cap, sizeof(*at));
		if (!at)
			return -ENOMEM;
		retention->files = at;
		retention->cap = cap;
	}
	retention->files[retention->count++] = *file;
	retention->bytes += file->bytes;
	return 0;
}

static int note_entry(void *arg, const struct index_entry *entry)
{
	struct archive *archive = arg;
	struct retained file = {.place = entry->place, .bytes = entry->size};
	int r = look(archive, entry, &file.written_ns);

	/* Whatever keeps one from being looked at, it stays. */
	return r < 0 ? 0 : note(&archive->retention, &file);
}

static int oldest_first(const void *left, const void *right)
{
	const struct retained *a = left, *b = right;

	if (a->written_ns != b->written_ns)
		return a->written_ns < b->written_ns ? -1 : 1;
	return (a->place > b->place) - (a->place < b->place);
}

static void begin(struct archive *archive)
{
	struct retention *retention = &archive->retention;

	retention_fini(retention);
	retention->collecting = true;
	retention->slot = retention->bytes = retention->waiting = retention->next = 0;
	retention->seals = archive->counters.sealed;
}

static void end(struct archive *archive, uint64_t now_ns)
{
	retention_fini(&archive->retention);
	archive->counters.retire_waiting = archive->retention.waiting;
	archive->retention.due_ns = now_ns + PASS_NS;
}

static void collect(struct archive *archive, uint64_t now_ns)
{
	struct retention *retention = &archive->retention;
	int r = index_some(&archive->index, &retention->slot, LOOKS_MAX, note_entry, archive);

	if (r > 0)
		return;
	/* Without memory, or with a disk that cannot be read: the next pass. */
	if (r < 0 || retention->count == 0) {
		end(archive, now_ns);
		return;
	}
	qsort(retention->files, retention->count, sizeof(*retention->files), oldest_first);
	retention->left = retention->count;
	retention->collecting = false;
	retention->removing = true;
}

/* --- removing --------------------------------------------------------------- */

/* Why the oldest file has to go; NULL: it may stay, and with it all younger ones. */
static const char *why(struct archive *archive, const struct retained *file)
{
	const struct retention *retention = &archive->retention;
	const struct retention_limits *limits = &retention->limits;
	uint64_t wall_ns = archive->env->ops->wall_ns(archive->env);
	uint64_t left, total;

	if (limits->age_ns_max && wall_ns > file->written_ns &&
	    wall_ns - file->written_ns > limits->age_ns_max)
		return "max_age";
	if (limits->files_max && retention->left > limits->files_max)
		return "max_files";
	if (limits->bytes_max && retention->bytes > limits->bytes_max)
		return "max_size";
	if (limits->free_bytes_min &&
	    archive->env->ops->space(archive->env, archive->directory.fd, &left, &total) >= 0 &&
	    left < limits->free_bytes_min)
		return "min_free";
	return NULL;
}

/* Of some files of earlier lives nobody knows up to which span they go (nor what a number
 * of another log means): further than that life's log they do not. */
static bool is_sent(struct archive *archive, const struct index_entry *entry)
{
	bool known = entry->number_known && entry->number <= archive->pushed;
	uint64_t number = known ? entry->number : archive->retention_number;

	return !archive->ops.sent || archive->ops.sent(archive->ops.arg) >= number;
}

static bool is_busy(struct archive *archive, const struct index_entry *entry)
{
	char spool[NAME_FULL_BYTES];

	if (run_find(archive, entry->trace_id))
		return true;
	if (archive->ops.awaited && archive->ops.awaited(archive->ops.arg, entry->trace_id))
		return true;
	name_spool(spool, &entry->name);
	return archive_dir_has(&archive->directory, spool) != 0;
}

static void say_failed(struct archive *archive, const struct name *name, int error)
{
	archive->counters.retire_failures++;
	if (!archive->retention.failed)
		archive_say(archive, LOG_WARNING,
			    "cannot remove %s/%s, which archive.retention says is to go: %s; "
			    "trying again each minute: %s",
			    archive->options.dir, name->text, strerror(-error),
			    condition_remedy(error));
	archive->retention.failed = true;
}

/* 1: gone. 0: it stays. -errno. */
static int retire(struct archive *archive, const struct retained *file, const char *reason)
{
	struct env *env = archive->env;
	struct index_entry entry;
	uint64_t written_ns;
	int r;

	/* Sealed again since, or another one's by now. */
	if (index_at(&archive->index, file->place, &entry) <= 0 ||
	    look(archive, &entry, &written_ns) < 0 || written_ns != file->written_ns)
		return 0;
	if (is_busy(archive, &entry) || !is_sent(archive, &entry)) {
		archive->retention.waiting++;
		return 0;
	}
	r = env->ops->unlink(env, archive->directory.fd, entry.name.text, 0);
	if (r < 0) {
		say_failed(archive, &entry.name, r);
		return r;
	}
	archive->retention.failed = false;
	archive->counters.retired++;
	archive->counters.retired_bytes += file->bytes;
	archive_say(archive, LOG_NOTICE, "removed %s/%s: archive.retention.%s",
		    archive->options.dir, entry.name.text, reason);
	entry.removed = true;
	/* A line that cannot be written leaves one that leads nowhere. */
	(void)index_put(&archive->index, &entry);
	return 1;
}

/* The oldest one that may go. Those that may not are passed over: they count all the same. */
static int remove_one(struct archive *archive, uint64_t now_ns)
{
	struct retention *retention = &archive->retention;

	for (unsigned looks = 0; looks < LOOKS_MAX; looks++) {
		const struct retained *file = &retention->files[retention->next];
		const char *reason;
		int r = 0;

		reason = retention->next < retention->count ? why(archive, file) : NULL;
		if (reason)
			r = retire(archive, file, reason);
		if (!reason || r < 0) {
			end(archive, now_ns);
			return 0;
		}
		retention->next++;
		if (r > 0) {
			retention->left--;
			retention->bytes -= file->bytes;
			return 1;
		}
	}
	return 1;
}

int retention_step(struct archive *archive, uint64_t now_ns)
{
	struct retention *retention = &archive->retention;

	if (!archive->scanned || !is_wanted(&retention->limits))
		return 0;
	if (retention->removing)
		return remove_one(archive, now_ns);
	if (retention->collecting) {
		collect(archive, now_ns);
		return 1;
	}
	if (now_ns < retention_next_due(archive, now_ns))
		return 0;
	begin(archive);
	return 1;
}

uint64_t retention_next_due(const struct archive *archive, uint64_t now_ns)
{
	const struct retention *retention = &archive->retention;

	if (!is_wanted(&retention->limits))
		return UINT64_MAX;
	if (retention->collecting || retention->removing)
		return now_ns;
	if (archive->counters.sealed != retention->seals &&
	    retention->due_ns > PASS_NS - PASS_SEALED_NS)
		return retention->due_ns - (PASS_NS - PASS_SEALED_NS);
	return retention->due_ns;
}
