/* fork in all its forms, exec, and closing every descriptor. */
#include "client_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

static int count_rings(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(dir)) != NULL)
		count += strstr(entry->d_name, WIRE_RING_SUFFIX) != NULL;
	closedir(dir);
	return count;
}

/* In a child: what it inherited is silent, its own span is recorded. */
static int child_life(struct spanring_span *inherited, struct client_fixture *fixture)
{
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct spanring_span own;

	if (count_rings(fixture->directory) != 1)
		return 1;
	if (spanring_is_recording(inherited) || spanring_state(&asked) != 0 ||
	    asked.reason != SPANRING_REASON_FORKED)
		return 2;
	if (spanring_set_int(inherited, "k", 1) != -ECHILD)
		return 3;
	if (spanring_start(&own, "own", NULL) != 0 || !spanring_is_recording(&own))
		return 4;
	/* The forking thread's current span is current here. */
	if (memcmp(own.trace_id, inherited->trace_id, 16) != 0)
		return 5;
	if (memcmp(own.span_id, inherited->span_id, 8) == 0)
		return 6;
	if (count_rings(fixture->directory) != 2)
		return 7;
	if (spanring_end(&own) != 0 || spanring_end(inherited) != -ECHILD)
		return 8;
	if (spanring_state(&asked) != 1 || asked.refused_inherited != 1)
		return 9;
	return 0;
}

static bool maps_a_ring(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	while (maps && fgets(line, sizeof line, maps))
		found |= strstr(line, WIRE_RING_SUFFIX) != NULL;
	if (maps)
		fclose(maps);
	return found;
}

static void look_at_maps(void *argument)
{
	(void)argument;
	_exit(maps_a_ring());
}

/* The mapping holds the lock: a child that had it would keep its parent alive. */
static void a_child_does_not_inherit_the_mapping(void **state)
{
	struct client_fixture *fixture = *state;

	client_fixture_init(fixture, 0);
	assert_true(maps_a_ring());
	assert_int_equal(client_fixture_fork(look_at_maps, NULL), 0);
}

static void check_parent(struct client_fixture *fixture, struct spanring_span *span)
{
	assert_true(spanring_is_recording(span));
	assert_int_equal(spanring_set_int(span, "still", 1), 0);
	assert_int_equal(spanring_end(span), 0);
	(void)fixture;
}

static void check_child(struct client_fixture *fixture, struct spanring_span *span, pid_t child)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	check_parent(fixture, span);
}

static void a_forked_child_records_into_a_ring_of_its_own(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	pid_t child;

	client_fixture_init(fixture, 1 << 20);
	spanring_enter(&span, "span", NULL);
	child = fork();
	if (child == 0)
		_exit(child_life(&span, fixture));
	check_child(fixture, &span, child);
}

static void so_does_one_made_without_the_c_library(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	pid_t child;

	client_fixture_init(fixture, 1 << 20);
	spanring_enter(&span, "span", NULL);
	child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		_exit(child_life(&span, fixture));
	check_child(fixture, &span, child);
}

static void a_grandchild_of_a_silent_child_has_its_own_ring_too(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	pid_t child;

	client_fixture_init(fixture, 1 << 20);
	spanring_enter(&span, "span", NULL);
	child = fork();
	if (child == 0) {
		int status;
		pid_t grandchild = fork();

		if (grandchild == 0)
			_exit(child_life(&span, fixture));
		if (waitpid(grandchild, &status, 0) != grandchild)
			_exit(20);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 21);
	}
	check_child(fixture, &span, child);
}

static void a_child_of_vfork_or_spawn_that_execs_changes_nothing(void **state)
{
	struct client_fixture *fixture = *state;
	char name[] = "true", *const argv[] = {name, NULL};
	struct spanring_span span;
	struct ring_view view;
	pid_t child;
	int status;

	client_fixture_init(fixture, 1 << 20);
	spanring_enter(&span, "span", NULL);
	assert_int_equal(posix_spawnp(&child, "true", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	child = vfork();
	if (child == 0) {
		execvp("true", argv);
		_exit(1);
	}
	check_child(fixture, &span, child);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_END), 1);
	ring_view_close(&view);
}

static _Atomic int stop;

static void *write_until_stopped(void *argument)
{
	struct spanring_span span;

	(void)argument;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		(void)spanring_start(&span, "busy", NULL);
		(void)spanring_end(&span);
	}
	return NULL;
}

/* The allocator of the address sanitizer may be locked for ever in a child that
 * was forked beside other threads, and a thread's begin and end need it. */
#ifdef __SANITIZE_ADDRESS__
#define CHILD_THREADS 0
#else
#define CHILD_THREADS 1
#endif

/* Threads that fork() leaves behind in the middle of anything hold nothing up
 * in the child, whose new threads write as well. */
static void fork_while_other_threads_write_finds_nothing_locked(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	pthread_t threads[3];

	client_fixture_init(fixture, 0);
	spanring_enter(&span, "span", NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_until_stopped, NULL),
				 0);
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			pthread_t own;

			alarm(60); /* a hang is for ever; a busy machine is not */
			atomic_store_explicit(&stop, 0, memory_order_relaxed);
			if (CHILD_THREADS &&
			    pthread_create(&own, NULL, write_until_stopped, NULL) != 0)
				_exit(1);
			for (int j = 0; j < 1000; j++) {
				struct spanring_span mine;

				if (spanring_start(&mine, "mine", NULL) != 0 ||
				    spanring_end(&mine) != 0)
					_exit(2);
			}
			atomic_store_explicit(&stop, 1, memory_order_relaxed);
			if (CHILD_THREADS)
				pthread_join(own, NULL);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	atomic_store_explicit(&stop, 1, memory_order_relaxed);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	spanring_end(&span);
}

static void close_everything(void *argument)
{
	struct client_fixture *fixture = argument;
	struct spanring_span span;

	client_fixture_init(fixture, 1 << 20);
	spanring_start(&span, "span", NULL);
	if (syscall(SYS_close_range, 0, ~0u, 0) < 0)
		for (int fd = 0; fd < 1024; fd++)
			close(fd);
	for (int i = 0; i < 1000; i++)
		if (spanring_set_int(&span, "k", i) != 0)
			_exit(1);
	if (spanring_end(&span) != 0)
		_exit(2);
}

static void closing_every_descriptor_takes_nothing_from_us(void **state)
{
	struct client_fixture *fixture = *state;
	struct ring_view view;

	assert_int_equal(client_fixture_fork(close_everything, fixture), 0);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_END), 1);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), 1000);
	ring_view_close(&view);
}

static void *exit_thread_writes(void *argument)
{
	struct spanring_span span;

	(void)argument;
	spanring_start(&span, "thread", NULL);
	spanring_end(&span);
	return NULL;
}

static void hundreds_of_short_threads_find_room_one_after_the_other(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct fake_agent agent;

	client_fixture_init(fixture, 1 << 20);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	for (int i = 0; i < 500; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, exit_thread_writes, NULL), 0);
		pthread_join(thread, NULL);
		if (i % 10 == 0)
			(void)fake_agent_return(&agent, UINT32_MAX);
	}
	assert_int_equal(spanring_state(&asked), 1);
	assert_int_equal(asked.refused_ring_full, 0);
	fake_agent_close(&agent);
}

static void *init_and_shutdown(void *argument)
{
	struct client_fixture *fixture = argument;

	for (int i = 0; i < 20; i++) {
		client_fixture_init(fixture, 1 << 20);
		spanring_shutdown();
	}
	atomic_store_explicit(&stop, 1, memory_order_relaxed);
	return NULL;
}

static void shutdown_under_writing_threads_crashes_nobody(void **state)
{
	struct client_fixture *fixture = *state;
	pthread_t writers[2], switcher;

	atomic_store_explicit(&stop, 0, memory_order_relaxed);
	client_fixture_init(fixture, 1 << 20);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_until_stopped, NULL),
				 0);
	assert_int_equal(pthread_create(&switcher, NULL, init_and_shutdown, fixture), 0);
	pthread_join(switcher, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
}

#define IN_DIRECTORY(test) \
	cmocka_unit_test_setup_teardown(test, client_fixture_setup, client_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(a_forked_child_records_into_a_ring_of_its_own),
		IN_DIRECTORY(a_child_does_not_inherit_the_mapping),
		IN_DIRECTORY(so_does_one_made_without_the_c_library),
		IN_DIRECTORY(a_grandchild_of_a_silent_child_has_its_own_ring_too),
		IN_DIRECTORY(a_child_of_vfork_or_spawn_that_execs_changes_nothing),
		IN_DIRECTORY(fork_while_other_threads_write_finds_nothing_locked),
		IN_DIRECTORY(closing_every_descriptor_takes_nothing_from_us),
		IN_DIRECTORY(hundreds_of_short_threads_find_room_one_after_the_other),
		IN_DIRECTORY(shutdown_under_writing_threads_crashes_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
