/* Processes as runs know them, by the key that their resource has (base/process.h): how
 * each ended, and when calls of it were refused. A ring's source goes when its last span
 * is finished; this stays, because the run may be sealed later: for a day, or until
 * PROCESSES_ENDED_MAX later ones have ended. The log has it (PROCESS), so a restart in the
 * middle of a run does not lose how its first processes ended. */
#ifndef ASSEMBLE_PROCESS_H
#define ASSEMBLE_PROCESS_H

#include "assemble/assemble.h"
#include "base/list.h"
#include "base/map.h"

#define PROCESSES_ENDED_MAX 65536u
/* Of one process; the oldest are taken for one then. */
#define PROCESS_REFUSALS_MAX 8u

struct source;

struct refusal {
	uint64_t mono_ns; /* when it was heard of; UINT64_MAX: in an earlier life */
	uint64_t calls;
};

struct process {
	struct process_key key;
	struct process_end end;
	struct source *source;	  /* NULL: gone */
	struct refusal *refusals; /* nearly always none */
	uint32_t refusal_count;
	uint64_t ended_mono_ns;
	uint64_t segment;    /* of its PROCESS frame; 0: none */
	struct list among;   /* of the table's ended, oldest first, once it is */
	struct list to_save; /* of the table's unsaved */
};

struct process_table {
	struct map processes;
	struct list ended;
	struct list unsaved;
	uint32_t ended_count;
};

struct assemble;

void process_table_init(struct process_table *table, uint64_t seed);
void process_table_fini(struct process_table *table);

/* Before a resource is handed on, and when a ring is seen or dies: the source's process
 * is known from then on. Without memory, or without a resource, it is not yet. */
void process_see(struct assemble *a, struct source *source);
/* The source is dead: how is known. */
void process_ends(struct assemble *a, struct source *source);
/* The source goes. */
void process_leave(struct assemble *a, struct source *source);
/* source->refused has grown. */
void process_refused(struct assemble *a, struct source *source);

/* Saves what is new, forgets what is old. */
int process_tick(struct assemble *a);
int process_carry(struct assemble *a, uint64_t segment);
/* -EBADMSG, -ENOMEM. */
int process_recover(struct assemble *a, const struct process_key *key, struct bytes state,
		    uint64_t segment);

/* What was refused since then. Zero where the process is not known. */
void process_look(const struct process_table *table, const struct process_key *key,
		  uint64_t since_mono_ns, struct process_view *ret_view);

#endif
