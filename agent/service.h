/* The agent as a service: its loop, its signals, its log and its settings while
 * it runs. main() has read the settings; here they may be read again. */
#ifndef AGENT_SERVICE_H
#define AGENT_SERVICE_H

#include "options.h"

/* Runs the pipeline until a signal, stops it. The command line is read again by
 * every reload, and `options` then changes. Returns the exit code. */
int service_run(struct options *options, int argc, char **argv);

#endif
