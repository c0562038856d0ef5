/* What anybody may send as an OTLP request: protobuf, JSON, or either behind gzip. What
 * is handed on can be printed into an archive, whatever it was made of. */
#include <errno.h>
#include <string.h>

#include "file_env.h"
#include "fuzz.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/check.h"
#include "otlp/json_print.h"
#include "receive/http_json.h"
#include "receive/stage.h"

#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)
#define RESOURCE (&opentelemetry__proto__resource__v1__resource__descriptor)
#define SCOPE (&opentelemetry__proto__common__v1__instrumentation_scope__descriptor)

static void check_part(const ProtobufCMessageDescriptor *type, struct bytes message)
{
	struct otlp_faults faults;
	struct buf text = BUF_INIT;

	FUZZ_CHECK(otlp_json_print_filled(&text, type, message) == 0);
	FUZZ_CHECK(otlp_check(type, message, &faults) == 0 && !otlp_faults_any(&faults));
	buf_fini(&text);
}

static int on_ready(void *arg)
{
	(void)arg;
	return 0;
}

static int on_span(void *arg, struct finished_span *span)
{
	uint64_t *spans = arg;

	check_part(SPAN, span->span);
	check_part(RESOURCE, span->resource);
	check_part(SCOPE, span->scope);
	(*spans)++;
	return 0;
}

static uint64_t on_sequence(void *arg)
{
	(void)arg;
	return 1;
}

static void say(struct receive_call *call)
{
	call->spans = UINT64_MAX; /* it was said */
}

static void try_request(struct receive *stage, struct bytes message)
{
	struct receive_call call;

	receive_call_init(&call, say);
	stage_take(stage, &call, message);
	if (call.spans != UINT64_MAX)
		receive_logged(stage, 1);
	FUZZ_CHECK(call.spans == UINT64_MAX);
	if (call.answer.code == ANSWER_OK) {
		struct buf answer = BUF_INIT;

		FUZZ_CHECK(answer_response(&answer, &call.answer, true, 65536) == 0);
		buf_fini(&answer);
	}
}

static void try_json(struct receive *stage, struct bytes text)
{
	struct buf message = BUF_INIT;
	char why[ANSWER_TEXT_BYTES] = "";
	int r = http_json_read(&message, text, why, sizeof why);

	FUZZ_CHECK(r == 0 || (r == -EBADMSG && why[0]));
	if (r == 0)
		try_request(stage, buf_bytes(&message));
	buf_fini(&message);
}

static void try_bytes(struct receive *stage, struct bytes bytes, bool json)
{
	if (json)
		try_json(stage, bytes);
	else
		try_request(stage, bytes);
}

/* In pieces of an odd size. */
static void try_gzip(struct receive *stage, struct bytes packed, bool json)
{
	struct body body;
	int r = body_init(&body, &stage->memory, true, 1 << 20, 200);

	FUZZ_CHECK(r == 0);
	for (size_t at = 0; at < packed.len && r == 0; at += 13)
		r = body_push(&body,
			      (struct bytes){packed.at + at,
					     packed.len - at < 13 ? packed.len - at : 13});
	if (r == 0 && body_end(&body) == 0)
		try_bytes(stage, buf_bytes(&body.bytes), json);
	body_fini(&body);
	FUZZ_CHECK(stage->memory.bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const struct receive_options options = {.memory_bytes_max = 64 << 20};
	static struct receive stage;
	struct fuzz_input input = {at, len};
	struct file_env world;
	uint64_t spans = 0;
	const struct receive_ops ops = {on_ready, on_span, on_sequence, NULL, &spans};
	uint8_t form = fuzz_u8(&input);
	struct bytes bytes = {input.at, input.left};

	file_env_init(&world, 1);
	FUZZ_CHECK(stage_init(&stage, &world.env, &options, &ops) == 0);
	if (form & 2)
		try_gzip(&stage, bytes, form & 1);
	else
		try_bytes(&stage, bytes, form & 1);
	FUZZ_CHECK(stage.counters.spans == spans);
	FUZZ_CHECK(stage.counters.seen_spans ==
		   stage.counters.spans + stage.counters.rejected_ids +
			   stage.counters.repeated_spans + stage.counters.refused_spans);
	FUZZ_CHECK(list_empty(&stage.waiting));
	stage_fini(&stage);
	return 0;
}
