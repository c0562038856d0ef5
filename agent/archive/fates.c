#include "archive/fates.h"

#include <errno.h>
#include <stdlib.h>

void fates_fini(struct fates *fates)
{
	free(fates->at);
	*fates = (struct fates){0};
}

int fates_reserve(struct fates *fates)
{
	size_t cap = fates->cap ? 2 * fates->cap : 16;
	struct fate_stretch *at;

	if (fates->count + 2 <= fates->cap)
		return 0;
	at = reallocarray(fates->at, cap, sizeof *at);
	if (!at)
		return -ENOMEM;
	fates->at = at;
	fates->cap = cap;
	return 0;
}

void fates_note(struct fates *fates, uint64_t first, uint64_t number, enum fate fate)
{
	struct fate_stretch *last = fates->count ? &fates->at[fates->count - 1] : NULL;

	if (last && last->fate == fate && last->last + 1 == first)
		last->last = number;
	else
		fates->at[fates->count++] = (struct fate_stretch){first, number, fate};
}

static void add(struct archive_ledger *ledger, enum fate fate, uint64_t spans)
{
	switch (fate) {
	case FATE_KEPT:
		ledger->kept += spans;
		break;
	case FATE_INVALID:
		ledger->dropped_invalid += spans;
		break;
	case FATE_MISSING:
		ledger->missing += spans;
		break;
	}
}

struct archive_ledger fates_settled(const struct fates *fates, uint64_t mark)
{
	struct archive_ledger ledger = fates->settled;

	for (size_t i = 0; i < fates->count; i++) {
		const struct fate_stretch *stretch = &fates->at[i];
		uint64_t last = stretch->last < mark ? stretch->last : mark;

		if (stretch->first <= last)
			add(&ledger, stretch->fate, last - stretch->first + 1);
	}
	return ledger;
}

void fates_settle(struct fates *fates, uint64_t mark)
{
	size_t kept = 0;

	fates->settled = fates_settled(fates, mark);
	for (size_t i = 0; i < fates->count; i++) {
		struct fate_stretch stretch = fates->at[i];

		if (stretch.last <= mark)
			continue;
		if (stretch.first <= mark)
			stretch.first = mark + 1;
		fates->at[kept++] = stretch;
	}
	fates->count = kept;
}
