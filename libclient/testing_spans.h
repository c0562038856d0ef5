/* Records become spans, as the agent would make them of these. */
#ifndef LIBCLIENT_TESTING_SPANS_H
#define LIBCLIENT_TESTING_SPANS_H

#include "spanring/testing.h"
#include "testing_ring.h"

/* What spanring_test_free() frees. */
struct testing_snapshot {
	struct spanring_test_spans spans; /* first: what the caller has */
	struct testing_arena arena;
};

/* -ENOMEM. */
int testing_spans_make(struct testing_snapshot *snapshot, const struct testing_ring *rings);

#endif
