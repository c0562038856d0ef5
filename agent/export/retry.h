/* When to try again: which answers may be retried, how long to wait, and how
 * long the whole destination must be left alone. No clock, no I/O: time and
 * randomness come as arguments. */
#ifndef EXPORT_RETRY_H
#define EXPORT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "export/grpc_status.h"

/* Rules 3 to 5: true when the same bytes may be sent again. */
bool retry_allowed(enum grpc_status status, bool has_retry_info);

/* Waits that grow: first, first * factor, ... up to max, each spread by
 * +-20 % so that agents which failed together do not come back together. */
struct backoff {
	uint64_t first_ns;
	uint64_t max_ns;
	uint32_t factor_percent; /* 160: each wait is 1.6 times the one before */
	uint64_t next_ns;	 /* before jitter; 0 at the start */
};

#define BACKOFF_RETRY ((struct backoff){1000000000, 60000000000, 200, 0})
#define BACKOFF_CONNECT ((struct backoff){1000000000, 120000000000, 160, 0})

/* The next wait; `random` is 32 random bits. */
uint64_t backoff_next(struct backoff *backoff, uint32_t random);
void backoff_reset(struct backoff *backoff);

/* Rule 6: what the peer's RetryInfo does to everything we would send it. */
struct throttle {
	uint64_t delay_ns; /* of the current hold; 0: none asked for */
	uint64_t until_ns; /* send nothing before */
};

/* A request that was sent at `sent_ns` failed with a status that may be
 * retried. `delay_ns` is what its RetryInfo asked for, 0 without one. Requests
 * sent before the current hold began belong to the same failure and make it
 * at most longer; one sent after it makes it grow exponentially. */
void throttle_failed(struct throttle *throttle, uint64_t sent_ns, uint64_t now_ns,
		     uint64_t delay_ns, uint32_t random);
/* A request succeeded: the peer has recovered. */
void throttle_succeeded(struct throttle *throttle);

#endif
