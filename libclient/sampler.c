#include "sampler.h"

struct sampler sampler_make_ratio(double ratio, bool parent_based)
{
	struct sampler sampler = {.root = SAMPLER_RATIO, .parent_based = parent_based};

	if (ratio >= 1.0)
		sampler.root = SAMPLER_ALWAYS_ON;
	else if (ratio > 0.0)
		sampler.threshold = (uint64_t)(ratio * 18446744073709551616.0);
	return sampler;
}
