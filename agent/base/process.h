/* A process as a run knows it: by what its resource says, and how it ended. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdint.h>

/* What tells the processes of a run apart: the agent's own word on whose it is and its
 * number, and a hash of service.instance.id, because numbers come again. */
struct process_key {
	uint32_t uid;
	uint32_t pid;
	uint64_t instance;
};
_Static_assert(sizeof(struct process_key) == 16, "compared as bytes: no padding");

enum process_how {
	PROCESS_UNKNOWN = 0,
	PROCESS_ALIVE = 1,
	PROCESS_EXITED = 2,	    /* with status `number` */
	PROCESS_EXITED_SOMEHOW = 3, /* with a status that nobody saw */
	PROCESS_KILLED = 4,	    /* by signal `number` */
	PROCESS_REPLACED = 5,	    /* by another program (exec) */
	PROCESS_SHUTDOWN = 6,	    /* it ended its tracing, and may live on */
};

struct process_end {
	enum process_how how;
	int number;
};

#endif
