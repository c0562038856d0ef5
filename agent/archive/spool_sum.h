/* The sum at the end of a spool's line: nothing else could tell a bit that was lost
 * on the disk from what a module said. A member that readers of OTLP pass over:
 *
 *   {"resourceSpans":[ ... ],"crc32c":"89abcdef"}\n
 *   ^ the body, which is summed  ^ SPOOL_SUM_BYTES
 *
 * The sum is the CRC32C of the body, eight digits, small letters. Versions before
 * it wrote lines without; such a line is taken where it is, byte by byte, what
 * would be printed for the span it says, and is damaged otherwise. */
#ifndef ARCHIVE_SPOOL_SUM_H
#define ARCHIVE_SPOOL_SUM_H

#include "base/buf.h"

#define SPOOL_SUM_KEY ",\"crc32c\":\""
#define SPOOL_SUM_CLOSE "\"}\n"
#define SPOOL_SUM_BYTES (sizeof(SPOOL_SUM_KEY) - 1 + 8 + sizeof(SPOOL_SUM_CLOSE) - 1)
/* What closes a line without a sum. */
#define SPOOL_CLOSE "}\n"
#define SPOOL_CLOSE_BYTES (sizeof(SPOOL_CLOSE) - 1)

/* Ends a line whose body stands in `out`. */
void spool_sum_put(struct buf *out, uint32_t crc);

enum spool_sum {
	SPOOL_SUM_GOOD,
	SPOOL_SUM_NONE,
	SPOOL_SUM_WRONG,
};

/* Of a line with its LF; *ret_body is set unless the sum is wrong. */
enum spool_sum spool_sum_judge(struct bytes line, struct bytes *ret_body);

#endif
