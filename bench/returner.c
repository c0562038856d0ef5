#include "returner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wire/abi.h"

static struct {
	char dir[256];
	pthread_t thread;
	_Atomic bool stop;
	unsigned returned;
} returner;

static void nap(void)
{
	(void)nanosleep(&(struct timespec){0, 200000}, NULL);
}

/* The name of a finished ring in the directory; false while there is none. */
static bool find_ring(char name[64])
{
	struct dirent *entry;
	DIR *dir = opendir(returner.dir);
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		found = len == 37 && strcmp(entry->d_name + 32, WIRE_RING_SUFFIX) == 0;
		if (found)
			memcpy(name, entry->d_name, len + 1);
	}
	(void)closedir(dir);
	return found;
}

static const uint8_t *map_ring(const char *name, struct wire_ring_header *ret_header)
{
	char path[512];
	const uint8_t *at;
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", returner.dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, ret_header, sizeof *ret_header, 0) != sizeof *ret_header)
		return NULL;
	at = mmap(NULL, ret_header->blocks_offset, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return at == MAP_FAILED ? NULL : at;
}

static uint8_t *make_ctl(const char *ring_name, const struct wire_ring_header *ring)
{
	struct wire_ctl_header header = {
		.magic = WIRE_CTL_MAGIC,
		.header_bytes = WIRE_HEADER_BYTES,
		.version = WIRE_VERSION,
		.block_count = ring->block_count,
	};
	char path[512];
	uint8_t *at;
	int fd;

	memcpy(header.instance, ring->instance, sizeof header.instance);
	(void)snprintf(path, sizeof path, "%s/%.32s%s", returner.dir, ring_name, WIRE_CTL_SUFFIX);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return NULL;
	if (ftruncate(fd, (off_t)wire_ctl_bytes(ring->block_count)) < 0 ||
	    pwrite(fd, &header, sizeof header, 0) != sizeof header)
		at = MAP_FAILED;
	else
		at = mmap(NULL, wire_ctl_bytes(ring->block_count), PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	close(fd);
	return at == MAP_FAILED ? NULL : at;
}

/* One look at every block. Gives back what is sealed. */
static unsigned give_back(const uint8_t *ring, uint8_t *ctl)
{
	const struct wire_ring_header *header = (const void *)ring;
	const struct wire_block_line *lines = (const void *)(ring + WIRE_HEADER_BYTES);
	struct wire_ctl_header *answer = (void *)ctl;
	_Atomic uint32_t *returned = (void *)(ctl + WIRE_HEADER_BYTES);
	uint32_t ready = atomic_load_explicit(&header->blocks_ready, memory_order_acquire);
	unsigned given = 0;

	for (uint32_t i = 0; i < ready && i < header->block_count; i++) {
		uint32_t generation =
			atomic_load_explicit(&lines[i].generation, memory_order_acquire);

		if (generation == atomic_load_explicit(&returned[i], memory_order_relaxed))
			continue;
		if (!(atomic_load_explicit(&lines[i].committed, memory_order_acquire) &
		      WIRE_SEALED))
			continue;
		atomic_store_explicit(&returned[i], generation, memory_order_release);
		given++;
	}
	if (given)
		(void)atomic_fetch_add_explicit(&answer->returns, given, memory_order_release);
	return given;
}

static void *serve(void *unused)
{
	struct wire_ring_header header;
	const uint8_t *ring = NULL;
	uint8_t *ctl = NULL;
	char name[64];

	(void)unused;
	while (!returner.stop && !find_ring(name))
		nap();
	if (!returner.stop)
		ring = map_ring(name, &header);
	if (ring)
		ctl = make_ctl(name, &header);
	while (ctl && !returner.stop) {
		unsigned given = give_back(ring, ctl);

		returner.returned += given;
		if (!given)
			nap();
	}
	return NULL;
}

int returner_start(const char *dir)
{
	(void)snprintf(returner.dir, sizeof returner.dir, "%s", dir);
	returner.stop = false;
	return -pthread_create(&returner.thread, NULL, serve, NULL);
}

unsigned returner_stop(void)
{
	returner.stop = true;
	(void)pthread_join(returner.thread, NULL);
	return returner.returned;
}
