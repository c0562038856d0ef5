/* What became of spans, kept by their numbers until the mark has passed them.
 * The mark says up to where everything is in synced files; what is counted
 * together with it must be just that, so that no life of the agent counts a
 * span twice. Nearly always this is one stretch. The agent's thread. */
#ifndef ARCHIVE_FATES_H
#define ARCHIVE_FATES_H

#include "archive/archive.h"

enum fate {
	FATE_KEPT = 0,	  /* in a spool or a file */
	FATE_INVALID = 1, /* cannot be printed */
	FATE_MISSING = 2, /* the log has no such number */
};

struct fate_stretch {
	uint64_t first, last;
	enum fate fate;
};

struct fates {
	struct fate_stretch *at;
	size_t count, cap;
	struct archive_ledger settled; /* of all numbers up to the mark */
};

void fates_fini(struct fates *fates);

/* Room for two more notes. -ENOMEM. */
int fates_reserve(struct fates *fates);

/* Numbers `first` to `number`, behind all before, met this. After fates_reserve(). */
void fates_note(struct fates *fates, uint64_t first, uint64_t number, enum fate fate);

/* What `settled` will be once the mark is there; fates_settle() makes it so. */
struct archive_ledger fates_settled(const struct fates *fates, uint64_t mark);
void fates_settle(struct fates *fates, uint64_t mark);

#endif
