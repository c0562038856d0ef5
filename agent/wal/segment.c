#include "wal/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "wal/frame.h"

#define COPY_BYTES (256u << 10)

_Static_assert(WAL_HEADER_COPY_OFFSET >= sizeof(struct wal_segment_header) &&
		       WAL_HEADER_COPY_OFFSET + sizeof(struct wal_segment_header) <=
			       WAL_FRAMES_OFFSET,
	       "both copies fit in front of the frames");

void segment_name(uint64_t number, char ret_name[SEGMENT_NAME_BYTES])
{
	(void)snprintf(ret_name, SEGMENT_NAME_BYTES, "wal-%016" PRIx64 ".log", number);
}

bool segment_name_parse(const char *name, const char *suffix, uint64_t *ret_number)
{
	char canonical[SEGMENT_NAME_BYTES];
	uint64_t number;
	size_t len;

	if (strncmp(name, "wal-", 4) != 0)
		return false;
	number = strtoull(name + 4, NULL, 16);
	segment_name(number, canonical);
	len = strlen(canonical);
	if (number == 0 || strncmp(name, canonical, len) != 0 ||
	    strcmp(name + len, suffix) != 0)
		return false;
	*ret_number = number;
	return true;
}

struct wal_segment *segment_new(uint64_t number)
{
	struct wal_segment *segment = calloc(1, sizeof *segment);

	if (!segment)
		return NULL;
	segment->number = number;
	segment->fd = segment->fresh_fd = -1;
	segment->readable = true;
	segment->frames_offset = WAL_FRAMES_OFFSET;
	buf_init(&segment->pending);
	return segment;
}

void segment_free(struct wal_segment *segment, struct env *env)
{
	if (segment->fd >= 0)
		(void)env->ops->close(env, segment->fd); /* nothing to do about it here */
	if (segment->fresh_fd >= 0)
		(void)env->ops->close(env, segment->fresh_fd); /* swept at the next start */
	buf_fini(&segment->pending);
	free(segment);
}

int segment_put_header(struct wal_segment *segment, uint64_t salt)
{
	struct wal_segment_header header = {
		.magic = WAL_MAGIC,
		.header_bytes = WAL_FRAMES_OFFSET,
		.version = WAL_VERSION,
		.number = segment->number,
		.salt = salt,
		.first_sequence = segment->first_sequence,
		.first_span_number = segment->first_span_number,
	};
	uint8_t *at;
	int r;

	r = buf_reserve(&segment->pending, WAL_FRAMES_OFFSET);
	if (r < 0)
		return r;
	header.crc = crc32c(0, &header, offsetof(struct wal_segment_header, crc));
	at = segment->pending.at + segment->pending.len;
	memset(at, 0, WAL_FRAMES_OFFSET);
	memcpy(at, &header, sizeof header);
	memcpy(at + WAL_HEADER_COPY_OFFSET, &header, sizeof header);
	segment->pending.len += WAL_FRAMES_OFFSET;
	segment->seed = frame_seed(salt);
	return 0;
}

static bool copy_checks(const uint8_t *at, size_t len, size_t offset, uint64_t number,
			struct wal_segment_header *ret_header)
{
	struct wal_segment_header header;

	if (offset + sizeof header > len)
		return false;
	memcpy(&header, at + offset, sizeof header);
	if (header.magic != WAL_MAGIC || header.number != number ||
	    header.crc != crc32c(0, &header, offsetof(struct wal_segment_header, crc)))
		return false;
	*ret_header = header;
	return true;
}

int segment_check_header(const uint8_t *at, size_t len, uint64_t number,
			 struct wal_segment_header *ret_header, bool *ret_damaged)
{
	struct wal_segment_header header, copy;
	bool first, second;

	first = copy_checks(at, len, 0, number, &header);
	second = copy_checks(at, len, WAL_HEADER_COPY_OFFSET, number, &copy);
	if (!first && !second)
		return -EBADMSG;
	if (!first)
		header = copy;
	if (header.version != WAL_VERSION || header.incompat != 0 ||
	    header.header_bytes < sizeof header || header.header_bytes % 8 != 0)
		return -EPROTO;
	*ret_header = header;
	*ret_damaged = !first || !second;
	return 0;
}

static bool preallocation_unsupported(int r)
{
	return r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL;
}

int segment_create(struct wal_segment *segment, struct env *env, int dirfd)
{
	char name[SEGMENT_NAME_BYTES];
	int fd, r;

	/* The number is above every name in a directory that is locked: what
	 * stands there can only be our own creation that failed half-way. */
	segment_name(segment->number, name);
	fd = env->ops->open(env, dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = env->ops->fallocate(env, fd, 0, (off_t)segment->capacity);
	if (r < 0 && !preallocation_unsupported(r))
		goto undo;
	segment->disk_bytes = r < 0 ? 0 : segment->capacity;
	segment->fd = fd;
	segment->created = true;
	return 0;

undo:
	(void)env->ops->close(env, fd);
	(void)env->ops->unlink(env, dirfd, name, 0); /* the next try truncates it anyway */
	return r;
}

int segment_write(struct env *env, int fd, const void *at, size_t len, uint64_t offset)
{
	const uint8_t *from = at;
	struct iovec iov;
	ssize_t n;

	while (len > 0) {
		iov = (struct iovec){(void *)(uintptr_t)from, len};
		n = env->ops->pwritev(env, fd, &iov, 1, (off_t)offset);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		from += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

ssize_t segment_read(struct env *env, int fd, void *at, size_t len, uint64_t offset)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = env->ops->pread(env, fd, (uint8_t *)at + done, len - done,
				    (off_t)(offset + done));
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int segment_copy(struct env *env, int from, int to, uint64_t len)
{
	uint8_t *piece = malloc(COPY_BYTES);
	uint64_t offset = 0;
	ssize_t n;
	int r = 0;

	if (!piece)
		return -ENOMEM;
	while (r == 0 && offset < len) {
		n = segment_read(env, from, piece,
				 len - offset < COPY_BYTES ? (size_t)(len - offset)
							   : COPY_BYTES,
				 offset);
		if (n <= 0) {
			r = n < 0 ? (int)n : -EIO;
			break;
		}
		r = segment_write(env, to, piece, (size_t)n, offset);
		offset += (uint64_t)n;
	}
	free(piece);
	return r;
}
