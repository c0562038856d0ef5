#include "receive/receive.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "receive/grpc_port.h"
#include "receive/http_port.h"
#include "receive/stage.h"

/* Of what a repaired request needed. */
#define SCRATCH_BYTES_KEPT (1u << 20)

void stage_say(struct receive *stage, int priority, const char *format, ...)
{
	char line[400];
	va_list args;

	if (!stage->ops.log)
		return;
	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	stage->ops.log(stage->ops.arg, priority, line);
}

/* ---- calls ----------------------------------------------------------------- */

bool stage_admits(struct receive *stage, struct answer *ret_answer)
{
	int r = stage->ops.ready(stage->ops.arg);

	if (stage->stopping) {
		stage->counters.refused_stopping++;
		answer_fill(ret_answer, ANSWER_UNAVAILABLE, true, "the agent is stopping");
		return false;
	}
	if (r < 0) {
		stage->counters.refused_log++;
		answer_fill(ret_answer, ANSWER_UNAVAILABLE, true,
			    "the agent's log cannot take anything: %s", strerror(-r));
		return false;
	}
	return true;
}

static void call_wait(struct receive *stage, struct receive_call *call)
{
	call->sequence = stage->ops.sequence(stage->ops.arg);
	list_append(&stage->waiting, &call->waiting);
	stage->counters.waiting++;
}

static void call_stop_waiting(struct receive *stage, struct receive_call *call)
{
	list_unlink(&call->waiting);
	stage->counters.waiting--;
}

void stage_take(struct receive *stage, struct receive_call *call, struct bytes message)
{
	uint64_t spans = 0;

	stage->counters.request_bytes += message.len;
	/* Asked again: its body took its time to come. */
	if (stage_admits(stage, &call->answer))
		intake(stage, message, &call->answer, &spans);
	buf_keep(&stage->scratch, SCRATCH_BYTES_KEPT);
	call->spans = spans;
	if (call->answer.code == ANSWER_OK && spans)
		call_wait(stage, call);
	else
		call->say(call);
}

void stage_forget(struct receive *stage, struct receive_call *call)
{
	if (list_linked(&call->waiting))
		call_stop_waiting(stage, call);
}

void stage_refuse_body(struct receive *stage, int error, struct answer *ret_answer)
{
	struct receive_counters *counters = &stage->counters;
	unsigned long long max = stage->options.request_bytes_max;

	switch (error) {
	case -EMSGSIZE:
		counters->refused_size++;
		answer_fill(ret_answer, ANSWER_RESOURCE_EXHAUSTED, false,
			    "the request is larger than receive.request_max, %llu bytes", max);
		break;
	case -EXFULL:
		counters->refused_ratio++;
		answer_fill(ret_answer, ANSWER_RESOURCE_EXHAUSTED, false,
			    "the request grows more than %u times (receive.ratio_max) when it "
			    "is decompressed",
			    stage->options.ratio_max);
		break;
	case -EBADMSG:
		counters->refused_malformed++;
		answer_fill(ret_answer, ANSWER_INVALID_ARGUMENT, false,
			    "the body is not whole and sound gzip");
		break;
	default:
		counters->refused_memory++;
		/* Not RESOURCE_EXHAUSTED: not every sender looks for the RetryInfo that
		 * would make it one to come again. */
		answer_fill(ret_answer, ANSWER_UNAVAILABLE, true,
			    "too much is being received at once (receive.memory_max)");
		ret_answer->http = 429;
		break;
	}
}

void stage_refuse_looped(struct receive *stage, struct answer *ret_answer)
{
	stage->counters.refused_looped++;
	answer_fill(ret_answer, ANSWER_FAILED_PRECONDITION, false,
		    "this very agent sent it: its export.endpoint leads back to its receiver");
	if (stage->loop_said)
		return;
	stage->loop_said = true;
	stage_say(stage, LOG_ERR,
		  "a batch that this agent sent came back to it and was refused: what "
		  "export.endpoint names leads to receive.grpc or receive.http; name the "
		  "collector there (counted, not said again)");
}

void receive_logged(struct receive *stage, uint64_t sequence)
{
	struct list *node;
	bool said = false;

	while ((node = list_first(&stage->waiting))) {
		struct receive_call *call = list_entry(node, struct receive_call, waiting);

		if (call->sequence > sequence)
			break;
		call_stop_waiting(stage, call);
		call->say(call);
		said = true;
	}
	if (!said)
		return;
	grpc_port_flush(stage->grpc);
	http_port_flush(stage->http);
}

void receive_log_failed(struct receive *stage, int error)
{
	struct list *node;

	if (list_empty(&stage->waiting))
		return;
	while ((node = list_first(&stage->waiting))) {
		struct receive_call *call = list_entry(node, struct receive_call, waiting);

		call_stop_waiting(stage, call);
		stage->counters.refused_log++;
		answer_fill(&call->answer, ANSWER_UNAVAILABLE, true,
			    "the agent's log cannot be written: %s", strerror(-error));
		call->say(call);
	}
	grpc_port_flush(stage->grpc);
	http_port_flush(stage->http);
}

/* ---- ports ----------------------------------------------------------------- */

void stage_port_failed(struct receive *stage, const struct address *address, int error)
{
	if (!stage->options.conditions)
		return;
	condition_raise(stage->options.conditions, CONDITION_RECEIVE_FAILING,
			"cannot listen on %s: %s; trying again, everything else goes on: %s",
			address->text, strerror(-error),
			error == -EADDRINUSE
				? "another program has it; choose another address in "
				  "receive.grpc or receive.http"
				: "see receive.grpc and receive.http");
}

void stage_ports_open(struct receive *stage)
{
	if (stage->options.conditions && grpc_port_open(stage->grpc) &&
	    http_port_open(stage->http))
		condition_clear(stage->options.conditions, CONDITION_RECEIVE_FAILING);
}

/* ---- life ------------------------------------------------------------------ */

int stage_init(struct receive *stage, struct env *env, const struct receive_options *options,
	       const struct receive_ops *ops)
{
	uint64_t seed[2];
	int r;

	memset(stage, 0, sizeof *stage);
	stage->env = env;
	stage->options = *options;
	stage->ops = *ops;
	stage->memory.bytes_max = options->memory_bytes_max;
	list_init(&stage->waiting);
	buf_init(&stage->scratch);
	r = env->ops->random(env, seed, sizeof seed);
	return r < 0 ? r : recent_init(&stage->recent, seed);
}

void stage_fini(struct receive *stage)
{
	buf_fini(&stage->scratch);
	recent_fini(&stage->recent);
}

int receive_new(struct receive **ret_receive, struct env *env,
		const struct receive_options *options, const struct receive_ops *ops)
{
	struct receive *stage = malloc(sizeof *stage);
	int r;

	if (!stage)
		return -ENOMEM;
	r = stage_init(stage, env, options, ops);
	if (r == 0)
		r = grpc_port_new(&stage->grpc, stage);
	if (r == 0)
		r = http_port_new(&stage->http, stage);
	if (r < 0) {
		receive_free(stage);
		return r;
	}
	*ret_receive = stage;
	return 0;
}

void receive_free(struct receive *stage)
{
	if (!stage)
		return;
	grpc_port_free(stage->grpc);
	http_port_free(stage->http);
	stage_fini(stage);
	free(stage);
}

void receive_note(struct receive *stage, const struct finished_span *span)
{
	struct span_view view = span_view_of(span->span);

	if (view.trace_id.len == 16 && view.span_id.len == 8)
		recent_add(&stage->recent, recent_key(&stage->recent, &view));
}

int receive_tick(struct receive *stage, uint64_t now_ns)
{
	int work = grpc_port_tick(stage->grpc, now_ns) + http_port_tick(stage->http, now_ns);

	stage_ports_open(stage);
	return work;
}

void receive_stop(struct receive *stage)
{
	stage->stopping = true;
	grpc_port_stop(stage->grpc);
	http_port_stop(stage->http);
}

bool receive_busy(const struct receive *stage)
{
	return grpc_port_busy(stage->grpc) || http_port_busy(stage->http);
}

const struct receive_counters *receive_counters(const struct receive *stage)
{
	((struct receive *)stage)->counters.memory_bytes = stage->memory.bytes;
	return &stage->counters;
}
