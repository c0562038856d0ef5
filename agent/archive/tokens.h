/* The tokens a span says that a model took and gave. They go by three families of
 * names, of which the newest that a span has counts:
 *
 *   gen_ai.usage.input_tokens    gen_ai.usage.output_tokens
 *   gen_ai.usage.prompt_tokens   gen_ai.usage.completion_tokens   (before)
 *   llm.token_count.prompt       llm.token_count.completion       (OpenInference) */
#ifndef ARCHIVE_TOKENS_H
#define ARCHIVE_TOKENS_H

#include "base/buf.h"

#define TOKENS_FAMILIES 3

struct tokens {
	uint32_t said; /* bit 2 * family, + 1 for the output */
	uint32_t counts[TOKENS_FAMILIES][2];
};

/* Notes an attribute if it is one of those: `value` is an AnyValue. One that is no
 * number, or negative (nobody knew), says nothing; what is more than 32 bits have room
 * for is as much as they have. */
void tokens_take(struct tokens *tokens, struct bytes key, struct bytes value);

/* Whether the span says any; what it does not say is 0. */
bool tokens_counted(const struct tokens *tokens, uint32_t *ret_input, uint32_t *ret_output);

#endif
