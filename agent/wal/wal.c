/* The log's life: its directory, its lock, its list of segments. */
#include "wal/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/directory.h"
#include "wal/internal.h"

#define LOCK_NAME "lock"
#define SEGMENT_BYTES_SMALL (UINT32_C(1) << 20)

void wal_log(const struct wal *wal, int priority, const char *format, ...)
{
	char line[512];
	va_list args;

	if (!wal->options.log)
		return;
	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	wal->options.log(wal->options.log_arg, priority, line);
}

int wal_list_append(struct wal *wal, struct wal_segment *segment)
{
	uint32_t cap = wal->segment_cap ? wal->segment_cap * 2 : 16;
	struct wal_segment **segments;

	if (wal->segment_count == wal->segment_cap) {
		segments = realloc(wal->segments, cap * sizeof *segments);
		if (!segments)
			return -ENOMEM;
		wal->segments = segments;
		wal->segment_cap = cap;
	}
	wal->segments[wal->segment_count++] = segment;
	return 0;
}

struct wal_segment *wal_list_find(const struct wal *wal, uint64_t number)
{
	uint32_t low = 0, high = wal->segment_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (wal->segments[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == wal->segment_count || wal->segments[low]->number != number)
		return NULL;
	return wal->segments[low];
}

uint32_t wal_list_first_open(const struct wal *wal)
{
	uint32_t i = wal->segment_count;

	while (i > 0 && (wal->segments[i - 1]->fd >= 0 || !wal->segments[i - 1]->created))
		i--;
	return i;
}

static int open_directory(struct wal *wal)
{
	int fd, made;

	made = directory_make(wal->env, wal->options.dir, 0700);
	fd = wal->env->ops->open(wal->env, AT_FDCWD, wal->options.dir, O_RDONLY | O_DIRECTORY,
				 0);
	if (fd < 0)
		return made < 0 ? made : fd;
	wal->dir_fd = fd;
	return 0;
}

/* Who has the lock stands in the file, by his own word: the kernel does not tell. */
static uint32_t lock_holder(const struct wal *wal)
{
	char text[16] = "";
	ssize_t n;

	n = wal->env->ops->pread(wal->env, wal->lock_fd, text, sizeof text - 1, 0);
	return n > 0 ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static void lock_sign(const struct wal *wal)
{
	char text[16];
	struct iovec iov = {.iov_base = text};

	/* Always as long, so that nothing of a longer one is left. */
	iov.iov_len =
		(size_t)snprintf(text, sizeof text, "%-10u\n", wal->env->ops->pid(wal->env));
	/* Nobody but a person needs it. */
	(void)wal->env->ops->pwritev(wal->env, wal->lock_fd, &iov, 1, 0);
}

/* An open-file lock belongs to this descriptor alone, so nothing else in the
 * process can lose it by opening and closing the file. */
static int lock_directory(struct wal *wal)
{
	int fd, r;

	fd = wal->env->ops->open(wal->env, wal->dir_fd, LOCK_NAME,
				 O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	wal->lock_fd = fd;
	r = wal->env->ops->lock(wal->env, fd);
	if (r == -EBUSY)
		wal_log(wal, LOG_ERR, "another agent is using %s: process %u", wal->options.dir,
			lock_holder(wal));
	if (r == 0)
		lock_sign(wal);
	return r;
}

int wal_directory_renew(struct wal *wal)
{
	int dir_fd = wal->dir_fd, lock_fd = wal->lock_fd, r;

	r = open_directory(wal);
	if (r < 0)
		return r;
	r = lock_directory(wal);
	if (r < 0) {
		(void)wal->env->ops->close(wal->env, wal->dir_fd);
		if (wal->lock_fd != lock_fd)
			(void)wal->env->ops->close(wal->env, wal->lock_fd);
		wal->dir_fd = dir_fd;
		wal->lock_fd = lock_fd;
		return r;
	}
	(void)wal->env->ops->close(wal->env, dir_fd);
	(void)wal->env->ops->close(wal->env, lock_fd);
	wal->directory_dirty = true;
	wal_log(wal, LOG_ERR,
		"somebody removed %s; made it again, what was in closed segments is lost",
		wal->options.dir);
	return 0;
}

/* A small log has small segments, or it could never be cleaned by halves. */
static uint32_t segment_bytes_for(uint64_t max_bytes)
{
	uint64_t bytes = max_bytes / 8;

	if (bytes > WAL_SEGMENT_BYTES)
		return WAL_SEGMENT_BYTES;
	return bytes < SEGMENT_BYTES_SMALL ? SEGMENT_BYTES_SMALL : (uint32_t)bytes;
}

static void options_complete(struct wal_options *options)
{
	if (!options->memory_bytes_max)
		options->memory_bytes_max = WAL_MEMORY_BYTES_DEFAULT;
	if (options->segment_bytes && options->segment_bytes < WAL_SEGMENT_BYTES_MIN)
		options->segment_bytes = WAL_SEGMENT_BYTES_MIN;
}

void wal_set_limits(struct wal *wal)
{
	uint64_t left, total;

	wal->max_bytes = wal->options.max_bytes ? wal->options.max_bytes : UINT64_MAX / 4;
	wal->disk_bytes = UINT64_MAX / 4;
	/* The other half is for whoever shares the disk with us. */
	if (wal->env->ops->space(wal->env, wal->dir_fd, &left, &total) == 0)
		wal->disk_bytes = (left + wal_bytes(wal)) / 2;
	if (wal->max_bytes > wal->disk_bytes) {
		wal->max_bytes = wal->disk_bytes;
		if (wal->options.max_bytes)
			wal_log(wal, LOG_NOTICE,
				"the disk of %s is small: the log takes %llu MiB at most",
				wal->options.dir, (unsigned long long)(wal->max_bytes >> 20));
	}
	if (!wal->options.segment_bytes)
		wal->options.segment_bytes = segment_bytes_for(wal->max_bytes);
}

int wal_new(struct wal **ret_wal, struct env *env, const struct wal_options *options)
{
	struct wal *wal = calloc(1, sizeof *wal);
	int r;

	if (!wal)
		return -ENOMEM;
	wal->env = env;
	wal->options = *options;
	options_complete(&wal->options);
	wal->dir_fd = wal->lock_fd = -1;
	wal->next_segment = wal->next_sequence = wal->next_span_number = 1;
	scopes_init(&wal->scopes);
	frame_cursor_init(&wal->load_cursor, env);
	wal->options.dir = strdup(options->dir);
	if (!wal->options.dir) {
		wal_free(wal);
		return -ENOMEM;
	}
	r = open_directory(wal);
	if (r == 0)
		r = lock_directory(wal);
	if (r < 0) {
		wal_free(wal);
		return r;
	}
	*ret_wal = wal;
	return 0;
}

void wal_free(struct wal *wal)
{
	uint32_t i;

	if (!wal)
		return;
	if (wal->sync.flying)
		wal->env->ops->cancel(wal->env, wal);
	for (i = 0; i < wal->segment_count; i++)
		segment_free(wal->segments[i], wal->env);
	free(wal->segments);
	if (wal->load_cursor.fd >= 0)
		(void)wal->env->ops->close(wal->env, wal->load_cursor.fd); /* read-only */
	frame_cursor_fini(&wal->load_cursor);
	scopes_fini(&wal->scopes);
	if (wal->lock_fd >= 0)
		(void)wal->env->ops->close(wal->env, wal->lock_fd); /* the lock goes with it */
	if (wal->dir_fd >= 0)
		(void)wal->env->ops->close(wal->env, wal->dir_fd); /* read-only */
	free((char *)(uintptr_t)wal->options.dir);
	free(wal);
}

int wal_tick(struct wal *wal, uint64_t now_ns)
{
	int work;

	work = wal_sync_tick(wal, now_ns);
	return work + wal_delete_released(wal);
}

uint64_t wal_logged_sequence(const struct wal *wal)
{
	return wal->logged_sequence;
}

uint64_t wal_unsynced_since_ns(const struct wal *wal)
{
	return wal->unsynced_since_ns;
}

uint64_t wal_synced_ns(const struct wal *wal)
{
	return wal->synced_ns;
}

uint64_t wal_synced_sequence(const struct wal *wal)
{
	return wal->synced_sequence;
}

void wal_set_open_bytes(struct wal *wal, uint64_t bytes)
{
	wal->open_bytes = bytes;
}

uint64_t wal_max_bytes(const struct wal *wal)
{
	return wal->max_bytes;
}

void wal_numbers_behind(struct wal *wal, uint64_t number)
{
	if (wal->next_span_number <= number)
		wal->next_span_number = number + 1;
	if (wal->last_span_number < number)
		wal->last_span_number = number;
}

uint64_t wal_last_span_number(const struct wal *wal)
{
	return wal->last_span_number;
}

const struct wal_counters *wal_counters(const struct wal *wal)
{
	return &wal->counters;
}
