/* What the kernel is and allows. Where the agent has a complete fallback, a feature
 * that is missing is no fault, and its line says what is done instead. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MIB (UINT64_C(1) << 20)

/* A small file of the kernel's, without its newline. False: it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool good = file && fgets(text, (int)size, file);

	if (file)
		(void)fclose(file);
	if (good)
		text[strcspn(text, "\n")] = '\0';
	return good;
}

/* ---- kernel ----------------------------------------------------------------------- */

static void look_at_kernel(struct doctor *doctor)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	(void)uname(&name);
	(void)sscanf(name.release, "%u.%u", &major, &minor);
	if (major > 5 || (major == 5 && minor >= 10))
		doctor_say(doctor, DOCTOR_OK, "kernel", NULL, "%s", name.release);
	else
		doctor_say(doctor, DOCTOR_FAIL, "kernel",
			   "Linux 5.10 is the oldest that is supported; take a newer one.",
			   "%s", name.release);
}

static void look_at_populate(struct doctor *doctor)
{
	void *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool works = page != MAP_FAILED && madvise(page, 4096, MADV_POPULATE_WRITE) == 0;

	if (page != MAP_FAILED)
		(void)munmap(page, 4096);
	doctor_say(
		doctor, DOCTOR_OK, "populate", NULL,
		works ? "rings grow as they are used, up to 64 MiB a process"
		      : "not here (before 5.14, or forbidden): rings are 4 MiB, allocated at "
			"the start");
}

static void look_at_locks(struct doctor *doctor)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	int fd = memfd_create("spanring-doctor", MFD_CLOEXEC);
	bool works = fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0;
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (works)
		doctor_say(doctor, DOCTOR_OK, "locks", NULL, "open-file locks tell who lives");
	else
		doctor_say(doctor, DOCTOR_FAIL, "locks",
			   "Without them no death is noticed; allow fcntl(F_OFD_SETLK) in the "
			   "container's seccomp profile.",
			   "open-file locks: %s", strerror(error));
}

/* Whether the kernel tells how a process ended after somebody else reaped it. */
static bool knows_exits(void)
{
	/* The first published size of struct pidfd_info. */
	struct {
		uint64_t mask, cgroup;
		uint32_t pid, tgid, ppid, ids[8];
		int32_t exit_code;
	} info = {.mask = UINT64_C(1) << 3};
	int fd, status;
	bool knows;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(7);
	if (pid < 0)
		return false;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	(void)waitpid(pid, &status, 0);
	knows = fd >= 0 && ioctl(fd, _IOWR(0xff, 11, info), &info) == 0 &&
		(info.mask & UINT64_C(1) << 3);
	if (fd >= 0)
		close(fd);
	return knows;
}

static void look_at_pidfd(struct doctor *doctor)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0) {
		doctor_say(doctor, DOCTOR_OK, "pidfd", NULL,
			   "not here (%s): deaths are noticed by their lock alone",
			   strerror(errno));
		return;
	}
	close(fd);
	doctor_say(doctor, DOCTOR_OK, "pidfd", NULL,
		   knows_exits() ? "the kernel says how a process ended"
				 : "the kernel does not say how a process ended (before 6.15): "
				   "/proc and the process itself are asked");
}

static void look_at_openat2(struct doctor *doctor)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);

	doctor_say(doctor, DOCTOR_OK, "openat2", NULL,
		   fd >= 0 ? "files are opened beneath their directory"
			   : "not here: each component is checked by itself");
	if (fd >= 0)
		close(fd);
}

static bool has_seccomp(void)
{
	char line[256];
	FILE *file = fopen("/proc/self/status", "re");
	bool filtered = false;

	while (file && fgets(line, sizeof line, file))
		if (strncmp(line, "Seccomp:", 8) == 0)
			filtered = strtol(line + 8, NULL, 10) != 0;
	if (file)
		(void)fclose(file);
	return filtered;
}

static void look_at_uring(struct doctor *doctor)
{
	struct io_uring ring;
	char disabled[16] = "0";
	int r = io_uring_queue_init(2, &ring, 0);

	if (r == 0) {
		io_uring_queue_exit(&ring);
		doctor_say(doctor, DOCTOR_OK, "io_uring", NULL, "allowed");
		return;
	}
	(void)read_text("/proc/sys/kernel/io_uring_disabled", disabled, sizeof disabled);
	doctor_say(doctor, DOCTOR_OK, "io_uring", NULL,
		   "not allowed here (%s): the agent writes and syncs without it",
		   disabled[0] != '0' ? "kernel.io_uring_disabled"
		   : has_seccomp()    ? "a seccomp filter"
				      : strerror(-r));
}

void doctor_machine(struct doctor *doctor)
{
	look_at_kernel(doctor);
	look_at_populate(doctor);
	look_at_locks(doctor);
	look_at_pidfd(doctor);
	look_at_openat2(doctor);
	look_at_uring(doctor);
}

/* ---- clock -------------------------------------------------------------------------- */

void doctor_clock(struct doctor *doctor)
{
	char source[64] = "unknown";
	struct timex timex = {0};
	int state;

	(void)read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			source, sizeof source);
	doctor_say(doctor, DOCTOR_OK, "clock source", NULL, "%s%s", source,
		   strcmp(source, "tsc") == 0
			   ? ", read without a system call"
			   : ": a span costs about twice what it does with tsc");
	state = adjtimex(&timex);
	if (state < 0)
		doctor_say(doctor, DOCTOR_OK, "clock sync", NULL, "cannot be asked: %s",
			   strerror(errno));
	else if (state == TIME_ERROR || (timex.status & STA_UNSYNC))
		doctor_say(
			doctor, DOCTOR_WARN, "clock sync",
			"Durations are right all the same; to compare with other machines run "
			"an NTP client (timedatectl set-ntp true).",
			"no: times of day may be off");
	else
		doctor_say(doctor, DOCTOR_OK, "clock sync", NULL, "yes, within %ld ms",
			   timex.maxerror / 1000);
}

/* ---- limits ------------------------------------------------------------------------- */

static void look_at_file_size(struct doctor *doctor)
{
	struct rlimit limit;

	(void)getrlimit(RLIMIT_FSIZE, &limit);
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= 64 * MIB)
		doctor_say(doctor, DOCTOR_OK, "file size limit", NULL, "%s",
			   limit.rlim_cur == RLIM_INFINITY ? "none" : "64 MiB or more");
	else
		doctor_say(doctor, limit.rlim_cur < MIB ? DOCTOR_FAIL : DOCTOR_WARN,
			   "file size limit",
			   "A ring is a file of up to 64 MiB; raise it (ulimit -f unlimited, "
			   "LimitFSIZE=infinity) or set SPANRING_RING_MAX below it.",
			   "%" PRIu64 " KiB", (uint64_t)limit.rlim_cur / 1024);
}

static void look_at_memory(struct doctor *doctor)
{
	char line[PATH_MAX] = "", path[PATH_MAX + 64], max[64] = "max";
	uint64_t bytes;

	if (!read_text("/proc/self/cgroup", line, sizeof line) || strncmp(line, "0::", 3) != 0)
		return; /* version 1, or none: nothing simple to say */
	(void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max",
		       strcmp(line + 3, "/") == 0 ? "" : line + 3);
	(void)read_text(path, max, sizeof max);
	bytes = strtoull(max, NULL, 10);
	if (bytes == 0 || bytes >= 256 * MIB)
		doctor_say(doctor, DOCTOR_OK, "memory limit", NULL, "%s%s",
			   bytes ? max : "none", bytes ? " bytes" : "");
	else
		doctor_say(
			doctor, DOCTOR_WARN, "memory limit",
			"Rings count as memory of the programs that write them, up to 64 MiB "
			"each; raise it or set SPANRING_RING_MAX.",
			"%s bytes in this cgroup", max);
}

void doctor_limits(struct doctor *doctor)
{
	struct rlimit limit;

	look_at_file_size(doctor);
	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	doctor_say(doctor, DOCTOR_OK, "locked memory", NULL,
		   limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= 64 * 1024
			   ? "enough"
			   : "small: before Linux 5.12 the agent goes without io_uring");
	look_at_memory(doctor);
}
