#include "client_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int client_fixture_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

int client_fixture_setup(void **state)
{
	struct client_fixture *fixture = calloc(1, sizeof *fixture);

	(void)snprintf(fixture->directory, sizeof fixture->directory,
		       "/dev/shm/spanring-test-XXXXXX");
	if (!mkdtemp(fixture->directory))
		return -1;
	fixture->descriptors = client_fixture_descriptors();
	*state = fixture;
	return 0;
}

static void remove_files(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

void client_fixture_teardown_files(struct client_fixture *fixture)
{
	remove_files(fixture->directory);
}

int client_fixture_teardown(void **state)
{
	struct client_fixture *fixture = *state;
	int leaked;

	(void)spanring_shutdown();
	leaked = client_fixture_descriptors() - fixture->descriptors;
	remove_files(fixture->directory);
	(void)rmdir(fixture->directory);
	free(fixture);
	return leaked ? -1 : 0;
}

void client_fixture_init(struct client_fixture *fixture, uint64_t ring_bytes)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;

	options.directory = fixture->directory;
	options.ring_bytes_max = ring_bytes;
	options.flags = SPANRING_RESOURCE_WHOLE | SPANRING_IGNORE_ENVIRONMENT;
	assert_int_equal(spanring_init(&options), 0);
}

void client_fixture_read(struct client_fixture *fixture, struct ring_view *view)
{
	int r = ring_view_open(view, fixture->directory);

	if (view->why)
		print_error("%s\n", view->why);
	assert_int_equal(r, 0);
}

int client_fixture_fork(void (*run)(void *), void *argument)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		run(argument);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* ---- the agent's part ------------------------------------------------------ */

static void *map_ring(const char *directory, char ret_path[512], size_t *ret_size)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	struct stat st;
	void *at;
	int fd;

	ret_path[0] = '\0';
	while ((entry = readdir(dir)) != NULL)
		if (strstr(entry->d_name, WIRE_RING_SUFFIX))
			(void)snprintf(ret_path, 512, "%s/%s", directory, entry->d_name);
	closedir(dir);
	fd = open(ret_path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(at != MAP_FAILED);
	close(fd);
	*ret_size = (size_t)st.st_size;
	return at;
}

void fake_agent_open(struct fake_agent *agent, const char *directory)
{
	const struct wire_ring_header *header;
	char path[512];
	uint8_t *at;
	int fd;

	memset(agent, 0, sizeof *agent);
	agent->ring = map_ring(directory, path, &agent->ring_size);
	header = (const struct wire_ring_header *)agent->ring;
	agent->block_count = header->block_count;
	(void)snprintf(strrchr(path, '.'), 8, WIRE_CTL_SUFFIX);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)wire_ctl_bytes(agent->block_count)), 0);
	at = mmap(NULL, wire_ctl_bytes(agent->block_count), PROT_READ | PROT_WRITE, MAP_SHARED,
		  fd, 0);
	assert_true(at != MAP_FAILED);
	close(fd);
	agent->ctl = (struct wire_ctl_header *)at;
	agent->returned = (_Atomic uint32_t *)(at + WIRE_HEADER_BYTES);
	agent->ctl->header_bytes = WIRE_HEADER_BYTES;
	agent->ctl->version = WIRE_VERSION;
	memcpy(agent->ctl->instance, header->instance, sizeof header->instance);
	agent->ctl->block_count = agent->block_count;
	agent->ctl->magic = WIRE_CTL_MAGIC;
}

void fake_agent_close(struct fake_agent *agent)
{
	munmap(agent->ctl, wire_ctl_bytes(agent->block_count));
	munmap(agent->ring, agent->ring_size);
}

void fake_agent_found(void)
{
	struct spanring_report state = SPANRING_REPORT_INIT;

	while (!state.agent)
		(void)spanring_state(&state);
}

uint32_t fake_agent_return(struct fake_agent *agent, uint32_t limit)
{
	const struct wire_ring_header *header = (const void *)agent->ring;
	const struct wire_block_line *lines = (const void *)(agent->ring + WIRE_HEADER_BYTES);
	/* C3 pairs with P3 in libclient/blocks.c. */
	uint32_t ready = atomic_load_explicit(&header->blocks_ready, memory_order_acquire);
	uint32_t count = 0;

	for (uint32_t i = 0; i < ready && count < limit; i++) {
		/* C1 and C2 pair with P1 and P2. */
		uint32_t generation =
			atomic_load_explicit(&lines[i].generation, memory_order_acquire);
		uint32_t committed =
			atomic_load_explicit(&lines[i].committed, memory_order_acquire);

		/* Relaxed: only we write it. */
		if (generation == atomic_load_explicit(&agent->returned[i],
						       memory_order_relaxed) ||
		    !(committed & WIRE_SEALED))
			continue;
		/* R1, then R2: pair with T1 and T2. */
		atomic_store_explicit(&agent->returned[i], generation, memory_order_release);
		atomic_fetch_add_explicit(&agent->ctl->returns, 1, memory_order_release);
		count++;
	}
	return count;
}

void fake_agent_acknowledge(struct fake_agent *agent)
{
	const struct wire_ring_header *header = (const void *)agent->ring;
	/* F2 and F3 pair with F1 and F4 in libclient/flush.c. */
	uint32_t request = atomic_load_explicit(&header->flush_req, memory_order_acquire);

	atomic_store_explicit(&agent->ctl->flush_ack, request, memory_order_release);
}
