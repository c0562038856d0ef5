/* Whether a new trace is recorded. A run is sampled whole or not at all, so
 * the usual choice follows the parent and decides only where there is none.
 *
 * The ratio compares the rightmost eight bytes of the trace id, as
 * opentelemetry-python does: all processes of a run, whatever their language
 * there, decide alike. Constant after init; any thread may ask. */
#ifndef LIBCLIENT_SAMPLER_H
#define LIBCLIENT_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

enum sampler_root {
	SAMPLER_ALWAYS_ON = 0,
	SAMPLER_ALWAYS_OFF = 1,
	SAMPLER_RATIO = 2,
};

struct sampler {
	enum sampler_root root;
	bool parent_based;  /* a parent's decision is taken over */
	uint64_t threshold; /* SAMPLER_RATIO: sampled when below */
};

/* Makes a SAMPLER_RATIO of 0 to 1; 1 becomes SAMPLER_ALWAYS_ON. */
struct sampler sampler_make_ratio(double ratio, bool parent_based);

static inline bool sampler_decides(const struct sampler *sampler, const uint8_t trace_id[16],
				   bool has_parent, bool parent_sampled)
{
	uint64_t random = 0;

	if (has_parent && sampler->parent_based)
		return parent_sampled;
	if (sampler->root != SAMPLER_RATIO)
		return sampler->root == SAMPLER_ALWAYS_ON;
	for (int i = 8; i < 16; i++)
		random = random << 8 | trace_id[i];
	return random < sampler->threshold;
}

#endif
