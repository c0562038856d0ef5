/* Where the agent's own messages go: agent.log_file, or standard error. */
#ifndef AGENT_LOG_FILE_H
#define AGENT_LOG_FILE_H

#include "options.h"

/* Begins the log. -errno after saying on standard error that the file cannot be
 * opened: an agent that nobody can hear does not start. */
int log_file_begin(const struct options *options);

/* Opens the file again under its name; the old one stays in use when that is
 * not possible, and is told so. Harmless without a file. -errno. */
int log_file_open(const struct options *options);

#endif
