#include "export/retry.h"

/* A hold grows up to this, or stays at what the peer asks for if that is more. */
#define THROTTLE_GROWTH_MAX_NS 120000000000u

bool retry_allowed(enum grpc_status status, bool has_retry_info)
{
	switch (status) {
	case GRPC_CANCELLED:
	case GRPC_DEADLINE_EXCEEDED:
	case GRPC_ABORTED:
	case GRPC_OUT_OF_RANGE:
	case GRPC_UNAVAILABLE:
	case GRPC_DATA_LOSS:
		return true;
	case GRPC_RESOURCE_EXHAUSTED:
		return has_retry_info;
	default:
		return false;
	}
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* ns * percent / 100 without overflow for any wait that makes sense. */
static uint64_t scaled(uint64_t ns, uint32_t percent)
{
	return add_saturated(ns / 100 * percent, ns % 100 * percent / 100);
}

uint64_t backoff_next(struct backoff *backoff, uint32_t random)
{
	uint64_t wait = backoff->next_ns ? backoff->next_ns : backoff->first_ns;
	uint64_t next = scaled(wait, backoff->factor_percent);

	backoff->next_ns = next < backoff->max_ns ? next : backoff->max_ns;
	return scaled(wait, 80 + random % 41);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->next_ns = 0;
}

static void throttle_hold(struct throttle *throttle, uint64_t now_ns, uint64_t delay_ns,
			  uint32_t random)
{
	/* "At least that long": jitter only lengthens. */
	uint64_t until = add_saturated(now_ns, scaled(delay_ns, 100 + random % 21));

	throttle->delay_ns = delay_ns;
	if (until > throttle->until_ns)
		throttle->until_ns = until;
}

void throttle_failed(struct throttle *throttle, uint64_t sent_ns, uint64_t now_ns,
		     uint64_t delay_ns, uint32_t random)
{
	uint64_t grown = throttle->delay_ns;

	if (!delay_ns && !throttle->delay_ns)
		return;
	if (throttle->delay_ns && sent_ns >= throttle->until_ns) {
		grown = scaled(throttle->delay_ns, 200);
		if (grown > THROTTLE_GROWTH_MAX_NS && grown > throttle->delay_ns)
			grown = throttle->delay_ns > THROTTLE_GROWTH_MAX_NS
					? throttle->delay_ns
					: THROTTLE_GROWTH_MAX_NS;
	} else if (!delay_ns) {
		return;
	}
	throttle_hold(throttle, now_ns, delay_ns > grown ? delay_ns : grown, random);
}

void throttle_succeeded(struct throttle *throttle)
{
	throttle->delay_ns = 0;
}
