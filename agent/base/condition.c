#include "base/condition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

static const struct condition_kind {
	const char *name;
	const char *stage;
	int priority;
	const char *over; /* said when it ends */
} kinds[CONDITIONS] = {
	[CONDITION_LOG_WRITE_FAILING] = {"log_write_failing", "wal", LOG_ERR,
					 "the log is written again"},
	[CONDITION_LOG_SYNC_FAILING] = {"log_sync_failing", "wal", LOG_ERR,
					"the log is synced again"},
	[CONDITION_LOG_MEMORY_FULL] = {"log_memory_full", "wal", LOG_ERR,
				       "rings are drained again"},
	[CONDITION_LOG_OVER_SIZE] = {"log_over_size", "wal", LOG_WARNING,
				     "the log is below wal.max_size again"},
	[CONDITION_LOG_READ_FAILING] = {"log_read_failing", "wal", LOG_ERR,
					"the log is read again"},
	[CONDITION_LOG_CLEAN_FAILING] = {"log_clean_failing", "wal", LOG_ERR,
					 "the log's old segments are removed again"},
	[CONDITION_ARCHIVE_FAILING] = {"archive_failing", "archive", LOG_ERR,
				       "runs are archived again"},
	[CONDITION_RING_DIR_FAILING] = {"ring_dir_failing", "drain", LOG_ERR,
					"the ring directory is served again"},
	[CONDITION_RING_DIR_FULL] = {"ring_dir_full", "drain", LOG_WARNING,
				     "the ring directory has room again"},
	[CONDITION_RECEIVE_FAILING] = {"receive_failing", "receive", LOG_ERR,
				       "the receiver listens again"},
};

void conditions_init(struct conditions *conditions, struct env *env, condition_log_fn *log,
		     void *log_arg)
{
	*conditions = (struct conditions){.env = env, .log = log, .log_arg = log_arg};
}

void condition_raise(struct conditions *conditions, enum condition which, const char *format,
		     ...)
{
	struct condition_state *state;
	va_list args;

	if (!conditions)
		return;
	state = &conditions->of[which];
	va_start(args, format);
	(void)vsnprintf(state->text, sizeof state->text, format, args);
	va_end(args);
	if (state->raised)
		return;
	state->raised = true;
	state->times++;
	state->since_wall_ns = conditions->env->ops->wall_ns(conditions->env);
	state->since_mono_ns = conditions->env->ops->mono_ns(conditions->env);
	if (conditions->log)
		conditions->log(conditions->log_arg, kinds[which].priority, kinds[which].stage,
				state->text);
}

void condition_clear(struct conditions *conditions, enum condition which)
{
	struct condition_state *state;
	char line[128];
	uint64_t ms;

	if (!condition_is_raised(conditions, which))
		return;
	state = &conditions->of[which];
	state->raised = false;
	ms = (conditions->env->ops->mono_ns(conditions->env) - state->since_mono_ns) / 1000000;
	(void)snprintf(line, sizeof line, "%s, after %" PRIu64 ".%03" PRIu64 " s",
		       kinds[which].over, ms / 1000, ms % 1000);
	if (conditions->log)
		conditions->log(conditions->log_arg, LOG_NOTICE, kinds[which].stage, line);
}

bool condition_is_raised(const struct conditions *conditions, enum condition which)
{
	return conditions && conditions->of[which].raised;
}

const char *condition_name(enum condition which)
{
	return kinds[which].name;
}

const char *condition_remedy(int error)
{
	switch (error) {
	case -ENOSPC:
	case -EDQUOT:
		return "free some space";
	case -EFBIG:
		return "raise the agent's file size limit";
	case -EACCES:
	case -EPERM:
		return "let the agent's user write there";
	case -EROFS:
		return "mount it writable";
	case -ENOENT:
	case -ESTALE:
		return "make the directory again";
	case -EMFILE:
	case -ENFILE:
		return "raise the limit of open files";
	case -ENOMEM:
	case -ENOBUFS:
		return "give the agent more memory";
	default:
		return "check the disk";
	}
}
