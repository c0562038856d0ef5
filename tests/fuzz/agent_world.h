/* The whole agent without its sockets: every stage, with real files in the fuzz
 * target's directory and a clock of its own. */
#ifndef FUZZ_AGENT_WORLD_H
#define FUZZ_AGENT_WORLD_H

#include "file_env.h"
#include "pipeline.h"

struct agent_world {
	struct file_env files;
	struct env_ops ops; /* of `files`, but for one */
	struct options options;
	struct pipeline pipeline;
	char ring_dir[192], state_dir[192], archive_dir[192];
};

/* Makes the directories; nothing is left in them of the input before. */
void agent_world_init(struct agent_world *world);
void agent_world_fini(struct agent_world *world);

/* A life of the agent begins: it must, whatever lies in its directories. */
void agent_world_start(struct agent_world *world);
void agent_world_stop(struct agent_world *world);
/* So many turns, 100 ms apart. */
void agent_world_run(struct agent_world *world, unsigned turns);
/* Every ledger adds up. Of a log that lies with good checksums only that of the
 * spans can: what it says of records is believed. */
void agent_world_check(struct agent_world *world);
void agent_world_check_spans(struct agent_world *world);

#endif
