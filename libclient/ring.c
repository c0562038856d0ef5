#include "ring.h"

#include "cancel.h"
#include "clock.h"
#include "ids.h"
#include "linux_numbers.h"
#include "ring_file.h"
#include "w3c.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h> /* renameat() */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define LOOK_INTERVAL_NS UINT64_C(100000000)
#define LOOK_INTERVAL_URGENT_NS UINT64_C(2000000)

/* ---- memory ---------------------------------------------------------------- */

int ring_populate(struct ring *ring, uint64_t offset, uint64_t length)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t from = offset & ~(page - 1);
	uint64_t to = (offset + length + page - 1) & ~(page - 1);
	int error = errno, r = 0;

	if (!ring->populates)
		return 0;
	if (to > ring->size)
		to = ring->size;
	while (madvise(ring->base + from, to - from, MADV_POPULATE_WRITE) < 0) {
		if (errno == EINTR || errno == EAGAIN)
			continue;
		r = -errno;
		break;
	}
	errno = error;
	return r;
}

/* Whether the kernel can populate: asked of one private page, because a
 * refusal of the ring's own page could also mean a full mount. */
static bool kernel_populates(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool does;

	if (at == MAP_FAILED)
		return false;
	does = madvise(at, page, MADV_POPULATE_WRITE) == 0 || errno != EINVAL;
	(void)munmap(at, page); /* our own page: cannot fail */
	return does;
}

static struct ring *private_new(uint32_t block_count)
{
	size_t bytes = sizeof(struct ring) + block_count;
	struct ring *ring =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ring == MAP_FAILED)
		return NULL;
	ring->private_bytes = bytes;
	ring->block_count = block_count;
	return ring;
}

/* Where the parent had it. Without memory the write will fault: nothing else
 * is left to be done. */
static void map_stand_in(const void *at, uint64_t bytes)
{
	if (at)
		(void)mmap((void *)(uintptr_t)at, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

void ring_stand_in(struct ring *ring)
{
	int error = errno;

	map_stand_in(ring->base, ring->size);
	map_stand_in(atomic_load_explicit(&ring->ctl, memory_order_acquire), /* K1, below */
		     wire_ctl_bytes(ring->block_count));
	map_stand_in(atomic_load_explicit(&ring->page, memory_order_acquire), /* K2, below */
		     sizeof(struct wire_agent_page));
	ring->stands_in = true;
	errno = error;
}

void ring_forget(struct ring *ring)
{
	int error = errno;

	if (ring->stands_in)
		return;
	(void)munmap(ring, ring->private_bytes); /* our own memory: cannot fail */
	errno = error;
}

void ring_unmap(struct ring *ring)
{
	const struct wire_ctl_header *ctl =
		atomic_load_explicit(&ring->ctl, memory_order_acquire); /* K1, below */
	const struct wire_agent_page *page =
		atomic_load_explicit(&ring->page, memory_order_acquire); /* K2, below */
	int error = errno;

	/* All three are our own mappings: munmap cannot fail on them. */
	if (ctl)
		(void)munmap((void *)(uintptr_t)ctl, wire_ctl_bytes(ring->block_count));
	if (page)
		(void)munmap((void *)(uintptr_t)page, sizeof *page);
	(void)munmap(ring->base, ring->size);
	errno = error;
	ring_forget(ring);
}

/* ---- making ---------------------------------------------------------------- */

static void header_fill(struct ring *ring)
{
	struct wire_ring_header *header = ring->header;
	struct clock_anchor anchor = clock_anchor();

	header->header_bytes = WIRE_HEADER_BYTES;
	header->version = WIRE_VERSION;
	memcpy(header->instance, ring->instance, sizeof header->instance);
	header->size = ring->size;
	header->block_bytes = WIRE_BLOCK_BYTES;
	header->block_count = ring->block_count;
	header->lines_offset = WIRE_HEADER_BYTES;
	header->blocks_offset = wire_blocks_offset(ring->size);
	header->clock = clock_kind;
	header->pid = (uint32_t)getpid();
	header->anchor_ticks = anchor.ticks;
	header->anchor_mono_ns = anchor.mono_ns;
	header->anchor_boot_ns = anchor.boot_ns;
	header->anchor_wall_ns = anchor.wall_ns;
	ring_file_describe_process(header);
	header->magic = WIRE_RING_MAGIC;
}

static int map_and_fill(struct ring *ring, int fd, bool populates)
{
	int r;

	ring->base = mmap(NULL, ring->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring->base == MAP_FAILED)
		return -errno;
	ring->populates = populates;
	ring->header = (struct wire_ring_header *)ring->base;
	ring->lines = (struct wire_block_line *)(ring->base + WIRE_HEADER_BYTES);
	ring->blocks = ring->base + wire_blocks_offset(ring->size);
	r = madvise(ring->base, ring->size, MADV_DONTFORK) < 0 ? -errno : 0;
	if (r == 0)
		r = ring_populate(ring, 0, WIRE_HEADER_BYTES);
	if (r < 0) {
		(void)munmap(ring->base, ring->size); /* ours: cannot fail */
		return r;
	}
	header_fill(ring);
	if (!populates) {
		memset(ring->backed, 1, ring->block_count);
		/* Relaxed: nobody sees this file yet; the rename publishes it. */
		atomic_store_explicit(&ring->header->blocks_ready, ring->block_count,
				      memory_order_relaxed);
	}
	return 0;
}

static void name_paths(struct ring *ring, const struct directory *directory,
		       char ret_name[RING_NAME_SIZE])
{
	size_t length = strlen(directory->path);

	w3c_hex(ring->instance, sizeof ring->instance, ret_name);
	memcpy(ret_name + 32, WIRE_RING_SUFFIX, sizeof WIRE_RING_SUFFIX);
	memcpy(ring->directory, directory->path, length + 1);
	memcpy(ring->path, directory->path, length);
	ring->path[length] = '/';
	memcpy(ring->path + length + 1, ret_name, strlen(ret_name) + 1);
	ring->directory_owner = directory->owner;
}

static int publish(struct ring *ring, const struct directory *directory, int fd,
		   const char *temporary, const char *name, bool populates)
{
	int r = map_and_fill(ring, fd, populates);

	if (r < 0)
		return r;
	if (renameat(directory->fd, temporary, directory->fd, name) == 0)
		return 0;
	r = -errno;
	(void)munmap(ring->base, ring->size); /* ours: cannot fail */
	return r;
}

int ring_new(struct ring **ret_ring, const struct directory *directory,
	     const struct ring_options *options)
{
	bool populates = !options->unpopulated && kernel_populates();
	uint64_t size = options->bytes_max ? options->bytes_max : WIRE_RING_BYTES_DEFAULT;
	char name[RING_NAME_SIZE], temporary[RING_NAME_SIZE];
	uint8_t instance[16];
	struct ring *ring;
	int fd, r;

	ids_random(instance, sizeof instance);
	if (!populates && size > RING_BYTES_UNPOPULATED)
		size = RING_BYTES_UNPOPULATED;
	fd = ring_file_create(directory->fd, instance, !populates, &size, temporary);
	if (fd < 0)
		return fd;
	ring = private_new(wire_block_count(size));
	if (!ring) {
		r = -ENOMEM;
		goto remove;
	}
	ring->size = size;
	ring->wait_ms = options->wait_ms;
	memcpy(ring->instance, instance, sizeof instance);
	name_paths(ring, directory, name);
	r = publish(ring, directory, fd, temporary, name, populates);
	if (r < 0) {
		ring_forget(ring);
		goto remove;
	}
	(void)close(fd); /* the mapping keeps the lock; nothing was written through fd */
	*ret_ring = ring;
	return 0;

remove:
	(void)unlinkat(directory->fd, temporary, 0); /* the agent sweeps what stays */
	(void)close(fd);
	return r;
}

/* ---- the agent's files ----------------------------------------------------- */

/* Maps a file of the agent, or returns NULL: not there yet, or not the agent's. */
static const void *map_agent_file(const struct ring *ring, const char *name, uint64_t bytes)
{
	char path[RING_PATH_SIZE];
	size_t length = strlen(ring->directory);
	struct stat st;
	void *at = NULL;
	int fd;

	memcpy(path, ring->directory, length);
	path[length] = '/';
	memcpy(path + length + 1, name, strlen(name) + 1);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == ring->directory_owner &&
	    (uint64_t)st.st_size >= bytes) {
		at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
		if (at != MAP_FAILED)
			(void)madvise(at, bytes, MADV_DONTFORK); /* the child would not look */
		else
			at = NULL;
	}
	(void)close(fd); /* read only */
	return at;
}

static void look_for_ctl(struct ring *ring)
{
	uint64_t bytes = wire_ctl_bytes(ring->block_count);
	const struct wire_ctl_header *ctl, *expected = NULL;
	char name[RING_NAME_SIZE];

	w3c_hex(ring->instance, sizeof ring->instance, name);
	memcpy(name + 32, WIRE_CTL_SUFFIX, sizeof WIRE_CTL_SUFFIX);
	ctl = map_agent_file(ring, name, bytes);
	if (!ctl)
		return;
	if (ctl->magic != WIRE_CTL_MAGIC || ctl->incompat != 0 ||
	    ctl->header_bytes != WIRE_HEADER_BYTES || ctl->block_count != ring->block_count ||
	    memcmp(ctl->instance, ring->instance, sizeof ring->instance) != 0 ||
	    /* K1: release, pairs with the acquire in blocks.c and ring_unmap() */
	    !atomic_compare_exchange_strong_explicit(&ring->ctl, &expected, ctl,
						     memory_order_release,
						     memory_order_relaxed))
		(void)munmap((void *)(uintptr_t)ctl, bytes); /* ours: cannot fail */
}

static void look_for_page(struct ring *ring)
{
	const struct wire_agent_page *page, *expected = NULL;

	page = map_agent_file(ring, WIRE_PAGE_NAME, sizeof *page);
	if (!page)
		return;
	if (page->magic != WIRE_PAGE_MAGIC || page->incompat != 0 ||
	    page->header_bytes != WIRE_HEADER_BYTES ||
	    /* K2: release, pairs with the acquire in ring_doorbell() */
	    !atomic_compare_exchange_strong_explicit(&ring->page, &expected, page,
						     memory_order_release,
						     memory_order_relaxed))
		(void)munmap((void *)(uintptr_t)page, sizeof *page); /* ours */
}

void ring_look_for_agent(struct ring *ring, bool is_urgent)
{
	uint64_t interval = is_urgent ? LOOK_INTERVAL_URGENT_NS : LOOK_INTERVAL_NS;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	/* Relaxed: it only paces us; the exchange lets one thread through. */
	uint64_t looked = atomic_load_explicit(&ring->looked_ns, memory_order_relaxed);
	int error = errno, cancel_state;

	if (looked && now - looked < interval)
		return;
	if (!atomic_compare_exchange_strong_explicit(&ring->looked_ns, &looked, now,
						     memory_order_relaxed,
						     memory_order_relaxed))
		return;
	cancel_state = cancel_hold();
	/* Relaxed: a pointer that is only compared with NULL. */
	if (!atomic_load_explicit(&ring->ctl, memory_order_relaxed))
		look_for_ctl(ring);
	if (!atomic_load_explicit(&ring->page, memory_order_relaxed))
		look_for_page(ring);
	cancel_release(cancel_state);
	errno = error;
}

void ring_doorbell(struct ring *ring, bool always)
{
	const struct wire_agent_page *page =
		atomic_load_explicit(&ring->page, memory_order_acquire); /* K2 */
	const struct wire_ctl_header *ctl =
		atomic_load_explicit(&ring->ctl, memory_order_acquire); /* K1 */
	int error = errno;
	uint32_t returns;

	if (!page)
		return;
	/* F1: seq_cst, see spanring_flush(). */
	if (!atomic_load_explicit(&page->sleeping, memory_order_seq_cst))
		return;
	/* Relaxed: it only spares a second wake. */
	returns = ctl ? atomic_load_explicit(&ctl->returns, memory_order_relaxed) : 0;
	if (!always &&
	    atomic_exchange_explicit(&ring->rung_returns, returns + 1, memory_order_relaxed) ==
		    returns + 1)
		return;
	(void)syscall(SYS_futex, &page->doorbell, LINUX_FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	errno = error;
}
