/* Numbers and times as people read them. */
#ifndef CLI_HUMAN_H
#define CLI_HUMAN_H

#include "base/buf.h"

/* "13.1 s", "3 m 41 s"; at most 9 columns. */
void human_duration(char *text, size_t size, uint64_t ns);

/* 1234567 as 1,234,567, appended. */
void human_number(struct buf *out, int64_t number);

/* "2026-01-01 12:00:00", in UTC. */
void human_time(char *text, size_t size, uint64_t wall_ns);

#endif
