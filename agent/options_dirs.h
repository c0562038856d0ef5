/* The directories that depend on the machine, where no setting names them. */
#ifndef AGENT_OPTIONS_DIRS_H
#define AGENT_OPTIONS_DIRS_H

#include "options.h"

/* Fills in what is missing. 0 or -ENOMEM. */
int options_find_dirs(struct options *options);

#endif
