/* What anybody may send to the receiver's gRPC port: bytes that should be HTTP/2, in
 * pieces, while time passes and the log goes on. */
#include <string.h>

#include "file_env.h"
#include "fuzz.h"
#include "receive/grpc_session.h"

#define SECOND UINT64_C(1000000000)

/* What an honest client says first, so that few inputs end there. */
static const uint8_t beginning[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";

static uint64_t sequence;

static int on_ready(void *arg)
{
	(void)arg;
	return 0;
}

static int on_span(void *arg, struct finished_span *span)
{
	(void)arg;
	(void)span;
	sequence++;
	return 0;
}

static uint64_t on_sequence(void *arg)
{
	(void)arg;
	return sequence;
}

/* False: the connection is over. */
static bool hear(struct grpc_session *session)
{
	struct bytes out;

	while (grpc_session_output(session, &out) == 0) {
		if (out.len == 0)
			return !grpc_session_over(session);
		grpc_session_sent(session, out.len / 2 + 1);
	}
	return false;
}

static void converse(struct receive *stage, struct grpc_session *session, uint64_t now_ns,
		     struct fuzz_input *input)
{
	while (input->left > 0) {
		uint8_t step = fuzz_u8(input);
		struct bytes piece;

		piece.len = fuzz_bytes(input, step ? step : 4096, &piece.at);
		(void)grpc_session_recv(session, piece, now_ns);
		if (!hear(session))
			return;
		if (step & 1)
			receive_logged(stage, sequence);
		if ((step & 0x1e) == 0x1e)
			now_ns += SECOND;
		grpc_session_tick(session, now_ns);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const struct receive_options options = {
		.streams_max = 8,
		.header_bytes_max = 4096,
		.request_bytes_max = 64 << 10,
		.ratio_max = 100,
		.memory_bytes_max = 1 << 20,
		.response_bytes_max = 4096,
		.request_timeout_ns = 30 * SECOND,
		.idle_timeout_ns = 60 * SECOND,
		.ping_interval_ns = 10 * SECOND,
		.agent_id = "0123456789abcdef0123456789abcdef",
	};
	const struct receive_ops ops = {on_ready, on_span, on_sequence, NULL, NULL};
	static struct receive stage;
	struct fuzz_input input = {at, len};
	struct grpc_session session;
	struct file_env world;

	sequence = 0;
	file_env_init(&world, 1);
	FUZZ_CHECK(stage_init(&stage, &world.env, &options, &ops) == 0);
	FUZZ_CHECK(grpc_session_init(&session, &stage, SECOND) == 0);
	if (fuzz_u8(&input) & 1)
		(void)grpc_session_recv(
			&session, (struct bytes){beginning, sizeof beginning - 1}, SECOND);
	converse(&stage, &session, SECOND, &input);
	grpc_session_fini(&session);
	FUZZ_CHECK(stage.memory.bytes == 0);
	FUZZ_CHECK(stage.memory.bytes_max == options.memory_bytes_max);
	FUZZ_CHECK(list_empty(&stage.waiting) && stage.counters.waiting == 0);
	stage_fini(&stage);
	return 0;
}
