#include "redact/redact.h"

int redact_init(struct redact *redact, const struct redact_options *options)
{
	*redact = (struct redact){.options = *options};
	return 0;
}

void redact_fini(struct redact *redact)
{
	*redact = (struct redact){0};
}

int redact_push(struct redact *redact, struct slice *slices, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		redact->counters.records += slices[i].record_count;
	return 0;
}

int redact_span(struct redact *redact, struct finished_span *span)
{
	(void)span;
	redact->counters.received++;
	return 0;
}
