#include "ring_file.h"

#include "quiet.h"
#include "w3c.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* ---- size ------------------------------------------------------------------ */

/* A file beyond RLIMIT_FSIZE raises SIGXFSZ. */
static int sized(int fd, bool allocate, uint64_t size)
{
	struct quiet quiet;
	int r;

	quiet_begin(&quiet, SIGXFSZ);
	r = ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
	if (r == 0 && allocate)
		r = fallocate(fd, 0, 0, (off_t)size) < 0 ? -errno : 0;
	quiet_end(&quiet, r < 0);
	return r;
}

static uint64_t clamp(uint64_t size, uint64_t limit)
{
	if (size > limit)
		size = limit;
	if (size < WIRE_RING_BYTES_MIN)
		size = WIRE_RING_BYTES_MIN;
	return size & ~(uint64_t)(WIRE_ALIGN_BYTES - 1);
}

/* Half of a small mount at most: others want to record, too. */
static uint64_t fitting_size(int fd, uint64_t size)
{
	struct rlimit limit;
	struct statfs fs;

	size = clamp(size, WIRE_RING_BYTES_MAX);
	if (fstatfs(fd, &fs) == 0 && fs.f_blocks != 0)
		size = clamp(size, (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize / 2);
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		size = clamp(size, limit.rlim_cur);
	return size;
}

/* ---- the file -------------------------------------------------------------- */

static int lock(int fd)
{
	struct flock whole = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = WIRE_LOCK_OFFSET,
		.l_len = WIRE_LOCK_LENGTH,
	};

	return fcntl(fd, F_OFD_SETLK, &whole) < 0 ? -errno : 0;
}

int ring_file_create(int directory_fd, const uint8_t instance[16], bool allocate,
		     uint64_t *size, char ret_temporary[RING_NAME_SIZE])
{
	char name[RING_NAME_SIZE];
	uint64_t fitting;
	int fd, r;

	w3c_hex(instance, 16, name);
	memcpy(name + 32, WIRE_RING_SUFFIX WIRE_TEMPORARY_SUFFIX,
	       sizeof WIRE_RING_SUFFIX WIRE_TEMPORARY_SUFFIX);
	fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	/* The lock first: an unlocked temporary file is litter to the agent. */
	r = lock(fd);
	/* The umask may have taken the group's right to read. */
	if (r == 0 && fchmod(fd, 0640) < 0)
		r = -errno;
	fitting = fitting_size(fd, *size);
	if (r == 0)
		r = sized(fd, allocate, fitting);
	if (r < 0) {
		(void)unlinkat(directory_fd, name, 0); /* the agent sweeps what stays */
		(void)close(fd);
		return r;
	}
	*size = fitting;
	memcpy(ret_temporary, name, sizeof name);
	return fd;
}

/* ---- the process ----------------------------------------------------------- */

static size_t read_file(const char *path, char *ret_text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return 0;
	got = read(fd, ret_text, size - 1);
	(void)close(fd); /* read only */
	if (got < 0)
		got = 0;
	ret_text[got] = '\0';
	return (size_t)got;
}

/* Field 22, counted from behind the name: that may hold anything. */
static uint64_t start_time(void)
{
	char text[1024];
	const char *at;
	uint64_t ticks = 0;
	int field = 2;

	if (!read_file("/proc/self/stat", text, sizeof text))
		return 0;
	at = strrchr(text, ')');
	while (at && field < 22) {
		at = strchr(at + 1, ' ');
		field++;
	}
	if (!at)
		return 0;
	for (at++; *at >= '0' && *at <= '9'; at++)
		ticks = ticks * 10 + (uint64_t)(*at - '0');
	return ticks;
}

static uint64_t namespace_inode(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static void boot_id(uint8_t ret_id[16])
{
	char text[64], digits[32];
	size_t length = read_file("/proc/sys/kernel/random/boot_id", text, sizeof text), n = 0;
	uint8_t id[16];

	for (size_t i = 0; i < length && n < sizeof digits; i++)
		if (text[i] != '-')
			digits[n++] = text[i];
	if (n == sizeof digits && w3c_unhex(digits, sizeof id, id) == 0)
		memcpy(ret_id, id, sizeof id);
}

void ring_file_describe_process(struct wire_ring_header *header)
{
	header->start_time = start_time();
	header->pid_namespace = namespace_inode("/proc/self/ns/pid");
	header->time_namespace = namespace_inode("/proc/self/ns/time");
	boot_id(header->boot_id);
}
