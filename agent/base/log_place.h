/* Where bytes lie in the log: `payload` bytes into the payload of the chain
 * whose first frame's head is at `offset` of `segment`. Stages carry this
 * around and give it back; only the log looks inside. */
#ifndef BASE_LOG_PLACE_H
#define BASE_LOG_PLACE_H

#include <stdint.h>

struct log_place {
	uint64_t segment;
	uint32_t offset;
	uint32_t payload;
};

#endif
