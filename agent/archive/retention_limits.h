/* What archive.retention says. */
#ifndef ARCHIVE_RETENTION_LIMITS_H
#define ARCHIVE_RETENTION_LIMITS_H

#include <stdint.h>

/* 0: no limit. */
struct retention_limits {
	uint64_t age_ns_max; /* since a file was written */
	uint64_t bytes_max;  /* of all files together */
	uint64_t free_bytes_min;
	uint32_t files_max;
};

#endif
