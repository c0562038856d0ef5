/* The real env, once with io_uring (where this kernel allows it) and once
 * without: both must do the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/env_linux.h"

#define SECOND UINT64_C(1000000000)

struct world {
	struct env *env;
	const struct env_ops *ops;
	char dir[64];
	int dirfd;
	int fds_before;
	int calls;
	int result;
	struct env_address addresses[ENV_ADDRESSES_MAX];
};

static int fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int world_setup(void **state, enum env_linux_uring uring)
{
	struct env_linux_options options = {.uring = uring};
	struct world *w = calloc(1, sizeof *w);

	w->fds_before = fds_open();
	strcpy(w->dir, "/tmp/test-env-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(env_linux_new(&w->env, &options), 0);
	w->ops = w->env->ops;
	*state = w;
	return 0;
}

static int setup_auto(void **state)
{
	return world_setup(state, ENV_LINUX_URING_AUTO);
}

static int setup_never(void **state)
{
	return world_setup(state, ENV_LINUX_URING_NEVER);
}

static int remove_one(void *arg, const char *name)
{
	struct world *w = arg;

	return w->ops->unlink(w->env, w->dirfd, name, 0);
}

static int teardown(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->ops->list(w->env, w->dirfd, remove_one, w), 0);
	env_linux_free(w->env);
	close(w->dirfd);
	rmdir(w->dir);
	assert_int_equal(fds_open(), w->fds_before);
	free(w);
	return 0;
}

static void count_done(void *arg, int result)
{
	struct world *w = arg;

	w->calls++;
	w->result = result;
}

static void count_watch(void *arg, uint32_t events)
{
	struct world *w = arg;

	w->calls++;
	w->result = (int)events;
}

static void keep_addresses(void *arg, int result, const struct env_address *addresses)
{
	struct world *w = arg;

	w->calls++;
	w->result = result;
	for (int i = 0; i < result; i++)
		w->addresses[i] = addresses[i];
}

static void wait_for_calls(struct world *w, int calls)
{
	uint64_t until = w->ops->mono_ns(w->env) + 10 * SECOND;

	while (w->calls < calls && w->ops->mono_ns(w->env) < until)
		assert_true(w->ops->wait(w->env, SECOND) >= 0);
	assert_int_equal(w->calls, calls);
}

static void the_option_never_forces_the_fallback(void **state)
{
	struct world *w = *state;

	assert_false(env_linux_uses_uring(w->env));
}

static void what_is_written_is_read_again(void **state)
{
	struct world *w = *state;
	struct iovec iov[2] = {{(void *)"spans ", 6}, {(void *)"survive", 7}};
	struct stat st;
	char text[16] = "";
	int fd;

	fd = w->ops->open(w->env, w->dirfd, "file", O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	for (int i = 0; i < 100; i++)
		assert_int_equal(w->ops->pwritev(w->env, fd, iov, 2, 13 * i), 13);
	assert_int_equal(w->ops->fstat(w->env, fd, &st), 0);
	assert_int_equal(st.st_size, 1300);
	assert_int_equal(w->ops->pread(w->env, fd, text, 13, 13 * 99), 13);
	assert_string_equal(text, "spans survive");
	assert_int_equal(w->ops->sync(w->env, fd), 0);
	assert_int_equal(w->ops->truncate(w->env, fd, 5), 0);
	assert_int_equal(w->ops->pread(w->env, fd, text, 13, 0), 5);
	assert_int_equal(w->ops->close(w->env, fd), 0);
	assert_int_equal(w->ops->open(w->env, w->dirfd, "none", O_RDONLY, 0), -ENOENT);
	assert_int_equal(w->ops->pwritev(w->env, 1000, iov, 2, 0), -EBADF);
}

static void writes_beyond_the_file_size_limit_are_an_error_not_a_signal(void **state)
{
	struct world *w = *state;
	struct rlimit old, small;
	struct iovec iov = {(void *)"x", 1};
	int fd = w->ops->open(w->env, w->dirfd, "file", O_RDWR | O_CREAT, 0600);

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){4096, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(w->ops->pwritev(w->env, fd, &iov, 1, 4096), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	w->ops->close(w->env, fd);
}

static void a_background_sync_calls_back_from_wait(void **state)
{
	struct world *w = *state;
	struct iovec iov = {(void *)"x", 1};
	int fd = w->ops->open(w->env, w->dirfd, "file", O_RDWR | O_CREAT, 0600);

	for (int i = 1; i <= 40; i++) {
		assert_int_equal(w->ops->pwritev(w->env, fd, &iov, 1, i), 1);
		assert_int_equal(w->ops->sync_start(w->env, fd, count_done, w), 0);
		/* Writes while a sync is under way mix their completions. */
		assert_int_equal(w->ops->pwritev(w->env, fd, &iov, 1, i), 1);
	}
	assert_int_equal(w->calls, 0);
	wait_for_calls(w, 40);
	assert_int_equal(w->result, 0);
	w->ops->close(w->env, fd);
}

static void a_failed_sync_says_why(void **state)
{
	struct world *w = *state;
	int fd = eventfd(0, EFD_CLOEXEC); /* cannot be synced */

	assert_int_equal(w->ops->sync_start(w->env, fd, count_done, w), 0);
	wait_for_calls(w, 1);
	assert_int_equal(w->result, -EINVAL);
	close(fd);
}

static void a_cancelled_sync_never_calls_back(void **state)
{
	struct world *w = *state;
	struct world other = {0};
	int fd = w->ops->open(w->env, w->dirfd, "file", O_RDWR | O_CREAT, 0600);

	assert_int_equal(w->ops->sync_start(w->env, fd, count_done, &other), 0);
	assert_int_equal(w->ops->sync_start(w->env, fd, count_done, w), 0);
	w->ops->cancel(w->env, &other);
	wait_for_calls(w, 1);
	assert_int_equal(w->ops->wait(w->env, 0) >= 0, 1);
	assert_int_equal(other.calls, 0);
	w->ops->close(w->env, fd);
}

static void freeing_with_a_sync_under_way_is_safe(void **state)
{
	struct world *w = *state;
	int fd = w->ops->open(w->env, w->dirfd, "file", O_RDWR | O_CREAT, 0600);

	assert_int_equal(w->ops->sync_start(w->env, fd, count_done, w), 0);
	w->ops->close(w->env, fd);
}

static int collect_name(void *arg, const char *name)
{
	strcat(strcat((char *)arg, name), " ");
	return 0;
}

static int stop_listing(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return -ECANCELED;
}

static void directories_are_made_listed_renamed_and_emptied(void **state)
{
	struct world *w = *state;
	uint64_t free_bytes, total;
	char names[256] = "";

	assert_int_equal(w->ops->mkdir(w->env, w->dirfd, "sub", 0700), 0);
	assert_int_equal(w->ops->rename(w->env, w->dirfd, "sub", w->dirfd, "other", 0), 0);
	assert_int_equal(w->ops->list(w->env, w->dirfd, collect_name, names), 0);
	assert_string_equal(names, "other ");
	assert_int_equal(w->ops->list(w->env, w->dirfd, stop_listing, NULL), -ECANCELED);
	assert_int_equal(w->ops->unlink(w->env, w->dirfd, "other", AT_REMOVEDIR), 0);
	assert_int_equal(w->ops->unlink(w->env, w->dirfd, "other", 0), -ENOENT);
	assert_int_equal(w->ops->space(w->env, w->dirfd, &free_bytes, &total), 0);
	assert_true(total > 0 && free_bytes <= total);
}

static void the_clocks_go_forward_and_random_is_not_constant(void **state)
{
	struct world *w = *state;
	uint64_t a = w->ops->mono_ns(w->env), b = w->ops->mono_ns(w->env);
	uint64_t random[2] = {0};

	assert_true(b >= a);
	assert_true(w->ops->boot_ns(w->env) >= a);
	assert_true(w->ops->wall_ns(w->env) > UINT64_C(1600000000) * SECOND);
	assert_int_equal(w->ops->random(w->env, random, sizeof random), 0);
	assert_true(random[0] != random[1]);
}

static void wait_ends_at_its_timeout(void **state)
{
	struct world *w = *state;
	uint64_t before = w->ops->mono_ns(w->env);

	assert_int_equal(w->ops->wait(w->env, 3000000), 0);
	assert_true(w->ops->mono_ns(w->env) - before >= 3000000);
}

static void a_watch_runs_until_it_is_removed(void **state)
{
	struct world *w = *state;
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_int_equal(w->ops->watch(w->env, fd, EPOLLIN, count_watch, w), 0);
	assert_int_equal(w->ops->wait(w->env, SECOND), 1);
	assert_int_equal(w->ops->wait(w->env, SECOND), 1);
	assert_int_equal(w->calls, 2);
	assert_int_equal(w->result, EPOLLIN);
	assert_int_equal(w->ops->watch(w->env, fd, EPOLLIN | EPOLLOUT, count_watch, w), 0);
	assert_int_equal(w->ops->wait(w->env, SECOND), 1);
	assert_int_equal(w->result, EPOLLIN | EPOLLOUT);
	assert_int_equal(w->ops->watch(w->env, fd, 0, NULL, NULL), 0);
	assert_int_equal(w->ops->wait(w->env, 0), 0);
	assert_int_equal(w->ops->watch(w->env, -1, EPOLLIN, count_watch, w), -EBADF);
	close(fd);
}

struct pair {
	struct world *w;
	int other;
};

static void close_the_other(void *arg, uint32_t events)
{
	struct pair *pair = arg;

	(void)events;
	pair->w->calls++;
	pair->w->ops->watch(pair->w->env, pair->other, 0, NULL, NULL);
}

static void a_callback_may_remove_another_watch_that_is_ready(void **state)
{
	struct world *w = *state;
	int a = eventfd(1, EFD_CLOEXEC), b = eventfd(1, EFD_CLOEXEC);
	struct pair of_a = {w, b}, of_b = {w, a};

	assert_int_equal(w->ops->watch(w->env, a, EPOLLIN, close_the_other, &of_a), 0);
	assert_int_equal(w->ops->watch(w->env, b, EPOLLIN, close_the_other, &of_b), 0);
	assert_int_equal(w->ops->wait(w->env, SECOND), 1);
	assert_int_equal(w->calls, 1);
	w->ops->watch(w->env, a, 0, NULL, NULL);
	w->ops->watch(w->env, b, 0, NULL, NULL);
	close(a);
	close(b);
}

static int listener(struct sockaddr_in *ret_addr)
{
	socklen_t len = sizeof *ret_addr;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_addr = (struct sockaddr_in){.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)ret_addr, sizeof *ret_addr), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret_addr, &len), 0);
	return fd;
}

static void a_connection_carries_bytes_both_ways(void **state)
{
	struct world *w = *state;
	struct iovec iov = {(void *)"ping", 4};
	struct sockaddr_in addr;
	int listening = listener(&addr), fd, peer;
	char text[8] = "";

	fd = w->ops->connect(w->env, (struct sockaddr *)&addr, sizeof addr);
	assert_true(fd >= 0);
	peer = accept(listening, NULL, NULL);
	assert_int_equal(w->ops->watch(w->env, fd, EPOLLOUT, count_watch, w), 0);
	wait_for_calls(w, 1);
	assert_int_equal(w->ops->connected(w->env, fd), 0);
	assert_int_equal(w->ops->recv(w->env, fd, text, 8), -EAGAIN);
	assert_int_equal(w->ops->send(w->env, fd, &iov, 1), 4);
	assert_int_equal(read(peer, text, 4), 4);
	assert_string_equal(text, "ping");
	assert_int_equal(write(peer, "pong", 4), 4);
	assert_int_equal(w->ops->watch(w->env, fd, EPOLLIN, count_watch, w), 0);
	wait_for_calls(w, 2);
	assert_int_equal(w->ops->recv(w->env, fd, text, 8), 4);
	close(peer);
	wait_for_calls(w, 3);
	assert_int_equal(w->ops->recv(w->env, fd, text, 8), 0);
	(void)w->ops->send(w->env, fd, &iov, 1);
	/* No SIGPIPE: we are still here. */
	w->ops->watch(w->env, fd, 0, NULL, NULL);
	w->ops->close(w->env, fd);
	close(listening);
}

static void a_refused_connection_is_an_error(void **state)
{
	struct world *w = *state;
	struct sockaddr_in addr;
	int fd;

	close(listener(&addr));
	fd = w->ops->connect(w->env, (struct sockaddr *)&addr, sizeof addr);
	if (fd >= 0) {
		assert_int_equal(w->ops->watch(w->env, fd, EPOLLOUT, count_watch, w), 0);
		wait_for_calls(w, 1);
		assert_int_equal(w->ops->connected(w->env, fd), -ECONNREFUSED);
		w->ops->watch(w->env, fd, 0, NULL, NULL);
		w->ops->close(w->env, fd);
	} else {
		assert_int_equal(fd, -ECONNREFUSED);
	}
}

static void an_address_is_resolved_in_the_background(void **state)
{
	struct world *w = *state;
	const struct sockaddr_in *addr = (struct sockaddr_in *)&w->addresses[0].at;

	assert_int_equal(w->ops->resolve_start(w->env, "127.0.0.1", "4317", keep_addresses, w),
			 0);
	wait_for_calls(w, 1);
	assert_int_equal(w->result, 1);
	assert_int_equal(addr->sin_family, AF_INET);
	assert_int_equal(ntohs(addr->sin_port), 4317);
	assert_int_equal(ntohl(addr->sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(
		w->ops->resolve_start(w->env, "256.1.1.1.1", "x-no", keep_addresses, w), 0);
	wait_for_calls(w, 2);
	assert_true(w->result < 0);
}

/* Names that no name server knows: one that it does not answer for, one with two
 * addresses, and one with many. */
static sem_t let_go;

static void insert(struct addrinfo *behind, struct addrinfo *address)
{
	address->ai_next = behind->ai_next;
	behind->ai_next = address;
}

int getaddrinfo(const char *restrict host, const char *restrict port,
		const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct addrinfo *next;
	int r;

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (strcmp(host, "hangs.test") == 0)
		sem_wait(&let_go);
	if (strcmp(host, "two.test") != 0 && strcmp(host, "many.test") != 0)
		return real(strcmp(host, "hangs.test") == 0 ? "127.0.0.9" : host, port, hints,
			    ret);
	r = real("127.0.0.1", port, hints, ret);
	for (int i = 0; r == 0 && i < (strcmp(host, "many.test") == 0 ? 40 : 1); i++) {
		r = real(i ? "127.0.0.3" : "127.0.0.2", port, hints, &next);
		if (r == 0)
			insert(*ret, next);
	}
	return r;
}

static int resolve(struct world *w, const char *host)
{
	int before = w->calls;

	assert_int_equal(w->ops->resolve_start(w->env, host, "1", keep_addresses, w), 0);
	wait_for_calls(w, before + 1);
	return w->result;
}

static uint32_t resolved(const struct world *w, unsigned nth)
{
	struct sockaddr_in addr;

	memcpy(&addr, &w->addresses[nth].at, sizeof addr);
	assert_int_equal(w->addresses[nth].len, sizeof addr);
	return ntohl(addr.sin_addr.s_addr);
}

static void a_name_has_all_its_addresses_in_their_order(void **state)
{
	struct world *w = *state;

	assert_int_equal(resolve(w, "two.test"), 2);
	assert_int_equal(resolved(w, 0), INADDR_LOOPBACK);
	assert_int_equal(resolved(w, 1), INADDR_LOOPBACK + 1);
	assert_int_equal(resolve(w, "127.0.0.1"), 1);
	assert_int_equal(resolved(w, 0), INADDR_LOOPBACK);
}

static void a_name_of_many_addresses_has_the_first_of_them(void **state)
{
	struct world *w = *state;

	assert_int_equal(resolve(w, "many.test"), ENV_ADDRESSES_MAX);
	assert_int_equal(resolved(w, ENV_ADDRESSES_MAX - 1), INADDR_LOOPBACK + 2);
}

static void a_name_that_does_not_come_delays_no_other(void **state)
{
	struct world *w = *state;

	assert_int_equal(sem_init(&let_go, 0, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			w->ops->resolve_start(w->env, "hangs.test", "1", keep_addresses, w), 0);
	assert_int_equal(resolve(w, "127.0.0.1"), 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sem_post(&let_go), 0);
	wait_for_calls(w, 4);
	sem_destroy(&let_go);
}

static void ring_until_heard(struct world *w, _Atomic uint32_t *word)
{
	uint64_t until = w->ops->mono_ns(w->env) + 10 * SECOND;

	/* A wake while the thread is not yet waiting is lost: ring again, as the
	 * agent's poll would. */
	while (w->calls == 0 && w->ops->mono_ns(w->env) < until) {
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
		w->ops->wait(w->env, 1000000);
	}
	assert_true(w->calls > 0);
}

static void the_doorbell_is_heard_and_can_be_stopped(void **state)
{
	struct world *w = *state;
	_Atomic uint32_t *word =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status;

	assert_int_equal(env_linux_doorbell(w->env, word, count_watch, w), 0);
	ring_until_heard(w, word);
	/* From another process, too. */
	w->calls = 0;
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 100; i++) {
			syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
			usleep(1000);
		}
		_exit(0);
	}
	while (w->calls == 0 && waitpid(child, &status, WNOHANG) == 0)
		w->ops->wait(w->env, 10000000);
	assert_true(w->calls > 0);
	waitpid(child, &status, 0);
	assert_int_equal(env_linux_doorbell(w->env, NULL, NULL, NULL), 0);
	munmap((void *)word, 4096);
}

static int open_beneath(const struct world *w, const char *name)
{
	int fd = w->ops->open(w->env, w->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd >= 0)
		w->ops->close(w->env, fd);
	return fd;
}

static void only_the_very_entry_is_opened(void **state)
{
	struct world *w = *state;
	int fd = w->ops->open(w->env, w->dirfd, "file", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
			      0600);

	assert_true(fd >= 0);
	w->ops->close(w->env, fd);
	assert_int_equal(symlinkat("file", w->dirfd, "link"), 0);
	assert_int_equal(symlinkat("/proc/self/fd/0", w->dirfd, "magic"), 0);
	assert_int_equal(mkfifoat(w->dirfd, "fifo", 0600), 0);
	assert_true(open_beneath(w, "file") >= 0);
	assert_true(open_beneath(w, "fifo") >= 0); /* at once, without a writer */
	assert_int_equal(open_beneath(w, "link"), -ELOOP);
	assert_int_equal(open_beneath(w, "magic"), -ELOOP);
	assert_int_equal(open_beneath(w, "nothing"), -ENOENT);
	assert_int_equal(open_beneath(w, "./file"), -EINVAL);
	assert_int_equal(open_beneath(w, "/etc/passwd"), -EINVAL);
	assert_int_equal(open_beneath(w, ".."), -EINVAL);
}

/* In a child with mounts of its own. */
static int look_at_a_mount(const struct world *w)
{
	struct world own = *w;
	char path[128];

	if (unshare(CLONE_NEWNS) < 0)
		return 77;
	(void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	(void)snprintf(path, sizeof path, "%s/mounted", w->dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (mount("/etc/passwd", path, NULL, MS_BIND, NULL) < 0)
		return 77;
	own.dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return open_beneath(&own, "mounted") != -EXDEV;
}

static void another_file_system_is_not_entered(void **state)
{
	const struct world *w = *state;
	pid_t child;
	int status;

	if (!env_linux_uses_openat2(w->env))
		skip(); /* a kernel before 5.6, or a filter: only this is not told apart */
	child = fork();
	if (child == 0)
		_exit(look_at_a_mount(w));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* a user who may not mount */
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* As an old kernel or a container's filter does: no openat2. */
static void forbid_openat2(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(99);
}

/* In a child, because a filter stays. */
static void without_openat2(void **state, int error)
{
	const struct world *w = *state;
	struct world other = *w;
	pid_t child = fork();
	int status;

	if (child == 0) {
		forbid_openat2(error);
		if (env_linux_new(&other.env, NULL) < 0 || env_linux_uses_openat2(other.env))
			_exit(98);
		_exit((open_beneath(&other, "file") < 0) << 0 |
		      (open_beneath(&other, "link") != -ELOOP) << 1 |
		      (open_beneath(&other, "magic") != -ELOOP) << 2 |
		      (open_beneath(&other, "./file") != -EINVAL) << 3 |
		      (open_beneath(&other, "fifo") < 0) << 4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void without_openat2_it_is_as_strict(void **state)
{
	only_the_very_entry_is_opened(state);
	without_openat2(state, ENOSYS);
	without_openat2(state, EPERM);
}

#define BOTH(test)                                                   \
	cmocka_unit_test_setup_teardown(test, setup_auto, teardown), \
		cmocka_unit_test_setup_teardown(test, setup_never, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_option_never_forces_the_fallback,
						setup_never, teardown),
		BOTH(what_is_written_is_read_again),
		BOTH(writes_beyond_the_file_size_limit_are_an_error_not_a_signal),
		BOTH(a_background_sync_calls_back_from_wait),
		BOTH(a_failed_sync_says_why),
		BOTH(a_cancelled_sync_never_calls_back),
		BOTH(freeing_with_a_sync_under_way_is_safe),
		BOTH(directories_are_made_listed_renamed_and_emptied),
		cmocka_unit_test_setup_teardown(only_the_very_entry_is_opened, setup_never,
						teardown),
		cmocka_unit_test_setup_teardown(another_file_system_is_not_entered, setup_never,
						teardown),
		cmocka_unit_test_setup_teardown(without_openat2_it_is_as_strict, setup_never,
						teardown),
		BOTH(the_clocks_go_forward_and_random_is_not_constant),
		BOTH(wait_ends_at_its_timeout),
		BOTH(a_watch_runs_until_it_is_removed),
		BOTH(a_callback_may_remove_another_watch_that_is_ready),
		BOTH(a_connection_carries_bytes_both_ways),
		BOTH(a_refused_connection_is_an_error),
		BOTH(an_address_is_resolved_in_the_background),
		BOTH(a_name_has_all_its_addresses_in_their_order),
		BOTH(a_name_of_many_addresses_has_the_first_of_them),
		BOTH(a_name_that_does_not_come_delays_no_other),
		BOTH(the_doorbell_is_heard_and_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
