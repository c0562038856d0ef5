#include "harden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define HARDEN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define HARDEN_ARCH AUDIT_ARCH_AARCH64
#endif

/* A checker of leaks attaches to the process it checks. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HARDEN_TRACEABLE 1
#else
#define HARDEN_TRACEABLE 0
#endif

#ifdef HARDEN_ARCH

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(number)                                       \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* Whoever takes the agent over from the inside finds no shell. The agent never
 * makes these calls, so refusing them can break nothing. */
static void forbid_programs(void)
{
	static struct sock_filter filter[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HARDEN_ARCH, 1, 0),
		ALLOW, /* numbers of another architecture mean something else */
		LOAD(nr),
		REFUSE(__NR_execve),
		REFUSE(__NR_execveat),
		REFUSE(__NR_ptrace),
		REFUSE(__NR_process_vm_readv),
		REFUSE(__NR_process_vm_writev),
		REFUSE(__NR_mount),
		REFUSE(__NR_unshare),
		REFUSE(__NR_setns),
		REFUSE(__NR_bpf),
		REFUSE(__NR_keyctl),
		ALLOW,
	};
	static const struct sock_fprog program = {
		.len = sizeof filter / sizeof filter[0],
		.filter = filter,
	};

	if (!HARDEN_TRACEABLE)
		(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#else

static void forbid_programs(void)
{
}

#endif

void harden_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

void harden(void)
{
	static const struct rlimit none = {0, 0};

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	/* Also hides the environment, where a collector's credentials may be. */
	if (!HARDEN_TRACEABLE)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	forbid_programs();
}
