/* What a run is called by: what its first span said. Borrowed. */
#ifndef BASE_RUN_WORDS_H
#define BASE_RUN_WORDS_H

#include "base/buf.h"

struct run_words {
	struct bytes service; /* service.name of its resource */
	struct bytes name;    /* the span's */
};

#endif
