#include "drain/liveness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/record.h"

/* The first published size of the kernel's struct pidfd_info; our headers may
 * be older than the kernel. */
struct pidfd_exit {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
_Static_assert(sizeof(struct pidfd_exit) == 64, "pidfd_info, first size");

#define PIDFD_ASK_EXIT _IOWR(0xff, 11, struct pidfd_exit)
#define PIDFD_HAS_EXIT (UINT64_C(1) << 3)

/* Of /proc/<pid>/stat. */
struct process_stat {
	char state;
	uint64_t start_time;
	uint64_t memory; /* 0: its address space is gone */
	int exit_status;
};

static bool proc_read(uint32_t pid, const char *name, char *ret_text, size_t size)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%u/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, ret_text, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	ret_text[n] = '\0';
	return true;
}

/* Whether it is this user's, whose files it makes. Not by the owner of its files in
 * /proc: that is root where the process may not be looked into. */
static bool runs_as(uint32_t pid, uint32_t uid)
{
	char text[1024], *at;
	unsigned file_user;

	if (!proc_read(pid, "status", text, sizeof text))
		return false;
	at = strstr(text, "\nUid:"); /* line feeds in its name are escaped */
	return at && sscanf(at, "\nUid: %*u %*u %*u %u", &file_user) == 1 && file_user == uid;
}

static bool process_look(uint32_t pid, struct process_stat *ret)
{
	char text[1024], *at;
	struct process_stat found = {0};
	long long exit_status = 0;
	unsigned long long start, memory;

	if (!proc_read(pid, "stat", text, sizeof text))
		return false;
	at = strrchr(text, ')'); /* the name before it may hold anything */
	if (!at || sscanf(at + 1, " %c", &found.state) != 1)
		return false;
	/* Fields 4-21 pass, 22 is the start time, 23 the memory. */
	if (sscanf(at + 1,
		   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %llu %llu",
		   &start, &memory) != 2)
		return false;
	found.start_time = start;
	found.memory = memory;
	/* The last field, 52; it reads 0 where we may not know it. */
	at = strrchr(text, ' ');
	if (at && sscanf(at, " %lld", &exit_status) == 1)
		found.exit_status = (int)exit_status;
	*ret = found;
	return true;
}

/* Whether pid numbers of the ring mean the same here. */
static bool same_pid_namespace(uint64_t namespace)
{
	struct stat st;

	return namespace == 0 ||
	       (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == namespace);
}

static bool has_number_here(const struct wire_ring_header *header)
{
	return header->pid != 0 && header->pid <= INT32_MAX && header->start_time != 0 &&
	       same_pid_namespace(header->pid_namespace);
}

static bool is_the_process(const struct ring *ring, const struct process_stat *process)
{
	return process->start_time == ring->map.header.start_time;
}

int liveness_locked(const struct ring *ring, struct env *env)
{
	return env->ops->locked(env, ring->map.fd);
}

/* The last quarter is for rings: a pidfd makes a death known sooner and better,
 * but without its file a ring is not read at all. */
static bool is_scarce(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	       (rlim_t)fd >= limit.rlim_cur / 4 * 3;
}

void liveness_begin(struct ring *ring, struct env *env)
{
	const struct wire_ring_header *header = &ring->map.header;
	struct process_stat process;

	ring->pidfd = -1;
	ring->pid_seen = false;
	if (!has_number_here(header))
		return;
	ring->pidfd = env->ops->process(env, header->pid);
	if (ring->pidfd < 0)
		ring->pidfd = -1;
	else if (is_scarce(ring->pidfd))
		liveness_end(ring, env);
	/* After the pidfd: were the number reused before it, the start time
	 * would differ; were the process replaced, the lock would be free. */
	if (!process_look(header->pid, &process) || !is_the_process(ring, &process) ||
	    liveness_locked(ring, env) != 1) {
		liveness_end(ring, env);
		return;
	}
	/* Anybody can write the number of another user's process into his ring. */
	ring->pid_seen = runs_as(header->pid, ring->map.uid);
}

void liveness_end(struct ring *ring, struct env *env)
{
	if (ring->pidfd >= 0)
		env->ops->close(env, ring->pidfd);
	ring->pidfd = -1;
}

static void death_by_status(struct death *death, int status)
{
	if (WIFSIGNALED(status)) {
		death->cause = DEATH_SIGNAL;
		death->signal = WTERMSIG(status);
		death->core_dumped = WCOREDUMP(status);
	} else {
		death->cause = DEATH_EXIT;
		death->code_known = true;
		death->code = WEXITSTATUS(status);
	}
}

/* The kernel's word on a process that was reaped. */
static bool ask_pidfd(struct ring *ring)
{
	struct pidfd_exit asked = {.mask = PIDFD_HAS_EXIT};

	if (ioctl(ring->pidfd, PIDFD_ASK_EXIT, &asked) < 0 || !(asked.mask & PIDFD_HAS_EXIT))
		return false;
	death_by_status(&ring->death, asked.exit_code);
	return true;
}

/* The word of /proc on one that was not. *ret_more: it will have more to say. */
static bool ask_proc(struct ring *ring, bool *ret_more)
{
	struct process_stat process;

	*ret_more = ring->pidfd >= 0;
	if (!process_look(ring->map.header.pid, &process) || !is_the_process(ring, &process))
		return false;
	if (process.state == 'Z' || process.state == 'X') {
		/* 0 is "exited 0" or "you may not know"; for a process of our
		 * own user it is the former. */
		if (process.exit_status == 0 && ring->map.uid != geteuid())
			return false;
		death_by_status(&ring->death, process.exit_status);
		return true;
	}
	*ret_more = true;
	if (process.memory == 0)
		return false; /* between losing its memory and being a zombie */
	ring->death.cause = DEATH_REPLACED;
	return true;
}

static bool ask_farewell(struct ring *ring)
{
	const struct ring_farewell *farewell = &ring->farewell;

	if (!farewell->said || farewell->how == WIRE_PROCESS_SHUTDOWN)
		return false;
	ring->death.cause = DEATH_EXIT;
	ring->death.code_known = farewell->how == WIRE_PROCESS_EXIT && farewell->code_known;
	ring->death.code = ring->death.code_known ? farewell->code : 0;
	return true;
}

bool liveness_cause(struct ring *ring)
{
	bool more = false;

	ring->death = (struct death){.seen_mono_ns = ring->lock_free_ns};
	if (ring->farewell.said && ring->farewell.how == WIRE_PROCESS_SHUTDOWN) {
		ring->death.cause = DEATH_SHUTDOWN;
		return true;
	}
	if (ring->pidfd >= 0 && ask_pidfd(ring))
		return true;
	if ((ring->pidfd >= 0 || has_number_here(&ring->map.header)) && ask_proc(ring, &more))
		return true;
	/* So far this is all; the kernel's word is better and may still come. */
	(void)ask_farewell(ring);
	return !more;
}
