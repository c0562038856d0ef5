/* A module whose system calls fail: the n-th one of all that the library makes,
 * with each error its manual page has, one in a run.
 *
 *	injected PART PARTS	so that parts can run side by side
 *
 * The module makes its calls between two stops; in between, the tracer counts
 * the system calls and lets one fail. A close() that fails has closed: so does
 * the kernel. What was accepted is told afterwards (told.h), with one line at the
 * end: "runs RUNS of CALLS system calls". */
#include "told.h"

#include <dirent.h>
#include <elf.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define RING_BYTES (1u << 20)
#define FLUSH_MS 20000
#define ERRNO_BEFORE 1234
#define ERRORS_MAX 12

/* ---- what fails how ---------------------------------------------------------- */

static const struct failing {
	long call;
	int errors[ERRORS_MAX];
} failings[] = {
	{SYS_openat,
	 {EACCES, EMFILE, ENFILE, ENOMEM, ENOSPC, EINTR, ELOOP, ENOENT, EROFS, EEXIST}},
	{SYS_mmap, {ENOMEM, EACCES, EAGAIN, ENFILE, EPERM}},
	{SYS_munmap, {ENOMEM, EINVAL}},
	{SYS_madvise, {ENOMEM, EINVAL, EAGAIN, EFAULT, EPERM, EIO}},
	{SYS_ftruncate, {EFBIG, EIO, EINTR, EPERM, EINVAL}},
	{SYS_fallocate, {ENOSPC, EFBIG, EINTR, EOPNOTSUPP, ENODEV}},
	{SYS_fcntl, {ENOLCK, EAGAIN, EACCES, EINTR, EINVAL}},
	{SYS_fchmod, {EPERM, EROFS, EIO, ENOMEM}},
	{SYS_newfstatat, {ENOMEM, EACCES, ENOENT, EOVERFLOW}},
	{SYS_fstat, {ENOMEM, EACCES, EOVERFLOW}},
	{SYS_fstatfs, {ENOSYS, EIO, EINTR}},
	{SYS_renameat, {ENOSPC, EDQUOT, EACCES, EIO, ENOMEM, EROFS}},
	{SYS_unlinkat, {EACCES, EIO, ENOENT, EBUSY}},
	{SYS_close, {EIO, EINTR, ENOSPC, EDQUOT}},
	{SYS_read, {EIO, EINTR, EAGAIN}},
	{SYS_write, {EIO, EINTR, ENOSPC, EPIPE, EDQUOT}},
	{SYS_getrandom, {ENOSYS, EAGAIN, EINTR}},
	{SYS_futex, {EAGAIN, EINTR, ETIMEDOUT, EINVAL, ENOSYS}},
	{SYS_membarrier, {ENOSYS, EINVAL, EPERM}},
	{SYS_clock_nanosleep, {EINTR, EINVAL}},
	{SYS_rt_sigtimedwait, {EAGAIN, EINTR}},
	{SYS_brk, {0}},		       /* says where it is, never an error */
	{-1, {EPERM, ENOSYS, EINVAL}}, /* any other; what seccomp filters say */
};

static const struct failing *failing_of(long call)
{
	size_t i = 0;

	while (failings[i].call >= 0 && failings[i].call != call)
		i++;
	return &failings[i];
}

/* ---- the module ---------------------------------------------------------------- */

struct said {
	struct spanring_span span;
	bool accepted, ended;
};

/* Shared with the tracer. */
static struct shared {
	bool unmaps;   /* what fails takes memory with it */
	bool in_first; /* what fails belongs to the first life */
	unsigned long pages_after, pages_baseline;
	long at, number; /* of the call that fails */
} * shared;

static struct said said[8];
static int said_count;
static unsigned failed_calls, refused_calls;

static void call(int r)
{
	told_check(errno == ERRNO_BEFORE);
	errno = ERRNO_BEFORE;
	failed_calls += r < 0;
}

static struct spanring_span *start(const char *name)
{
	struct said *one = &said[said_count++];

	call(spanring_start(&one->span, name, NULL));
	one->accepted = spanring_is_recording(&one->span);
	return &one->span;
}

static void end(struct spanring_span *span)
{
	int r = spanring_end(span);
	struct said *one = (struct said *)((char *)span - offsetof(struct said, span));

	one->ended = one->accepted && r == 0;
	call(r);
}

static void count_refused(void)
{
	struct spanring_report report = SPANRING_REPORT_INIT;

	(void)spanring_state(&report);
	refused_calls += report.refused_no_memory + report.refused_ring_full +
			 report.refused_too_large + report.refused_invalid + report.ends_lost;
}

/* One of every call that makes system calls. */
static int first_life(const struct spanring_options *options)
{
	static char value[60000];
	struct spanring_context context = {.trace_id = {1}, .span_id = {2}};
	struct spanring_span *root, *span;
	int r = spanring_init(options);

	told_check(errno == ERRNO_BEFORE);
	errno = ERRNO_BEFORE;
	root = start("root");
	(void)spanring_attach(root);
	span = start("span");
	for (int i = 0; i < 6; i++)
		call(spanring_set_string_n(span, "value", value, 8000));
	call(spanring_set_string_n(span, "large", value, sizeof value));
	end(span);
	(void)spanring_flush(FLUSH_MS);
	(void)spanring_context_to_file(&context, "context-of-injected");
	(void)spanring_context_from_file("context-of-injected", &context);
	end(root);
	count_refused();
	told_check(spanring_shutdown() == 0);
	told_check(errno == ERRNO_BEFORE);
	return r;
}

static int second_life(const struct spanring_options *options)
{
	int r = spanring_init(options);

	end(start("of the second life"));
	count_refused();
	told_check(spanring_shutdown() == 0);
	return r;
}

static int descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static unsigned long pages(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	told_check(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
	close(fd);
	return strtoul(text, NULL, 10);
}

static void tell(void)
{
	char trace_id[SPANRING_TRACE_ID_SIZE], span_id[SPANRING_SPAN_ID_SIZE];

	for (int i = 0; i < said_count; i++) {
		if (!said[i].accepted)
			continue;
		spanring_trace_id_hex(&said[i].span, trace_id);
		spanring_span_id_hex(&said[i].span, span_id);
		told("start %s %s %d %s", trace_id, span_id, (int)getpid(),
		     i == 0   ? "root"
		     : i == 1 ? "span"
			      : "of the second life");
		if (said[i].ended)
			told("end %s", span_id);
	}
}

static void module(void)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	int open_before = descriptors(), first, second;

	/* The C library's heap is there; it grows otherwise where brk() fails. */
	free(malloc(1 << 16));
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	options.ring_bytes_max = RING_BYTES;
	options.service_name = "module";
	(void)raise(SIGSTOP);
	errno = ERRNO_BEFORE;
	first = first_life(&options);
	(void)getppid(); /* the tracer's mark */
	second = second_life(&options);
	(void)raise(SIGSTOP);
	told_check(descriptors() == open_before);
	shared->pages_after = pages();
	if (!shared->unmaps && shared->pages_baseline &&
	    shared->pages_after > shared->pages_baseline)
		told("fail call %ld (number %ld) leaves %lu pages more", shared->at,
		     shared->number, shared->pages_after - shared->pages_baseline);
	/* A life that began badly does not spoil the next. */
	told_check(first == 0 || shared->in_first);
	told_check(second == 0 || !shared->in_first);
	told_check(refused_calls >= failed_calls);
	tell();
	_exit(0);
}

/* ---- the tracer -------------------------------------------------------------------- */

#if defined(__x86_64__)
static long call_number(pid_t pid)
{
	return ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, orig_rax), NULL);
}

static void skip_call(pid_t pid)
{
	(void)ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
}

static void set_result(pid_t pid, long result)
{
	(void)ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), result);
}
#elif defined(__aarch64__)
static struct user_regs_struct registers(pid_t pid)
{
	struct user_regs_struct found = {0};
	struct iovec io = {&found, sizeof found};

	(void)ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io);
	return found;
}

static long call_number(pid_t pid)
{
	return (long)registers(pid).regs[8];
}

static void skip_call(pid_t pid)
{
	int none = -1;
	struct iovec io = {&none, sizeof none};

	(void)ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &io);
}

static void set_result(pid_t pid, long result)
{
	struct user_regs_struct changed = registers(pid);
	struct iovec io = {&changed, sizeof changed};

	changed.regs[0] = (unsigned long long)result;
	(void)ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &io);
}
#else
#error "say here how a system call's number and result are set"
#endif

/* Continues to the next stop; false at the module's own, or at its end. */
static bool next_stop(pid_t pid, int *status)
{
	(void)ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	return waitpid(pid, status, 0) == pid && WIFSTOPPED(*status) &&
	       WSTOPSIG(*status) == (SIGTRAP | 0x80);
}

/* How the chosen call fails; false when it has not so many errors. */
static bool let_fail(pid_t pid, long number, unsigned error_index, int *status)
{
	const struct failing *failing = failing_of(number);
	int error = error_index < ERRORS_MAX ? failing->errors[error_index] : 0;

	if (!error)
		return false;
	shared->unmaps = number == SYS_munmap || number == SYS_membarrier;
	if (number != SYS_close)
		skip_call(pid);
	if (!next_stop(pid, status))
		return true;
	set_result(pid, -error);
	return true;
}

static void check_end(pid_t pid, int status, long at, long number, int error_index)
{
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) {
		(void)ptrace(PTRACE_CONT, pid, NULL, NULL);
		(void)waitpid(pid, &status, 0);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		told("fail call %ld (number %ld), error %d: the module ended with %#x", at,
		     number, error_index, status);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
}

/* One run; the at-th system call fails with its error_index-th error. Returns the
 * calls that were made, 0 when there was no such call or error. */
static long run(long at, unsigned error_index)
{
	long calls = 0, number = -1;
	bool failed = at == 0;
	int status;
	pid_t pid;

	shared->in_first = true;
	shared->unmaps = false;
	pid = fork();
	if (pid == 0)
		module();
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		exit(1);
	(void)ptrace(PTRACE_SETOPTIONS, pid, NULL,
		     (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	while (next_stop(pid, &status)) {
		if (call_number(pid) == SYS_getppid)
			shared->in_first = at && calls >= at;
		if (++calls == at) {
			number = call_number(pid);
			shared->at = at;
			shared->number = number;
			failed = let_fail(pid, number, error_index, &status);
			if (failed)
				continue;
		}
		if (!next_stop(pid, &status))
			break;
	}
	check_end(pid, status, at, number, (int)error_index);
	return failed ? calls : 0;
}

int main(int argc, char **argv)
{
	long part = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	long parts = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
	long calls, runs = 0;

	told_begin();
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	calls = run(0, 0);
	shared->pages_baseline = shared->pages_after;
	for (long at = 1 + part; at <= calls; at += parts)
		for (unsigned error = 0; run(at, error) > 0; error++)
			runs++;
	told("say runs %ld of %ld system calls", runs, calls);
	return 0;
}
