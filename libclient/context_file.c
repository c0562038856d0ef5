#include "cancel.h"
#include "carrier.h"
#include "context.h"
#include "environment.h"
#include "ids.h"
#include "w3c.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h> /* rename() alone */
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH "trace.context"

/* A carrier is a hundred bytes; what is above this is something else. It is
 * read onto the stack, of which a thread under musl has 128 KiB. */
#define FILE_BYTES_MAX 16384u

/* ".<12 hex digits>", behind the file's own name. */
#define TEMPORARY_SUFFIX_LENGTH 13u

static const char *path_or_default(const char *path)
{
	if (!path)
		path = environment_get("SPANRING_CONTEXT_FILE");
	return path ? path : DEFAULT_PATH;
}

/* ---- reading ------------------------------------------------------------- */

/* Reads up to `size` bytes. Returns how many there were or -errno. */
static ssize_t read_all(int fd, char *ret_text, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, ret_text + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

static int read_context(int fd, struct spanring_context *ret_context)
{
	char text[FILE_BYTES_MAX + 1];
	struct stat st;
	ssize_t length;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	length = read_all(fd, text, sizeof text);
	if (length < 0)
		return (int)length;
	if ((size_t)length > FILE_BYTES_MAX)
		return -EBADMSG;
	return carrier_parse(text, (size_t)length, ret_context);
}

/* Neither waits for a FIFO's writer nor follows a link somebody left there. */
static int file_read(const char *path, struct spanring_context *ret_context)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), r;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	r = read_context(fd, ret_context);
	(void)close(fd); /* only read from: nothing can be lost */
	return r;
}

int spanring_context_from_file(const char *path, struct spanring_context *ret_context)
{
	int error = errno, cancel_state = cancel_hold(), r;

	r = file_read(path_or_default(path), ret_context);
	cancel_release(cancel_state);
	errno = error;
	return r;
}

/* ---- writing ------------------------------------------------------------- */

static int write_all(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t written = write(fd, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		length -= (size_t)written;
	}
	return 0;
}

/* A write beyond RLIMIT_FSIZE would raise SIGXFSZ in the module. */
static bool file_size_allowed(size_t length)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
	       length <= limit.rlim_cur;
}

static int make_temporary_path(const char *path, char ret_path[PATH_MAX])
{
	size_t length = strlen(path);
	uint8_t random[6];

	if (length == 0)
		return -ENOENT;
	if (length + TEMPORARY_SUFFIX_LENGTH >= PATH_MAX)
		return -ENAMETOOLONG;
	ids_random(random, sizeof random);
	memcpy(ret_path, path, length);
	ret_path[length] = '.';
	w3c_hex(random, sizeof random, ret_path + length + 1);
	ret_path[length + TEMPORARY_SUFFIX_LENGTH] = '\0';
	return 0;
}

/* No fsync: what the file is for, a run in progress, does not outlive the
 * power, and a damaged file is taken as none. */
static int file_replace(const char *path, const char *text, size_t length)
{
	char temporary[PATH_MAX];
	int fd, r;

	r = make_temporary_path(path, temporary);
	if (r < 0)
		return r;
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, length);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary); /* the first error is the one to tell */
	return r;
}

int spanring_context_to_file(const struct spanring_context *context, const char *path)
{
	char text[CARRIER_LENGTH_MAX];
	int error = errno, r, cancel_state;

	r = carrier_format(context, text);
	if (r < 0)
		return r;
	cancel_state = cancel_hold();
	if (file_size_allowed((size_t)r))
		r = file_replace(path_or_default(path), text, (size_t)r);
	else
		r = -EFBIG;
	cancel_release(cancel_state);
	errno = error;
	return r;
}
