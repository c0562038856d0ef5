#include "drain/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drain/ring_dir.h"

#define CTL_MODE 0644

void ctl_init(struct ctl *ctl)
{
	*ctl = (struct ctl){0};
}

static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1 && st->st_uid == geteuid();
}

/* Opens what is there if it is ours; removes what was planted. */
static int open_in_place(struct env *env, int dirfd, const char *name)
{
	struct stat st;
	int fd, r;

	fd = env->ops->open(env, dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd == -ENOENT)
		return fd;
	if (fd >= 0) {
		r = env->ops->fstat(env, fd, &st);
		if (r == 0 && is_ours(&st))
			return fd;
		env->ops->close(env, fd);
	}
	r = ring_dir_unplant(env, dirfd, name);
	return r < 0 ? r : -ENOENT;
}

static int create(struct env *env, int dirfd, const char *name)
{
	int fd = env->ops->open(env, dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
				CTL_MODE);

	/* Whatever the umask: it holds counters only, and clients of any user
	 * must be able to read it. */
	if (fd >= 0)
		(void)fchmod(fd, CTL_MODE);
	return fd;
}

static void header_write(struct ctl *ctl, const uint8_t instance[16])
{
	struct wire_ctl_header *header = ctl->header;

	header->header_bytes = WIRE_HEADER_BYTES;
	header->version = WIRE_VERSION;
	header->compat = 0;
	header->incompat = 0;
	memcpy(header->instance, instance, 16);
	header->block_count = ctl->block_count;
	/* Relaxed: whatever an earlier agent wished for. */
	atomic_store_explicit(&header->please_stop, 0, memory_order_relaxed);
	/* G1: release, so that a client that sees the magic sees all of it. */
	__atomic_store_n(&header->magic, WIRE_CTL_MAGIC, __ATOMIC_RELEASE);
}

static bool header_is_right(const struct ctl *ctl, const uint8_t instance[16])
{
	const struct wire_ctl_header *header = ctl->header;

	return header->magic == WIRE_CTL_MAGIC && header->header_bytes == WIRE_HEADER_BYTES &&
	       header->incompat == 0 && header->block_count == ctl->block_count &&
	       memcmp(header->instance, instance, 16) == 0;
}

static int ctl_map(struct ctl *ctl, struct env *env, int fd, const uint8_t instance[16])
{
	void *at;
	int r;

	/* Allocated, not only sized: on a full mount we want an answer, not a
	 * signal at the first store. */
	r = env->ops->fallocate(env, fd, 0, (off_t)ctl->mapped_bytes);
	if (r < 0)
		return r;
	at = mmap(NULL, ctl->mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	r = guard_add(&ctl->guard, at, ctl->mapped_bytes);
	if (r < 0) {
		munmap(at, ctl->mapped_bytes);
		return r;
	}
	ctl->header = at;
	ctl->returned = (_Atomic uint32_t *)((uint8_t *)at + WIRE_HEADER_BYTES);
	if (!ctl->created && !header_is_right(ctl, instance)) {
		/* Half made by an agent that died, or damaged: nothing in it
		 * counts. */
		memset(at, 0, ctl->mapped_bytes);
		ctl->created = true;
	}
	header_write(ctl, instance);
	return 0;
}

int ctl_open(struct ctl *ctl, struct env *env, int dirfd, const char *name,
	     const uint8_t instance[16], uint32_t block_count)
{
	int fd, r;

	ctl_init(ctl);
	ctl->block_count = block_count;
	ctl->mapped_bytes = wire_ctl_bytes(block_count);
	fd = open_in_place(env, dirfd, name);
	if (fd == -ENOENT) {
		fd = create(env, dirfd, name);
		ctl->created = true;
	}
	if (fd < 0)
		return fd;
	r = ctl_map(ctl, env, fd, instance);
	env->ops->close(env, fd);
	return r;
}

bool ctl_is_open(const struct ctl *ctl)
{
	return ctl->header != NULL;
}

void ctl_close(struct ctl *ctl)
{
	if (!ctl_is_open(ctl))
		return;
	guard_remove(&ctl->guard);
	munmap(ctl->header, ctl->mapped_bytes);
	ctl_init(ctl);
}

void ctl_return(struct ctl *ctl, uint32_t block, uint32_t generation)
{
	/* R1 pairs with T1 in the client's block_is_free(): a thread that finds
	 * the block free knows that we read it no more. */
	atomic_store_explicit(&ctl->returned[block], generation, memory_order_release);
	/* R2 pairs with T2: who sees the count finds the block. */
	atomic_fetch_add_explicit(&ctl->header->returns, 1, memory_order_release);
}

uint32_t ctl_returned(const struct ctl *ctl, uint32_t block)
{
	/* Relaxed: only we write it. */
	return atomic_load_explicit(&ctl->returned[block], memory_order_relaxed);
}

void ctl_settle(struct ctl *ctl)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < ctl->block_count; i++)
		sum += ctl_returned(ctl, i);
	/* R2, as in ctl_return(). */
	atomic_store_explicit(&ctl->header->returns, sum, memory_order_release);
}

void ctl_please_stop(struct ctl *ctl)
{
	/* Relaxed: a wish that stands alone. */
	atomic_store_explicit(&ctl->header->please_stop, 1, memory_order_relaxed);
}

void ctl_flush_ack(struct ctl *ctl, uint32_t request)
{
	/* F3 pairs with F4 in the client's flush. */
	atomic_store_explicit(&ctl->header->flush_ack, request, memory_order_release);
	(void)syscall(SYS_futex, &ctl->header->flush_ack, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}
