/* Between the export stage's own files: export.c takes spans and sends requests,
 * answers.c knows what becomes of them. */
#ifndef EXPORT_STAGE_H
#define EXPORT_STAGE_H

#include "export/export.h"

/* Memory a batch keeps from one request to the next. */
#define BATCH_KEEP (512u << 10)

enum { PRIORITY_ERROR = 3, PRIORITY_WARNING = 4, PRIORITY_INFO = 6 };

void export_say(struct export *export, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static inline uint64_t export_now(const struct export *export)
{
	return export->env->ops->mono_ns(export->env);
}

/* Whether this span is of a backlog beside which live spans go. */
static inline bool export_in_backlog(const struct export *export, uint64_t number)
{
	return number <= export->split; /* 0: there is none */
}

/* The lane of this span. */
struct export_lane *export_lane(struct export *export, uint64_t number);
/* A batch for a lane to fill, NULL: it must wait. */
struct export_batch *export_batch_free(struct export *export, const struct export_lane *lane);
/* Whether a lane must wait with so many bytes more. */
bool export_memory_full(const struct export *export, const struct export_lane *lane,
			size_t more);
/* The batch to be sent next, or NULL. */
struct export_batch *export_batch_next(struct export *export, uint64_t now_ns);
/* After something of the backlog was done with: it may have been the last of it. */
void export_join_if_over(struct export *export);

/* What became of spans of one lane, the last of which has this number. */
void export_settle(struct export *export, uint64_t number,
		   const struct export_outcome *outcome);

/* What is asked for now, in protobuf: the whole batch or a part of a refused one. */
static inline struct bytes export_batch_asked(const struct export_batch *batch)
{
	return batch->isolation.on ? buf_bytes(&batch->part) : batch->batch.framed;
}

/* The request that is under way for this batch is over. */
void export_answered(struct export *export, struct export_batch *batch,
		     const struct transport_answer *answer);

/* A request cannot go to this destination as it is: it is treated as if refused for
 * its content. */
void export_unsendable(struct export *export, struct export_batch *batch, const char *why);

/* What a transport tells. `arg` is the export. */
extern const struct transport_news export_news;

#endif
