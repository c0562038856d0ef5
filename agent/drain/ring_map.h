/* A ring file, opened for reading and checked. The state area (header and
 * lines) is mapped read-only under a guard; payload is only ever read with
 * pread, which a cut file makes short instead of deadly. */
#ifndef DRAIN_RING_MAP_H
#define DRAIN_RING_MAP_H

#include "base/env.h"
#include "drain/guard.h"
#include "wire/abi.h"

struct ring_map {
	int fd;
	uint32_t uid; /* the file's owner */
	struct wire_ring_header header; /* a copy, checked; the constant part only */
	const struct wire_ring_header *live;
	const struct wire_block_line *lines;
	size_t mapped_bytes;
	struct guard guard;
	uint32_t lines_usable; /* [0, lines_usable) are known to be real memory */
};

/* `dir` is the directory's stat. Names are one component, nothing is followed,
 * nothing blocks. *ret_reason says in words what is wrong with the file.
 * -ENOENT: gone meanwhile. -ELOOP, -ENXIO, -EXDEV, -EMLINK, -EISDIR: planted.
 * -EPROTO: not a ring that this version reads. */
int ring_map_open(struct ring_map *map, struct env *env, int dirfd, const struct stat *dir,
		  const char *name, const char **ret_reason);
void ring_map_close(struct ring_map *map, struct env *env);

/* The file is still what it was: its size, and no fault so far. -EPROTO; anything
 * else: it cannot be looked at now. */
int ring_map_verify(const struct ring_map *map, struct env *env, const char **ret_reason);

/* How many lines may be looked at, loaded anew. Lines are only looked at where
 * the file has memory: a load in a hole would make the agent pay for the page.
 * -EPROTO: the number is nonsense. */
int ring_map_lines(struct ring_map *map, uint32_t *ret_count);

#endif
