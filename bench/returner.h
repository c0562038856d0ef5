/* The fastest agent there can be: a thread of the measuring process that gives
 * every sealed block back at once and reads nothing. With it a benchmark sees
 * what the client costs when the agent never is the limit. */
#ifndef BENCH_RETURNER_H
#define BENCH_RETURNER_H

/* Begins to serve the one ring that appears in `dir`. 0 or -errno. */
int returner_start(const char *dir);

/* Stops, and gives the number of blocks it gave back. */
unsigned returner_stop(void);

#endif
