/* The first resource of an archive, read without the rest of the file: the facts
 * of its run stand there, and ten thousand archives are listed by them. */
#ifndef CLI_ARCHIVE_HEAD_H
#define CLI_ARCHIVE_HEAD_H

#include "run_facts.h"

struct archive_head {
	json_t *resource;	/* owned */
	struct run_facts facts; /* borrowed from it */
};

/* 1: the file says what its run is, 0: it does not, or is not in the form the
 * agent writes: to be read whole. -errno of opening and reading it. To be freed
 * when 1. */
int archive_head_read(struct archive_head *head, const char *path);
void archive_head_free(struct archive_head *head);

#endif
