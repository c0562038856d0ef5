/* The current spans of a thread, and a span's context. */
#include "context.h"
#include "span.h"
#include "tracestate.h"

static bool same_span(const struct spanring_span *a, const struct spanring_span *b)
{
	return memcmp(a->span_id, b->span_id, sizeof a->span_id) == 0 &&
	       memcmp(a->trace_id, b->trace_id, sizeof a->trace_id) == 0;
}

/* A handler of this thread may attach and detach in between: it leaves the
 * depth as it found it. */
int spanring_attach(struct spanring_span *span)
{
	struct thread *thread;
	uint32_t depth;

	if (span->level)
		(void)spanring_detach(span); /* a second attach moves it to the top */
	thread = thread_mine();
	if (!thread)
		return -ENOMEM;
	depth = thread->depth;
	span->level = depth < UINT8_MAX ? (uint8_t)(depth + 1) : UINT8_MAX;
	if (depth < THREAD_STACK_MAX)
		thread->stack[depth] = *span;
	atomic_signal_fence(memory_order_seq_cst);
	thread->depth = depth + 1;
	return 0;
}

int current_detach(struct thread *thread, struct spanring_span *span)
{
	uint32_t level = span->level;

	span->level = 0;
	if (level == 0 || level > thread->depth)
		return -ENOENT;
	if (level <= THREAD_STACK_MAX) {
		if (!same_span(&thread->stack[level - 1], span))
			return -ENOENT;
		thread->depth = level - 1;
	} else {
		/* Beyond the stack only the number is known. */
		thread->depth = level < UINT8_MAX ? level - 1 : thread->depth - 1;
	}
	return 0;
}

int spanring_detach(struct spanring_span *span)
{
	struct thread *thread = thread_self;

	return thread ? current_detach(thread, span) : -ENOENT;
}

int spanring_current(struct spanring_span *ret_span)
{
	struct thread *thread = thread_self;
	uint32_t depth = thread ? thread->depth : 0;

	memset(ret_span, 0, sizeof *ret_span);
	if (depth == 0)
		return -ENOENT;
	*ret_span = thread->stack[(depth > THREAD_STACK_MAX ? THREAD_STACK_MAX : depth) - 1];
	return 0;
}

int spanring_span_context(const struct spanring_span *span,
			  struct spanring_context *ret_context)
{
	struct spanring_context context;
	struct record_text state;

	memset(&context, 0, sizeof context);
	memcpy(context.trace_id, span->trace_id, sizeof context.trace_id);
	memcpy(context.span_id, span->span_id, sizeof context.span_id);
	if (!context_is_valid(&context))
		return -ENOENT;
	context.trace_flags = span->trace_flags;
	context.is_remote = (span->marks & CLIENT_MARK_REMOTE) != 0;
	context.b3_debug = (span->marks & CLIENT_MARK_DEBUG) != 0;
	state = tracestate_text(span->tracestate);
	context.tracestate_length = (uint16_t)state.length;
	if (state.length)
		memcpy(context.tracestate, state.at, state.length);
	*ret_context = context;
	return 0;
}

int spanring_current_context(struct spanring_context *ret_context)
{
	struct spanring_span current;

	if (spanring_current(&current) == 0 &&
	    spanring_span_context(&current, ret_context) == 0)
		return 0;
	return spanring_span_context(&client_inherited, ret_context);
}

int spanring_span_from_context(struct spanring_span *ret_span,
			       const struct spanring_context *context)
{
	if (!context_is_valid(context))
		return -EINVAL;
	memset(ret_span, 0, sizeof *ret_span);
	memcpy(ret_span->trace_id, context->trace_id, sizeof ret_span->trace_id);
	memcpy(ret_span->span_id, context->span_id, sizeof ret_span->span_id);
	ret_span->trace_flags = context->trace_flags;
	ret_span->marks = CLIENT_MARK_REMOTE | (context->b3_debug ? CLIENT_MARK_DEBUG : 0);
	ret_span->tracestate =
		tracestate_number(context->tracestate, context->tracestate_length);
	return 0;
}

bool spanring_is_recording(const struct spanring_span *span)
{
	return span->epoch != 0 && client_epoch_of(span->epoch) == client_epoch_now();
}
