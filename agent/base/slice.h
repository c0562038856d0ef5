/* What the drain hands on: who a ring is, and slices of what it wrote. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include "base/buf.h"

/* What of a ring's identity is more than its own word. */
enum ring_known {
	RING_UID_KNOWN = 0x01, /* the kernel's: the file's owner */
	RING_PID_KNOWN = 0x02, /* the process of that number was seen to be the ring's */
};

/* A ring as its header described it when it was first seen (copied, checked). */
struct ring_identity {
	uint8_t instance[16];
	uint8_t boot_id[16];
	uint64_t anchor_ticks;
	uint64_t anchor_mono_ns;
	uint64_t anchor_boot_ns;
	uint64_t anchor_wall_ns;
	uint64_t time_namespace;
	uint32_t clock; /* enum wire_clock */
	uint32_t pid;
	uint32_t uid; /* owner of the file, as the agent sees it */
	uint32_t block_count;
	uint32_t known; /* enum ring_known */
};

/* A piece of one block, with the whole records that end in it. A value that
 * came in fragments stands joined in the slice of its first piece; the slices
 * of its other pieces come behind it in the same batch. */
struct slice {
	uint32_t block;
	uint32_t generation;
	uint32_t start; /* bytes [start, end) of the block are covered */
	uint32_t end;
	uint32_t thread;
	uint32_t thread_block;
	uint64_t first_record; /* number of the first record covered */
	uint32_t record_count; /* records covered, fragments one each */
	uint32_t dropped_count; /* of these, not in `records` (abandoned or damaged) */
	bool sealed;	       /* and nothing follows in this block */
	struct bytes records;  /* whole records, each padded to 8 */
};

/* Why a process is gone. */
enum death_cause {
	DEATH_UNKNOWN = 0,
	DEATH_EXIT = 1,	    /* exited; code known or not */
	DEATH_SIGNAL = 2,   /* killed by `signal` */
	DEATH_REPLACED = 3, /* exec: another program took the process */
	DEATH_SHUTDOWN = 4, /* spanring_shutdown(): the process may live on */
};

struct death {
	enum death_cause cause;
	bool code_known;
	int code;	 /* exit status */
	int signal;	 /* number */
	bool core_dumped;
	uint64_t seen_mono_ns; /* when the lock was seen free: the later bound */
};

#endif
