/* The last record of a process that exits by itself. A SIGKILL writes none,
 * and the agent knows that from its absence. */
#ifndef LIBCLIENT_PROCESS_EXIT_H
#define LIBCLIENT_PROCESS_EXIT_H

/* Learns the exit status where the C library tells it (glibc). Once. */
void process_exit_watch(void);

#endif
