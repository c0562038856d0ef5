/* What a run used: its calls of models, and their tokens. */
#ifndef CLI_USAGE_H
#define CLI_USAGE_H

#include "archive_file.h"

/* Models beyond so many are added up under the last one's row. */
#define USAGE_MODELS_MAX 200

struct usage_model {
	const char *model; /* "" where no span said which; NULL: all others */
	uint32_t calls, errors, retries;
	uint64_t time_ns;
	int64_t input_tokens, output_tokens;
};

struct usage {
	/* Of the spans that say tokens and have none below them that does: a turn
	 * repeats what its call said. */
	bool has_tokens;
	int64_t input_tokens, output_tokens;
	uint32_t calls, retries;
	struct usage_model *models; /* by time, longest first */
	size_t model_count;
};

/* A call of a model: it says a model or tokens, or that it is one; and nothing
 * below it does. */
bool usage_is_call(const struct archive_span *span);
/* Its tokens count. */
bool usage_owns_tokens(const struct archive_span *span);

/* The model its tokens, or its retry, belong to: its own, else that of what it
 * called, else of who called it; "". */
const char *usage_model_of(const struct archive_span *span);

/* Sets what usage_is_call() and usage_owns_tokens() know, for a whole file. */
void usage_mark(struct archive_file *file);

/* To be freed in any case. -ENOMEM. */
int usage_find(struct usage *usage, const struct archive_trace *trace);
void usage_free(struct usage *usage);

#endif
