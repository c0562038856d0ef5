/* The one line of a sealed file, made from a spool in slices: pieces are copied
 * in the order of layout.h through one bounded buffer. The same machine
 * compares: does this spool give exactly that file? The agent's thread.
 *
 * A span whose bytes are not those that were added is marked in the spool
 * (spool_entry.damaged); the copying goes on to find all of them, and then what was
 * made is not to be used. */
#ifndef ARCHIVE_SEAL_H
#define ARCHIVE_SEAL_H

#include "archive/spool.h"

struct seal {
	struct spool *spool;
	int fd;	      /* borrowed */
	bool compare; /* with what is in the file, instead of writing it */
	uint32_t *order;
	uint32_t covered; /* entries of the spool when it was begun */
	uint32_t count;	  /* spans of these, each id once */
	uint32_t next;	  /* in `order` */
	uint32_t damaged; /* spans of the spool found to be so */
	uint64_t size;	  /* bytes written (or compared) so far */
	uint32_t crc;	  /* CRC32C of them */
	struct tally tally;
	struct buf first_head; /* of the first resource, with the summary */
	struct buf out;
	uint8_t *window; /* of the spool, so that short spans cost no read each */
	uint64_t window_at;
	size_t window_len;
};

/* The spool must have a span. -ENOMEM. */
int seal_begin(struct seal *seal, struct spool *spool, int fd, bool compare);
/* Before the first step: the attributes of the run's summary, which may be none. -ENOMEM;
 * then seal_fini(). */
int seal_summarize(struct seal *seal, struct bytes summary);
/* Frees memory; covered, count, size and crc stay readable. */
void seal_fini(struct seal *seal);

/* Goes on for about `budget` bytes. 1: there is more, 0: all is written,
 * -EUCLEAN: the file differs, -EBADMSG: the spool is damaged, -errno. After an
 * error: seal_fini(). */
int seal_step(struct seal *seal, size_t budget);

#endif
