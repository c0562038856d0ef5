/* The shared-memory layout of spanring: what a traced process and the agent
 * must agree on. This header is the design document of the layout; ABI.md
 * repeats it by byte offset for readers in other languages.
 *
 * Three kinds of file live in the ring directory. Each has ONE writer:
 *
 *   <id>.ring   the client's. One per process. The agent opens it read-only.
 *   <id>.ctl    the agent's. Answers to that ring. Clients map it read-only.
 *   agent.page  the agent's. One per directory. Clients map it read-only.
 *
 * <id> is 32 lower-case hex digits: the ring's 128 random bits.
 *
 *   .ring   +-------------------+ 0
 *           | ring_header       |   one page
 *           +-------------------+ lines_offset = 4096
 *           | block_line [0]    |   64 bytes a block
 *           | block_line [1]    |
 *           | ...               |
 *           +-------------------+ blocks_offset (multiple of 64 KiB)
 *           | block [0] 16 KiB  |   records, see record.h
 *           | block [1]         |
 *           | ...               |
 *           +-------------------+ size
 *
 *   .ctl    +-------------------+ 0
 *           | ctl_header        |   one page
 *           +-------------------+ 4096
 *           | returned [0]      |   one 32-bit word a block
 *           | ...               |
 *           +-------------------+
 *
 * The life of a block
 * -------------------
 * A block has a generation, starting at 0 ("never taken"). It is FREE if and
 * only if ctl.returned[b] == line[b].generation. While it is not free, exactly
 * one thread of the client owns it.
 *
 *   state     who may write        what
 *   FREE      any client thread    line.claim, by compare-and-swap g -> g+1
 *   CLAIMED   the claiming thread  committed = 0, then the plain fields, then
 *                                  generation = g+1 (release)            [P1]
 *   OPEN      its thread           records behind `committed`, then
 *                                  committed = end (release)             [P2]
 *   SEALED    nobody               its thread stored committed | SEALED  [P2]
 *   RETURNED  the agent            ctl.returned[b] = generation (release)[R1]
 *                                  when every byte is in the log
 *
 * The agent sees a block by loading generation (acquire)                 [C1]
 * and then committed (acquire)                                           [C2]
 * through its mapping of the state area, never by pread; the payload comes by
 * pread of [drained, committed) after that. A thread finds a free block by
 * loading returned[b] (acquire)                                          [T1].
 *
 * What may run against what
 * -------------------------
 *                     own thread   other threads   signal handler   agent
 *   append a record   in order     free            guarded (TLS)    free
 *   take a block      in order     CAS on claim    guarded          free
 *   return a block    -            -               -                one thread
 *   read a block      -            -               -                free
 *
 * Killed anywhere: before P1 the block is still free for the reader (nobody
 * will claim it, the process is dead); between P1 and P2 it is an empty block;
 * between two P2 it holds exactly the records whose P2 was executed.
 *
 * Duties of the reader: trust nothing. Every number read from a ring is
 * copied, checked against the file's size as fstat gave it, and the copy is
 * used. A generation that goes anywhere but returned or returned + 1, a
 * `committed` that shrinks or leaves the block, a header that changes: the
 * ring is quarantined.
 *
 * Native byte order; a reversed magic is refused. Words that change while both
 * sides look are 32 bits wide. Reserved bytes are zero and ignored. An unknown
 * bit in `incompat` means: do not read; in `compat`: read, ignore the bit. */
#ifndef WIRE_ABI_H
#define WIRE_ABI_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_RING_MAGIC UINT64_C(0x31474e4952525053) /* "SPRRING1" on little endian */
#define WIRE_CTL_MAGIC UINT64_C(0x314c544352525053)  /* "SPRRCTL1" */
#define WIRE_PAGE_MAGIC UINT64_C(0x3147415052525053) /* "SPRRPAG1" */
#define WIRE_VERSION 1

#define WIRE_BLOCK_BYTES 16384u
#define WIRE_LINE_BYTES 64u
#define WIRE_HEADER_BYTES 4096u
#define WIRE_ALIGN_BYTES 65536u		   /* blocks_offset; the largest page size we meet */
#define WIRE_RING_BYTES_MIN (1u << 20)	   /* 1 MiB */
#define WIRE_RING_BYTES_MAX (UINT64_C(1) << 34) /* 16 GiB */
#define WIRE_RING_BYTES_DEFAULT (64u << 20)

#define WIRE_RING_SUFFIX ".ring"
#define WIRE_CTL_SUFFIX ".ctl"
#define WIRE_TEMPORARY_SUFFIX ".tmp" /* a ring in the making; swept when unlocked and old */
#define WIRE_PAGE_NAME "agent.page"
#define WIRE_SOCKET_NAME "agent.sock" /* the agent's, for `spanring status`; not shared memory */

/* The byte of the .ring file whose OFD write lock means "this process lives". */
#define WIRE_LOCK_OFFSET 0
#define WIRE_LOCK_LENGTH 1

enum wire_clock {
	WIRE_CLOCK_MONOTONIC = 1, /* ticks are nanoseconds of CLOCK_MONOTONIC */
	WIRE_CLOCK_TSC = 2,	  /* ticks are the TSC; convert by pairs */
};

/* Why a call was not recorded. Counted by the client in ring_header.refused. */
enum wire_refusal {
	WIRE_REFUSED_RING_FULL = 0,   /* no free block (a span start, or a value) */
	WIRE_REFUSED_TOO_LARGE = 1,   /* a value over a quarter of the ring */
	WIRE_REFUSED_NO_MEMORY = 2,   /* the mount is full: the block could not be populated */
	WIRE_REFUSED_REENTRANT = 3,   /* a signal handler interrupted a write of its thread */
	WIRE_REFUSED_INHERITED = 4,   /* a span of the parent process, after fork */
	WIRE_REFUSED_INVALID = 5,     /* arguments: no name, zero id, too deep */
	WIRE_REFUSED_LIMIT = 6,	      /* a span limit (attribute count, ...) */
	WIRE_REFUSED_END_LOST = 7,    /* an END found no room: see lost_end */
	WIRE_REFUSED_COUNT = 8,
	WIRE_REFUSED_SLOTS = 16,
};

/* The id of a span whose END found no room. `ready` is 1 once the id is. */
struct wire_lost_end {
	uint32_t span_id[2];
	_Atomic uint32_t ready;
	uint32_t reserved;
};
#define WIRE_LOST_END_SLOTS 128

struct wire_ring_header {
	/* Written before the file is visible, then never again. */
	uint64_t magic;		 /* 0 */
	uint32_t header_bytes;	 /* 8: WIRE_HEADER_BYTES */
	uint32_t version;	 /* 12 */
	uint32_t compat;	 /* 16 */
	uint32_t incompat;	 /* 20 */
	uint8_t instance[16];	 /* 24: the ring's random identity, also its name */
	uint64_t size;		 /* 40: of the file */
	uint32_t block_bytes;	 /* 48: WIRE_BLOCK_BYTES */
	uint32_t block_count;	 /* 52 */
	uint32_t lines_offset;	 /* 56 */
	uint32_t blocks_offset;	 /* 60 */
	uint32_t clock;		 /* 64: enum wire_clock */
	uint32_t pid;		 /* 68: as the process sees itself; a hint only */
	uint64_t anchor_ticks;	 /* 72: the four anchors are one moment */
	uint64_t anchor_mono_ns; /* 80 */
	uint64_t anchor_boot_ns; /* 88 */
	uint64_t anchor_wall_ns; /* 96 */
	uint64_t start_time;	 /* 104: field 22 of /proc/self/stat, 0 unknown */
	uint64_t pid_namespace;	 /* 112: inode of /proc/self/ns/pid, 0 unknown */
	uint64_t time_namespace; /* 120: inode of /proc/self/ns/time, 0 unknown */
	uint8_t boot_id[16];	 /* 128: /proc/sys/kernel/random/boot_id, 0 unknown */
	uint8_t reserved0[112];	 /* 144 */

	/* Written by the client while the agent reads. */
	_Atomic uint32_t blocks_ready; /* 256: lines [0, blocks_ready) are backed by memory;
					* release [P3], pairs with the agent's acquire [C3] */
	_Atomic uint32_t flush_req;    /* 260: release [F1] / acquire [F2] */
	_Atomic uint32_t waited;       /* 264: calls that waited for room (relaxed: a count) */
	_Atomic uint32_t shared;       /* 268: 1 once a thread has written of a span that another
					* thread started [S1]; 0 lets the agent finish a span
					* as soon as its END was read [S2] */
	uint32_t reserved1[12];	       /* 272 */
	_Atomic uint32_t refused[WIRE_REFUSED_SLOTS]; /* 320: by enum wire_refusal; relaxed
						       * counts that wrap */
	_Atomic uint32_t lost_end_next;		      /* 384: slots handed out; may pass the end */
	uint32_t reserved2[15];			      /* 388 */
	struct wire_lost_end lost_end[WIRE_LOST_END_SLOTS]; /* 448 */
	uint8_t reserved3[1600];			    /* 2496 */
};

/* The bit of `committed` that says: nothing follows in this block. */
#define WIRE_SEALED UINT32_C(0x80000000)

struct wire_block_line {
	_Atomic uint32_t generation; /* 0 */
	_Atomic uint32_t committed;  /* 4: bytes from the block's start, | WIRE_SEALED */
	_Atomic uint32_t claim;	     /* 8: the client's alone; == generation when unclaimed */
	uint32_t owner;		     /* 12: tid, a hint */
	uint32_t thread;	     /* 16: the thread's number in this process, from 1 */
	uint32_t thread_block;	     /* 20: counts the blocks of that thread, from 1 */
	uint64_t first_record;	     /* 24: number of the first record in the block, counted
				      * per thread from 1; fragments count one each */
	uint32_t next_claimed;	     /* 32: the client's alone: a chain of claimed blocks */
	uint32_t reserved[7];	     /* 36 */
};

struct wire_ctl_header {
	uint64_t magic;		      /* 0 */
	uint32_t header_bytes;	      /* 8 */
	uint32_t version;	      /* 12 */
	uint32_t compat;	      /* 16 */
	uint32_t incompat;	      /* 20 */
	uint8_t instance[16];	      /* 24: of the ring it answers */
	uint32_t block_count;	      /* 40 */
	uint32_t reserved0[5];	      /* 44 */
	_Atomic uint32_t returns;     /* 64: sum of all returned[]; release [R2] after R1.
				       * A thread that saw the ring full looks again only
				       * when this has changed. */
	_Atomic uint32_t flush_ack;   /* 68: release [F3] / the client's acquire [F4]; also a
				       * futex the agent wakes */
	_Atomic uint32_t please_stop; /* 72: 1: start no new spans (the agent goes for good) */
	_Atomic uint32_t sampling;    /* 76: reserved, 0 */
	uint8_t reserved1[4016];      /* 80 */
	/* _Atomic uint32_t returned[block_count] follows at 4096 */
};

struct wire_agent_page {
	uint64_t magic;		   /* 0 */
	uint32_t header_bytes;	   /* 8 */
	uint32_t version;	   /* 12 */
	uint32_t compat;	   /* 16 */
	uint32_t incompat;	   /* 20 */
	_Atomic uint32_t epoch;	   /* 24: one more with every start of the agent */
	uint32_t pid;		   /* 28: of the agent, as it sees itself; a hint for people,
				    * 0 unknown */
	uint32_t reserved0[8];	   /* 32 */
	_Atomic uint32_t sleeping; /* 64: 1 while the agent waits idle: worth a wake */
	_Atomic uint32_t doorbell; /* 68: futex word; clients only wake it */
	uint8_t reserved1[4024];   /* 72 */
};

#define WIRE_ASSERT_OFFSET(type, member, offset)                                               \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)

WIRE_ASSERT_OFFSET(wire_ring_header, instance, 24);
WIRE_ASSERT_OFFSET(wire_ring_header, size, 40);
WIRE_ASSERT_OFFSET(wire_ring_header, blocks_offset, 60);
WIRE_ASSERT_OFFSET(wire_ring_header, clock, 64);
WIRE_ASSERT_OFFSET(wire_ring_header, anchor_ticks, 72);
WIRE_ASSERT_OFFSET(wire_ring_header, anchor_wall_ns, 96);
WIRE_ASSERT_OFFSET(wire_ring_header, start_time, 104);
WIRE_ASSERT_OFFSET(wire_ring_header, boot_id, 128);
WIRE_ASSERT_OFFSET(wire_ring_header, blocks_ready, 256);
WIRE_ASSERT_OFFSET(wire_ring_header, flush_req, 260);
WIRE_ASSERT_OFFSET(wire_ring_header, waited, 264);
WIRE_ASSERT_OFFSET(wire_ring_header, shared, 268);
WIRE_ASSERT_OFFSET(wire_ring_header, refused, 320);
WIRE_ASSERT_OFFSET(wire_ring_header, lost_end_next, 384);
WIRE_ASSERT_OFFSET(wire_ring_header, lost_end, 448);
_Static_assert(sizeof(struct wire_ring_header) == WIRE_HEADER_BYTES, "ring header is a page");

WIRE_ASSERT_OFFSET(wire_block_line, generation, 0);
WIRE_ASSERT_OFFSET(wire_block_line, committed, 4);
WIRE_ASSERT_OFFSET(wire_block_line, claim, 8);
WIRE_ASSERT_OFFSET(wire_block_line, owner, 12);
WIRE_ASSERT_OFFSET(wire_block_line, thread, 16);
WIRE_ASSERT_OFFSET(wire_block_line, thread_block, 20);
WIRE_ASSERT_OFFSET(wire_block_line, first_record, 24);
WIRE_ASSERT_OFFSET(wire_block_line, next_claimed, 32);
_Static_assert(sizeof(struct wire_block_line) == WIRE_LINE_BYTES, "a line is a cache line");

WIRE_ASSERT_OFFSET(wire_ctl_header, instance, 24);
WIRE_ASSERT_OFFSET(wire_ctl_header, block_count, 40);
WIRE_ASSERT_OFFSET(wire_ctl_header, returns, 64);
WIRE_ASSERT_OFFSET(wire_ctl_header, flush_ack, 68);
_Static_assert(sizeof(struct wire_ctl_header) == WIRE_HEADER_BYTES, "ctl header is a page");

WIRE_ASSERT_OFFSET(wire_agent_page, epoch, 24);
WIRE_ASSERT_OFFSET(wire_agent_page, pid, 28);
WIRE_ASSERT_OFFSET(wire_agent_page, sleeping, 64);
WIRE_ASSERT_OFFSET(wire_agent_page, doorbell, 68);
_Static_assert(sizeof(struct wire_agent_page) == WIRE_HEADER_BYTES, "agent page is a page");

_Static_assert(sizeof(_Atomic uint32_t) == 4, "state words are 32 bits");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "state words are lock-free");

/* Where the pieces of a ring of `size` bytes lie. */
static inline uint32_t wire_block_count(uint64_t size)
{
	uint64_t blocks = size / WIRE_BLOCK_BYTES, offset;

	/* The lines shrink as blocks are given up for them; one correction
	 * is enough because a block holds the lines of 256. */
	offset = WIRE_HEADER_BYTES + blocks * WIRE_LINE_BYTES;
	offset = (offset + WIRE_ALIGN_BYTES - 1) & ~(uint64_t)(WIRE_ALIGN_BYTES - 1);
	return size > offset ? (uint32_t)((size - offset) / WIRE_BLOCK_BYTES) : 0;
}

static inline uint32_t wire_blocks_offset(uint64_t size)
{
	uint64_t blocks = size / WIRE_BLOCK_BYTES, offset;

	offset = WIRE_HEADER_BYTES + blocks * WIRE_LINE_BYTES;
	return (uint32_t)((offset + WIRE_ALIGN_BYTES - 1) & ~(uint64_t)(WIRE_ALIGN_BYTES - 1));
}

static inline uint64_t wire_ctl_bytes(uint32_t block_count)
{
	return WIRE_HEADER_BYTES + (uint64_t)block_count * 4;
}

#endif
