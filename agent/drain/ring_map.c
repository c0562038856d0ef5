#include "drain/ring_map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int refuse(const char **ret_reason, int error, const char *reason)
{
	*ret_reason = reason;
	return error;
}

static int check_file(const struct stat *st, const struct stat *dir, const char **ret_reason)
{
	if (!S_ISREG(st->st_mode))
		return refuse(ret_reason, -ENXIO, "not a regular file");
	if (st->st_nlink != 1)
		return refuse(ret_reason, -EMLINK, "has other names");
	if (st->st_dev != dir->st_dev)
		return refuse(ret_reason, -EXDEV, "lies on another file system");
	if ((uint64_t)st->st_size < WIRE_RING_BYTES_MIN ||
	    (uint64_t)st->st_size > WIRE_RING_BYTES_MAX)
		return refuse(ret_reason, -EPROTO, "its size is not that of a ring");
	return 0;
}

static int check_header(const struct wire_ring_header *header, const struct stat *st,
			const char **ret_reason)
{
	uint64_t size = (uint64_t)st->st_size;

	if (header->magic == __builtin_bswap64(WIRE_RING_MAGIC))
		return refuse(ret_reason, -EPROTO, "written in the other byte order");
	if (header->magic != WIRE_RING_MAGIC)
		return refuse(ret_reason, -EPROTO, "not a ring");
	if (header->incompat != 0 || header->header_bytes != WIRE_HEADER_BYTES)
		return refuse(ret_reason, -EPROTO, "made by a newer version");
	if (header->version != WIRE_VERSION)
		return refuse(ret_reason, -EPROTO, "made by another version");
	if (header->size != size)
		return refuse(ret_reason, -EPROTO, "its size is not what its header says");
	if (header->block_bytes != WIRE_BLOCK_BYTES ||
	    header->lines_offset != WIRE_HEADER_BYTES ||
	    header->blocks_offset != wire_blocks_offset(size) || header->block_count == 0 ||
	    header->block_count != wire_block_count(size))
		return refuse(ret_reason, -EPROTO, "its layout does not add up");
	if (header->clock != WIRE_CLOCK_MONOTONIC && header->clock != WIRE_CLOCK_TSC)
		return refuse(ret_reason, -EPROTO, "its clock is unknown");
	return 0;
}

static int map_state_area(struct ring_map *map, const char **ret_reason)
{
	void *at;
	int r;

	map->mapped_bytes =
		WIRE_HEADER_BYTES + (size_t)map->header.block_count * WIRE_LINE_BYTES;
	at = mmap(NULL, map->mapped_bytes, PROT_READ, MAP_SHARED, map->fd, 0);
	if (at == MAP_FAILED)
		return refuse(ret_reason, -errno, "cannot be mapped");
	r = guard_add(&map->guard, at, map->mapped_bytes);
	if (r < 0) {
		munmap(at, map->mapped_bytes);
		return refuse(ret_reason, r, "cannot be guarded");
	}
	map->live = at;
	map->lines = (const struct wire_block_line *)((const uint8_t *)at + WIRE_HEADER_BYTES);
	return 0;
}

int ring_map_open(struct ring_map *map, struct env *env, int dirfd, const struct stat *dir,
		  const char *name, const char **ret_reason)
{
	struct stat st;
	ssize_t n;
	int r;

	*map = (struct ring_map){.fd = -1};
	*ret_reason = "cannot be opened";
	r = env->ops->open(env, dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (r < 0)
		return r;
	map->fd = r;
	r = env->ops->fstat(env, map->fd, &st);
	if (r == 0)
		r = check_file(&st, dir, ret_reason);
	if (r < 0)
		goto close;
	map->uid = st.st_uid;
	n = env->ops->pread(env, map->fd, &map->header, sizeof map->header, 0);
	if (n != sizeof map->header) {
		r = refuse(ret_reason, n < 0 ? (int)n : -EPROTO, "its header cannot be read");
		goto close;
	}
	r = check_header(&map->header, &st, ret_reason);
	if (r == 0)
		r = map_state_area(map, ret_reason);
	if (r < 0)
		goto close;
	return 0;

close:
	env->ops->close(env, map->fd);
	map->fd = -1;
	return r;
}

void ring_map_close(struct ring_map *map, struct env *env)
{
	if (map->fd < 0)
		return;
	guard_remove(&map->guard);
	munmap((void *)map->live, map->mapped_bytes);
	env->ops->close(env, map->fd);
	*map = (struct ring_map){.fd = -1};
}

int ring_map_verify(const struct ring_map *map, struct env *env, const char **ret_reason)
{
	struct stat st;
	int r;

	if (guard_hit(&map->guard))
		return refuse(ret_reason, -EPROTO, "it was cut while it was read");
	r = env->ops->fstat(env, map->fd, &st);
	if (r < 0) /* no fault of the ring's */
		return refuse(ret_reason, r, "it cannot be looked at");
	if ((uint64_t)st.st_size != map->header.size)
		return refuse(ret_reason, -EPROTO, "its size changed");
	/* The constant part, identity foremost; what follows may change. */
	if (memcmp(map->live, &map->header, offsetof(struct wire_ring_header, reserved0)) != 0)
		return refuse(ret_reason, -EPROTO, "its header changed");
	return 0;
}

static uint32_t lines_backed(const struct ring_map *map, uint32_t from, uint32_t to)
{
	off_t begin = WIRE_HEADER_BYTES + (off_t)from * WIRE_LINE_BYTES;
	off_t hole = lseek(map->fd, begin, SEEK_HOLE);

	if (hole < 0) /* ENXIO: cut, which verify sees; EINVAL: no such question here */
		return errno == ENXIO ? from : to;
	hole = (hole - WIRE_HEADER_BYTES) / WIRE_LINE_BYTES;
	return (uint64_t)hole < to ? (uint32_t)hole : to;
}

int ring_map_lines(struct ring_map *map, uint32_t *ret_count)
{
	/* C3 pairs with the client's P3: the lines it counts are real. */
	uint32_t ready = atomic_load_explicit(&map->live->blocks_ready, memory_order_acquire);

	if (ready > map->header.block_count || ready < map->lines_usable)
		return -EPROTO;
	/* Lines that are claimed but lie in a hole were never taken: zero. */
	if (ready > map->lines_usable)
		map->lines_usable = lines_backed(map, map->lines_usable, ready);
	*ret_count = map->lines_usable;
	return 0;
}
