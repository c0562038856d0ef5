/* A whole agent in a simulated world: struct pipeline over struct env with a
 * clock that only the simulation moves, files whose every change is written down
 * (sim_disk.h), faults at chosen operations (file_env.h), a collector in memory
 * (sim_net.h), and traced modules that write what is known (sim_module.h).
 *
 * Each LIFE of the agent is a forked process, so that its death at an operation
 * is a real one: its locks and mappings go with it, what it wrote stays. The
 * world itself lies in memory that all lives share. Only one process acts at a
 * time, and nothing depends on the real clock, so a world with the same seeds
 * and faults does the same again, operation by operation.
 *
 * Where rings live (real files and locks) the kernel's own calls are used. */
#ifndef SUPPORT_SIM_WORLD_H
#define SUPPORT_SIM_WORLD_H

#include "file_env.h"
#include "pipeline.h"
#include "sim_disk.h"
#include "sim_module.h"
#include "sim_net.h"

#define SIM_OPERATIONS_KEPT 65536
/* Of every path in the world, wherever the tests' directory lies. */
#define SIM_PATH_BYTES 1024
#define SIM_SPANS_MAX (SIM_RECORDS_MAX / 4 + 1)

/* What the modules do. */
struct sim_plot {
	uint64_t seed;
	uint32_t modules, runs;
	uint32_t turns_each;	   /* that a module lives */
	uint32_t turns_apart;	   /* between two modules' begins */
	uint32_t records_per_turn; /* of a thread, at most */
	uint64_t turn_ns;	   /* that passes in each turn */
	bool flushes;
};

/* What the agent is told. */
struct sim_settings {
	uint64_t log_max_bytes;
	uint32_t log_segment_bytes;
	bool sync_each;
	bool no_archive, no_export;
	uint32_t batch_spans; /* of a request; 0: the default */
	uint64_t far_ns;      /* when a destination is far behind; 0: the default */
};

enum sim_end {
	SIM_LIVED,     /* the life's function returned */
	SIM_DIED,      /* at an operation, as planned */
	SIM_NOT_BEGUN, /* pipeline_init() failed */
	SIM_BROKEN,    /* anything else: a crash, a check that failed */
};

struct sim_world {
	struct file_env env; /* first: a `struct env *` is a `struct sim_world *` */
	struct sim_net net;
	struct env_ops ops;
	struct sim_disk *disk;
	char root[SIM_PATH_BYTES]; /* rings, disk/state, disk/archive below it */

	struct sim_plot plot;
	struct sim_settings settings;
	uint32_t module_count;
	struct sim_module modules[SIM_MODULES_MAX];
	uint32_t turn, last_turn;
	uint32_t lives, starts_failed;

	/* Decides about each operation; NULL: none fails. */
	bool (*fault)(struct sim_world *world, enum file_env_op op,
		      struct file_env_fault *ret_fault);
	uint64_t operations;		    /* since the world began */
	int op_fd;			    /* of the operation that is asked about */
	uint8_t kinds[SIM_OPERATIONS_KEPT]; /* of the first: enum file_env_op */
	uint64_t nth;			    /* for sim_fault_nth() */
	struct file_env_fault armed;
	bool fired;
	bool died; /* this life */

	/* Called in each turn in front of the agent's step; may be NULL. */
	void (*each_turn)(struct sim_world *world);

	/* How often the collector accepted a span. */
	uint16_t delivered[SIM_MODULES_MAX][SIM_THREADS][SIM_SPANS_MAX];
	bool log_full;	   /* rings are not drained now: the log is over its size */
	uint64_t given_up; /* at most so many spans, or lost in the log */
	bool went_beside;  /* live spans, beside a backlog */
	bool gave_up;	   /* the log was over its size: spans the collector did not get */
	uint64_t unsure;   /* segments whose sync failed at a start: an old segment's
			    * bytes are believed to be on the disk all the same */
	uint64_t damaged;  /* places in the log that recoveries passed over */
	uint64_t waits;	   /* of the agent: turns in which time could pass */
};

/* Memory that all lives share, zeroed, never given back. */
void *sim_shared(size_t size);

/* One at a time in a process. Makes the modules' rings, invisible so far. */
struct sim_world *sim_world_new(const struct sim_plot *plot,
				const struct sim_settings *settings);
/* Removes everything. */
void sim_world_free(struct sim_world *world);

/* A life of the agent, in a process of its own. */
enum sim_end sim_world_live(struct sim_world *world,
			    bool (*life)(struct sim_world *world, struct pipeline *pipeline));

/* ---- within a life ------------------------------------------------------------ */

/* One turn: the modules act, the agent steps and, if idle, waits. */
void sim_world_turn(struct sim_world *world, struct pipeline *pipeline);
/* The rest of the plot. True: to its end. */
bool sim_life_play(struct sim_world *world, struct pipeline *pipeline);
/* The rest of the plot; then every module that is left dies, and the agent works
 * until it has nothing left to do. False: it does not come to rest, or its
 * ledgers do not add up; what is wrong is said. */
bool sim_life_finish(struct sim_world *world, struct pipeline *pipeline);
bool sim_world_settle(struct sim_world *world, struct pipeline *pipeline, uint64_t limit_ns);

/* ---- between lives -------------------------------------------------------------- */

/* The machine loses power now: rings and modules are gone, state and archive
 * are what the disk still knows. What was written `slack_ns` before must have
 * survived, and with sync_each what was flushed. */
void sim_world_power_cut(struct sim_world *world, uint64_t seed, uint64_t slack_ns);
/* The same in two steps: for a moment that is past, and a disk that was cut by
 * the caller (sim_disk.h). */
void sim_world_lose_rings(struct sim_world *world, uint64_t when_ns, uint64_t slack_ns);
void sim_world_lose_disk(struct sim_world *world, const struct sim_cut *cut, uint64_t seed);

/* The fault of world->armed at operation world->nth, once. */
bool sim_fault_nth(struct sim_world *world, enum file_env_op op,
		   struct file_env_fault *ret_fault);

/* Whether an operation changes anything that outlives the process. */
bool sim_op_changes(enum file_env_op op);
/* Whether the operation that is asked about is one of the disk, not of rings. */
bool sim_on_disk(const struct sim_world *world);
/* Whether it is one of a file below this name ("disk/archive"), or of that directory. */
bool sim_is_of(const struct sim_world *world, const char *name);

void sim_path(const struct sim_world *world, const char *name, char ret_path[SIM_PATH_BYTES]);

/* ---- sim_check.c ------------------------------------------------------------------ */

/* What need not hold. */
struct sim_leave {
	bool lossy;	   /* the disk itself lost what was safe, and it was counted */
	bool gaps;	   /* of what was written after safe_ns, any may be missing */
	bool undelivered;  /* the collector need not have everything */
	uint64_t given_up; /* so many spans it need not have in any case */
	bool other_clocks; /* a span's end is checked elsewhere */
	bool steps;	   /* wall time may differ within a module */
};

/* Reads the archive from the outside and compares it with what the modules
 * wrote: I2 prefix, I3 exactly once, I8 it parses and parents are there. What is
 * wrong is said on standard error. *ret_records: how many were found. */
bool sim_check_archive(const struct sim_world *world, struct sim_leave leave,
		       uint64_t *ret_records);
/* I1, from the agent's status: both ledgers. */
bool sim_check_ledgers(struct pipeline *pipeline);
/* I10: no ring, no spool, no temporary file is left; of a disk that lost power,
 * what cannot be read is kept aside. */
bool sim_check_left(const struct sim_world *world, bool damaged);
/* Whether there is one, of a run that is open or one that could not be removed. */
bool sim_spools_are_left(const struct sim_world *world);
/* How many spans of the archive have this attribute, and an integer of it. */
uint64_t sim_count_marks(const struct sim_world *world, const char *key, int64_t value);

/* ---- sim_hash.c ------------------------------------------------------------------ */

/* A hash of the archive's names and bytes. */
uint64_t sim_archive_hash(const struct sim_world *world);
/* Between lives: of everything that what comes next depends on. */
uint64_t sim_world_hash(const struct sim_world *world);

#endif
