#include "testing_ring.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES (UINT64_C(1) << 16)

struct testing_chunk {
	struct testing_chunk *next;
	size_t used;
	size_t size;
	_Alignas(16) uint8_t bytes[];
};

void *testing_alloc(struct testing_arena *arena, size_t count, size_t size)
{
	struct testing_chunk *chunk = arena->chunks;
	size_t bytes, chunk_bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + 15) & ~(size_t)15;
	if (!chunk || bytes > chunk->size - chunk->used) {
		chunk_bytes = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		chunk = calloc(1, sizeof *chunk + chunk_bytes);
		if (!chunk)
			return NULL;
		chunk->size = chunk_bytes;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	chunk->used += bytes;
	return chunk->bytes + chunk->used - bytes;
}

void testing_free(struct testing_arena *arena)
{
	struct testing_chunk *chunk = arena->chunks, *next;

	for (; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	arena->chunks = NULL;
}

/* ---- one ring ------------------------------------------------------------------- */

struct mapped {
	const uint8_t *at;
	size_t size;
};

/* A block that some thread has taken. */
struct seen {
	uint32_t index, thread, thread_block;
};

/* A value that is being put together of its fragments. */
struct joining {
	uint8_t *bytes; /* NULL: none */
	uint32_t length, filled;
};

static int add(struct testing_arena *arena, struct testing_ring *ring, const uint8_t *bytes,
	       uint32_t length)
{
	if (ring->count == ring->room) {
		size_t room = ring->room ? 2 * ring->room : 256;
		struct testing_record *more = testing_alloc(arena, room, sizeof *more);

		if (!more)
			return -ENOMEM;
		if (ring->count)
			memcpy(more, ring->records, ring->count * sizeof *more);
		ring->records = more;
		ring->room = room;
	}
	ring->records[ring->count++] = (struct testing_record){bytes, length};
	return 0;
}

/* A value that was abandoned, or whose pieces do not fit, is left out: the agent does the
 * same. */
static int join(struct testing_arena *arena, struct testing_ring *ring, struct joining *joining,
		const uint8_t *at)
{
	struct wire_head head = record_head(at);
	struct wire_fragment_first first = {.head = head};
	uint32_t fixed = sizeof head, piece;

	if (head.flags & WIRE_FRAGMENT_FIRST) {
		memcpy(&first, at, sizeof first);
		fixed = sizeof first;
		joining->bytes = testing_alloc(arena, 1, first.whole_length + UINT64_C(8));
		if (!joining->bytes)
			return -ENOMEM;
		joining->length = first.whole_length;
		joining->filled = 0;
	}
	piece = head.length - fixed;
	if (!joining->bytes || piece > joining->length - joining->filled) {
		joining->bytes = NULL;
		return 0;
	}
	memcpy(joining->bytes + joining->filled, at + fixed, piece);
	joining->filled += piece;
	if (!(head.flags & WIRE_FRAGMENT_LAST))
		return 0;
	at = joining->bytes;
	joining->bytes = NULL;
	if (joining->filled != joining->length || record_check(at, joining->length) < 0)
		return 0;
	return add(arena, ring, at, joining->length);
}

static int read_block(struct testing_arena *arena, struct testing_ring *ring,
		      const uint8_t *block, uint32_t committed, struct joining *joining)
{
	uint8_t *copy = testing_alloc(arena, 1, committed);
	const uint8_t *at = copy, *end = copy + committed;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, block, committed);
	while (r == 0 && at < end) {
		int64_t advance = record_check(at, (size_t)(end - at));

		if (advance < 0 || advance > end - at)
			return 0; /* written over: the rest of the block is lost */
		if (record_head(at).type == WIRE_FRAGMENT) {
			r = join(arena, ring, joining, at);
		} else {
			joining->bytes = NULL;
			r = add(arena, ring, at, record_head(at).length);
		}
		at += advance;
	}
	return r;
}

static int by_thread(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->thread_block < y->thread_block ? -1 : x->thread_block > y->thread_block;
}

static bool header_is_good(const struct mapped *mapped, const struct wire_ring_header *header)
{
	return header->magic == WIRE_RING_MAGIC && header->version == WIRE_VERSION &&
	       header->incompat == 0 && header->size == mapped->size &&
	       header->block_bytes == WIRE_BLOCK_BYTES &&
	       header->block_count == wire_block_count(mapped->size) &&
	       header->lines_offset == WIRE_HEADER_BYTES &&
	       header->blocks_offset == wire_blocks_offset(mapped->size);
}

static const struct wire_block_line *line_of(const struct mapped *mapped, uint32_t index)
{
	return (const struct wire_block_line *)(mapped->at + WIRE_HEADER_BYTES) + index;
}

static bool see(const struct mapped *mapped, uint32_t index, struct seen *ret)
{
	const struct wire_block_line *line = line_of(mapped, index);

	/* C1 as in the agent's drain, pairing with the client's P1. */
	if (atomic_load_explicit(&line->generation, memory_order_acquire) == 0)
		return false;
	*ret = (struct seen){index, line->thread, line->thread_block};
	return true;
}

/* How far the block may be read now. Of a thread that went on to another block this one is
 * sealed, so that nothing is missing between the two. */
static uint32_t committed_of(const struct mapped *mapped, uint32_t index)
{
	const struct wire_block_line *line = line_of(mapped, index);
	uint32_t committed;

	/* C2 as in the agent's drain, pairing with the client's P2. */
	committed = atomic_load_explicit(&line->committed, memory_order_acquire) & ~WIRE_SEALED;
	return committed <= WIRE_BLOCK_BYTES ? committed : 0;
}

/* A thread's blocks, up to the first that is missing: it was taken after its line was looked
 * at, and what came behind it would be without its beginning. */
static int read_thread(struct testing_arena *arena, struct testing_ring *ring,
		       const struct mapped *mapped, const struct seen *seen, size_t count)
{
	const uint8_t *blocks = mapped->at + ring->header->blocks_offset;
	struct joining joining = {.bytes = NULL};
	int r = 0;

	for (size_t i = 0; i < count && seen[i].thread_block == i + 1 && r == 0; i++)
		r = read_block(arena, ring, blocks + (size_t)seen[i].index * WIRE_BLOCK_BYTES,
			       committed_of(mapped, seen[i].index), &joining);
	return r;
}

static int read_blocks(struct testing_arena *arena, struct testing_ring *ring,
		       const struct mapped *mapped, uint32_t ready)
{
	struct seen *seen = testing_alloc(arena, ready, sizeof *seen);
	size_t count = 0, from, to;
	int r = 0;

	if (!seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < ready; i++)
		count += see(mapped, i, &seen[count]);
	qsort(seen, count, sizeof *seen, by_thread);
	for (from = 0; from < count && r == 0; from = to) {
		for (to = from + 1; to < count && seen[to].thread == seen[from].thread;)
			to++;
		r = read_thread(arena, ring, mapped, seen + from, to - from);
	}
	return r;
}

static int read_mapped(struct testing_arena *arena, const struct mapped *mapped,
		       struct testing_ring **rings)
{
	const struct wire_ring_header *shared = (const struct wire_ring_header *)mapped->at;
	struct testing_ring *ring = testing_alloc(arena, 1, sizeof *ring);
	struct wire_ring_header *header = testing_alloc(arena, 1, sizeof *header);
	uint32_t ready;
	int r;

	if (!ring || !header)
		return -ENOMEM;
	/* C3 as in the agent's drain, pairing with the client's P3. */
	ready = atomic_load_explicit(&shared->blocks_ready, memory_order_acquire);
	memcpy(header, shared, sizeof *header);
	if (!header_is_good(mapped, header) || ready > header->block_count)
		return 0;
	ring->header = header;
	r = read_blocks(arena, ring, mapped, ready);
	ring->next = *rings;
	*rings = ring;
	return r;
}

static int read_file(struct testing_arena *arena, int directory, const char *name,
		     struct testing_ring **rings)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct mapped mapped = {.size = 0};
	struct stat st;
	void *at = MAP_FAILED;
	int r = 0;

	if (fd < 0)
		return 0; /* gone meanwhile */
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)WIRE_RING_BYTES_MIN) {
		mapped.size = (size_t)st.st_size;
		at = mmap(NULL, mapped.size, PROT_READ, MAP_SHARED, fd, 0);
	}
	(void)close(fd); /* read only: nothing can be lost */
	if (at == MAP_FAILED)
		return 0;
	mapped.at = at;
	r = read_mapped(arena, &mapped, rings);
	(void)munmap(at, mapped.size); /* ours, whole */
	return r;
}

static bool is_ring(const char *name)
{
	size_t length = strlen(name), suffix = sizeof WIRE_RING_SUFFIX - 1;

	return length > suffix && strcmp(name + length - suffix, WIRE_RING_SUFFIX) == 0;
}

int testing_rings_read(struct testing_arena *arena, const char *directory,
		       struct testing_ring **ret_rings)
{
	struct testing_ring *rings = NULL;
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (is_ring(entry->d_name))
			r = read_file(arena, dirfd(dir), entry->d_name, &rings);
	(void)closedir(dir); /* read only */
	if (r == 0)
		*ret_rings = rings;
	return r;
}
