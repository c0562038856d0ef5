#include "export/grpc_transport.h"

#include "export/answer.h"
#include "export/retry.h"

static struct grpc_transport *grpc_of(struct transport *transport)
{
	return (struct grpc_transport *)transport;
}

static const struct grpc_transport *grpc_of_const(const struct transport *transport)
{
	return (const struct grpc_transport *)transport;
}

/* --- what an answer means --------------------------------------------------- */

static void accepted(struct grpc_transport *grpc, void *tag, const struct grpc_result *result)
{
	struct transport_answer answer = {.verdict = TRANSPORT_ACCEPTED,
					  .status = grpc_status_name(GRPC_OK),
					  .compressions_known = result->compressions_known};
	struct answer said;

	if (answer_read(&said, result->response) < 0) {
		answer.verdict = TRANSPORT_REFUSED;
		answer.status = grpc_status_name(GRPC_INTERNAL);
		answer.message = "the answer is not an ExportTraceServiceResponse";
	} else {
		answer.rejected = said.rejected;
		answer.message = said.message;
	}
	grpc->transport.news->done(grpc->transport.arg, tag, &answer);
}

static void on_done(void *arg, void *tag, const struct grpc_result *result)
{
	struct grpc_transport *grpc = arg;
	bool again = retry_allowed(result->status, result->has_retry_info);
	struct transport_answer answer = {
		.verdict = again ? TRANSPORT_RETRY : TRANSPORT_REFUSED,
		.delay_ns = again ? result->retry_delay_ns : 0,
		.content_refused = result->status == GRPC_INVALID_ARGUMENT,
		.form_refused = result->status == GRPC_UNIMPLEMENTED,
		.compressions_known = result->compressions_known,
		.status = grpc_status_name(result->status),
		.message = result->message,
	};

	if (result->status == GRPC_OK)
		accepted(grpc, tag, result);
	else
		grpc->transport.news->done(grpc->transport.arg, tag, &answer);
}

static void on_changed(void *arg, bool up, const char *why)
{
	struct grpc_transport *grpc = arg;

	grpc->transport.news->changed(grpc->transport.arg, up, why);
}

static const struct connection_ops connection_ops = {
	.done = on_done,
	.changed = on_changed,
};

/* --- operations -------------------------------------------------------------- */

static void grpc_fini(struct transport *transport)
{
	connection_fini(&grpc_of(transport)->connection);
}

static void grpc_want(struct transport *transport, bool wanted)
{
	connection_want(&grpc_of(transport)->connection, wanted);
}

static bool grpc_connected(const struct transport *transport)
{
	return grpc_of_const(transport)->connection.state == CONNECTION_UP;
}

static bool grpc_ready(const struct transport *transport)
{
	return connection_ready(&grpc_of_const(transport)->connection);
}

static int grpc_begin(struct transport *transport, void *tag,
		      const struct transport_request *request)
{
	return connection_call(&grpc_of(transport)->connection, tag, request);
}

static void grpc_cancel(struct transport *transport, void *tag, uint64_t sent_ns,
			uint64_t now_ns)
{
	connection_cancel(&grpc_of(transport)->connection, tag, sent_ns, now_ns);
}

static int grpc_tick(struct transport *transport, uint64_t now_ns)
{
	return connection_tick(&grpc_of(transport)->connection, now_ns);
}

static uint64_t grpc_next_due(const struct transport *transport, bool wanted)
{
	return connection_next_due(&grpc_of_const(transport)->connection, wanted);
}

static const struct transport_ops ops = {
	.fini = grpc_fini,
	.want = grpc_want,
	.connected = grpc_connected,
	.ready = grpc_ready,
	.begin = grpc_begin,
	.cancel = grpc_cancel,
	.tick = grpc_tick,
	.next_due = grpc_next_due,
};

void grpc_transport_init(struct grpc_transport *grpc, struct env *env,
			 const struct export_options *options,
			 const struct transport_news *news, void *arg)
{
	grpc->transport = (struct transport){.ops = &ops, .news = news, .arg = arg};
	connection_init(&grpc->connection, env, options, &connection_ops, grpc);
}
