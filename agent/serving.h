/* The pages the agent serves: its pipeline's state over serve/server.h. */
#ifndef AGENT_SERVING_H
#define AGENT_SERVING_H

#include "pipeline.h"
#include "serve/server.h"

/* Listens in the ring directory and, where serve.tcp says so, on a port. What does
 * not work is said in the log; the agent does its work all the same. NULL: nothing
 * is served. */
struct server *serving_start(struct pipeline *pipeline);

#endif
