/* The last record of a process that exits by itself. A SIGKILL writes none,
 * and the agent knows that from its absence. */
#ifndef LIBCLIENT_PROCESS_EXIT_H
#define LIBCLIENT_PROCESS_EXIT_H

#include "ring.h"
#include "wire/record.h"

/* Learns the exit status where the C library tells it (glibc). Once. */
void process_exit_watch(void);

/* Writes PROCESS_END into a ring that cannot go meanwhile, with a struct of its
 * own: this thread's may be in the middle of a write that a signal interrupted.
 * -ENOMEM, or no room: counted in the ring. */
int process_end_write(struct ring *ring, uint32_t epoch, enum wire_process_end reason,
		      int code);

#endif
