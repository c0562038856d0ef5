/* The ring's file: how it is made, found, refused, and left. */
#include "client_fixture.h"
#include "thread.h"
#include "life.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void ring_path(const struct client_fixture *fixture, char ret_path[512])
{
	struct spanring_report state = SPANRING_REPORT_INIT;

	assert_int_equal(spanring_state(&state), 1);
	assert_memory_equal(state.path, fixture->directory, strlen(fixture->directory));
	(void)snprintf(ret_path, 512, "%s", state.path);
}

static short lock_type(const char *path)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
	close(fd);
	return lock.l_type;
}

static int count_files(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static void a_ring_is_published_whole_locked_and_readable_by_its_group(void **state)
{
	struct client_fixture *fixture = *state;
	const struct wire_ring_header *header;
	struct ring_view view;
	char path[512];
	struct stat st;

	umask(077);
	client_fixture_init(fixture, 0);
	ring_path(fixture, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, WIRE_RING_BYTES_DEFAULT);
	assert_true(st.st_blocks * 512 < 1 << 20);
	assert_int_equal(lock_type(path), F_WRLCK);
	assert_int_equal(count_files(fixture->directory), 1);
	client_fixture_read(fixture, &view);
	header = ring_view_header(&view);
	assert_int_equal(header->pid, getpid());
	assert_true(header->start_time != 0);
	assert_true(header->pid_namespace != 0);
	assert_true(header->anchor_wall_ns > header->anchor_mono_ns);
	assert_int_equal(ring_view_count(&view, WIRE_RESOURCE), 1);
	ring_view_close(&view);
}

static void the_lock_outlives_every_descriptor(void **state)
{
	struct client_fixture *fixture = *state;
	char path[512];
	int before = client_fixture_descriptors();

	client_fixture_init(fixture, 0);
	assert_int_equal(client_fixture_descriptors(), before);
	ring_path(fixture, path);
	close(open(path, O_RDWR | O_CLOEXEC));
	assert_int_equal(lock_type(path), F_WRLCK);
	assert_int_equal(spanring_shutdown(), 0);
	assert_int_equal(lock_type(path), F_UNLCK);
}

static void init_is_idempotent_and_shutdown_can_be_followed_by_init(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span old, span;

	client_fixture_init(fixture, 1 << 20);
	client_fixture_init(fixture, 1 << 20);
	assert_int_equal(count_files(fixture->directory), 1);
	spanring_start(&old, "old", NULL);
	assert_true(spanring_is_recording(&old));
	assert_int_equal(spanring_shutdown(), 0);
	assert_int_equal(spanring_shutdown(), 0);
	assert_false(spanring_is_recording(&old));
	assert_int_equal(spanring_set_int(&old, "k", 1), -ECHILD);
	assert_int_equal(spanring_start(&span, "off", NULL), 0);
	assert_false(spanring_is_recording(&span));
	client_fixture_init(fixture, 1 << 20);
	assert_int_equal(count_files(fixture->directory), 2);
	assert_int_equal(spanring_end(&old), -ECHILD);
	assert_int_equal(spanring_start(&span, "on", NULL), 0);
	assert_true(spanring_is_recording(&span));
	assert_int_equal(spanring_end(&span), 0);
}

static void shutdown_says_so_in_the_ring(void **state)
{
	struct client_fixture *fixture = *state;
	const struct ring_record *end;
	struct ring_view view;

	client_fixture_init(fixture, 1 << 20);
	spanring_shutdown();
	client_fixture_read(fixture, &view);
	end = ring_view_nth(&view, WIRE_PROCESS_END, 0);
	assert_non_null(end);
	assert_int_equal(record_head(end->bytes).aux, WIRE_PROCESS_SHUTDOWN);
	ring_view_close(&view);
}

static void *stay_in_a_call(void *argument)
{
	pthread_barrier_t *barrier = argument;
	struct spanring_span span;

	assert_int_equal(spanring_start(&span, "slow", NULL), 0);
	thread_write_begin(thread_mine());
	(void)pthread_barrier_wait(barrier); /* in a call */
	(void)pthread_barrier_wait(barrier); /* shut down meanwhile */
	thread_write_end(thread_mine());
	return NULL;
}

/* What the call accepts when it goes on would stand behind the last word, which
 * nobody reads. */
static void shutdown_does_not_say_the_end_over_a_call_in_progress(void **state)
{
	struct client_fixture *fixture = *state;
	pthread_barrier_t barrier;
	struct ring_view view;
	pthread_t thread;

	client_fixture_init(fixture, 1 << 20);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, stay_in_a_call, &barrier), 0);
	(void)pthread_barrier_wait(&barrier);
	assert_int_equal(spanring_shutdown(), 0);
	client_fixture_read(fixture, &view);
	assert_null(ring_view_nth(&view, WIRE_PROCESS_END, 0));
	assert_non_null(ring_view_nth(&view, WIRE_START, 0));
	ring_view_close(&view);
	(void)pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&barrier);
}

static void exit_with_7(void *argument)
{
	client_fixture_init(argument, 1 << 20);
	exit(7);
}

static void an_exit_leaves_its_status_in_the_ring(void **state)
{
	struct client_fixture *fixture = *state;
	struct wire_process_end_record end;
	struct ring_view view;
	int status = client_fixture_fork(exit_with_7, fixture);

	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_PROCESS_END), 1);
	end = record_get_process_end(ring_view_nth(&view, WIRE_PROCESS_END, 0)->bytes);
	assert_int_equal(end.head.aux, WIRE_PROCESS_EXIT);
	assert_int_equal(end.head.flags, WIRE_PROCESS_CODE_KNOWN);
	assert_int_equal(end.code, 7);
	ring_view_close(&view);
}

/* ---- off ------------------------------------------------------------------- */

static int init_in(const char *directory)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;

	options.directory = directory;
	options.flags = SPANRING_IGNORE_ENVIRONMENT;
	return spanring_init(&options);
}

static void everything_is_a_no_op_before_init(void **state)
{
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct spanring_span span;

	(void)state;
	assert_int_equal(spanring_start(&span, "x", NULL), 0);
	assert_int_equal(spanring_set_string(&span, "k", "v"), 0);
	assert_int_equal(spanring_add_event(&span, "e", NULL, 0), 0);
	assert_int_equal(spanring_end(&span), 0);
	assert_int_equal(spanring_flush(1000), 0);
	assert_int_equal(spanring_shutdown(), 0);
	assert_int_equal(spanring_state(&asked), 0);
	assert_true(spanring_current(&span) == -ENOENT);
}

static void a_missing_directory_under_ours_is_made_and_kept_private(void **state)
{
	struct client_fixture *fixture = *state;
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/ring/", fixture->directory);
	assert_int_equal(init_in(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	spanring_shutdown();
	assert_int_equal(chdir(fixture->directory), 0);
	assert_int_equal(system("rm -r ring"), 0);
	assert_int_equal(init_in("ring"), 0);
	spanring_shutdown();
	assert_int_equal(system("rm -r ring"), 0);
	assert_int_equal(chdir("/"), 0);
}

static void a_directory_that_others_may_write_is_not_trusted(void **state)
{
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct client_fixture *fixture = *state;

	assert_int_equal(chmod(fixture->directory, 0770), 0);
	/* /dev/shm, its parent, is writable by everybody. */
	assert_int_equal(init_in(fixture->directory), -EPERM);
	assert_int_equal(spanring_state(&asked), 0);
	assert_int_equal(asked.reason, SPANRING_REASON_UNTRUSTED);
	assert_string_equal(asked.path, fixture->directory);
	assert_int_equal(init_in(fixture->directory), -EPERM);
	assert_int_equal(chmod(fixture->directory, 0700), 0);
	spanring_shutdown();
}

static void a_directory_that_comes_later_is_found(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct spanring_span span;
	char path[128];

	(void)snprintf(path, sizeof path, "%s/none/ring", fixture->directory);
	assert_int_equal(init_in(path), -ENOENT);
	assert_int_equal(spanring_start(&span, "x", NULL), 0);
	assert_false(spanring_is_recording(&span));
	assert_int_equal(spanring_state(&asked), 0);
	assert_int_equal(asked.reason, SPANRING_REASON_NO_DIRECTORY);
	(void)snprintf(path, sizeof path, "%s/none", fixture->directory);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/none/ring", fixture->directory);
	assert_int_equal(init_in(path), 0);
	spanring_shutdown();
	(void)snprintf(path, sizeof path, "rm -r %s/none", fixture->directory);
	assert_int_equal(system(path), 0);
}

static void init_under_file_size_limit(void *argument)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct client_fixture *fixture = argument;
	struct rlimit limit = {8u << 20, 8u << 20};
	struct stat st;
	char path[512];
	sigset_t pending;

	options.directory = fixture->directory;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || spanring_init(&options) != 0)
		_exit(1);
	ring_path(fixture, path);
	if (stat(path, &st) < 0 || st.st_size != 8 << 20)
		_exit(2);
	spanring_shutdown();
	unlink(path);
	limit.rlim_cur = 1000;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || spanring_init(&options) != -EFBIG)
		_exit(3);
	sigpending(&pending);
	if (sigismember(&pending, SIGXFSZ) || count_files(fixture->directory) != 0)
		_exit(4);
}

static void a_file_size_limit_makes_a_smaller_ring_or_none_but_no_signal(void **state)
{
	assert_int_equal(client_fixture_fork(init_under_file_size_limit, *state), 0);
}

/* A mount of our own, in a child; skipped where that is not allowed. */
static void fill_a_small_mount(void *argument)
{
	struct client_fixture *fixture = argument;
	struct spanring_report state = SPANRING_REPORT_INIT;
	struct spanring_span span;
	static char value[3000];
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", fixture->directory, "tmpfs", 0, "size=4m,mode=0700") < 0)
		_exit(77);
	if (init_in(fixture->directory) < 0)
		_exit(1);
	/* Half of the mount is the ring's; take the other half, and then some. */
	if (chdir(fixture->directory) < 0 ||
	    system("head -c 3000000 /dev/zero > other 2>/dev/null") < 0)
		_exit(2);
	memset(value, 'x', sizeof value);
	spanring_start(&span, "x", NULL);
	for (int i = 0; i < 1000 && r == 0; i++)
		r = spanring_set_string_n(&span, "k", value, sizeof value);
	if (r != -ENOMEM)
		_exit(3);
	if (spanring_state(&state) != 1 || state.refused_no_memory == 0)
		_exit(4);
}

static void a_full_mount_refuses_and_never_signals(void **state)
{
	int status = client_fixture_fork(fill_a_small_mount, *state);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void a_kernel_that_cannot_populate_gets_a_small_whole_ring(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	struct ring_view view;
	char path[512];
	struct stat st;

	life_options.ring.unpopulated = true;
	client_fixture_init(fixture, 0);
	life_options.ring.unpopulated = false;
	ring_path(fixture, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, RING_BYTES_UNPOPULATED);
	assert_true(st.st_blocks * 512 >= RING_BYTES_UNPOPULATED);
	spanring_start(&span, "x", NULL);
	spanring_end(&span);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_END), 1);
	ring_view_close(&view);
}

static void a_flush_succeeds_by_the_agents_word_and_times_out_without(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_agent agent;
	struct spanring_report asked = SPANRING_REPORT_INIT;

	client_fixture_init(fixture, 1 << 20);
	assert_int_equal(spanring_flush(5), -ETIMEDOUT);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_acknowledge(&agent);
	agent.ctl->flush_ack++; /* the answer to the flush that comes */
	assert_int_equal(spanring_flush(2000), 0);
	assert_int_equal(spanring_flush(5), -ETIMEDOUT);
	agent.ctl->please_stop = 1;
	assert_int_equal(spanring_flush(5), -EIO);
	assert_int_equal(spanring_state(&asked), 0);
	assert_int_equal(asked.reason, SPANRING_REASON_STOPPED);
	assert_int_equal(asked.agent, 1);
	fake_agent_close(&agent);
}

#define IN_DIRECTORY(test) \
	cmocka_unit_test_setup_teardown(test, client_fixture_setup, client_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(everything_is_a_no_op_before_init),
		IN_DIRECTORY(a_ring_is_published_whole_locked_and_readable_by_its_group),
		IN_DIRECTORY(the_lock_outlives_every_descriptor),
		IN_DIRECTORY(init_is_idempotent_and_shutdown_can_be_followed_by_init),
		IN_DIRECTORY(shutdown_says_so_in_the_ring),
		IN_DIRECTORY(shutdown_does_not_say_the_end_over_a_call_in_progress),
		IN_DIRECTORY(an_exit_leaves_its_status_in_the_ring),
		IN_DIRECTORY(a_missing_directory_under_ours_is_made_and_kept_private),
		IN_DIRECTORY(a_directory_that_others_may_write_is_not_trusted),
		IN_DIRECTORY(a_directory_that_comes_later_is_found),
		IN_DIRECTORY(a_file_size_limit_makes_a_smaller_ring_or_none_but_no_signal),
		IN_DIRECTORY(a_full_mount_refuses_and_never_signals),
		IN_DIRECTORY(a_kernel_that_cannot_populate_gets_a_small_whole_ring),
		IN_DIRECTORY(a_flush_succeeds_by_the_agents_word_and_times_out_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
