/* SIGHUP: the settings are read again, from the same command line, environment
 * and file. All or nothing: what is wrong is said, with line and column where
 * the file is to blame, and the old settings stay. A setting that is not live
 * (see --help) keeps its value until a restart, which is said too. */
#ifndef AGENT_RELOAD_H
#define AGENT_RELOAD_H

#include "options.h"
#include "pipeline.h"

struct reload {
	int argc;
	char **argv;
	bool wanted;
	uint64_t due_ns; /* not before: a flood of signals is bounded work */
};

/* Reloads when that is wanted and due. */
void reload_tick(struct reload *reload, struct options *options, struct pipeline *pipeline);

#endif
