/* Which process a Resource message stands for, by the attributes that every ring's has. */
#ifndef OTLP_PROCESS_KEY_H
#define OTLP_PROCESS_KEY_H

#include "base/buf.h"
#include "base/process.h"

/* False: it does not say (nobody vouches for a process that its sender names). */
bool otlp_process_key(struct process_key *ret_key, struct bytes resource);

#endif
