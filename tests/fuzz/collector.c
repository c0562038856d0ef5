/* What a collector says: HTTP/2 as it comes, one answer taken apart, and the
 * details of a status. Nothing of it may break the client, each call ends once, and
 * an answer is the same whatever pieces it comes in. */
#include <string.h>

#include "export/answer.h"
#include "export/grpc_client.h"
#include "export/grpc_text.h"
#include "fuzz.h"
#include "otlp/bytes_text.h"

#define CALLS 3
#define RESPONSE_MAX 4096

static const uint8_t request_bytes[] = {0, 0, 0, 0, 3, 'a', 'b', 'c'};

struct calls {
	unsigned done[CALLS];
};

static void note_done(void *arg, void *tag, const struct grpc_result *result)
{
	struct calls *calls = arg;
	size_t i = (size_t)(uintptr_t)tag - 1;
	struct answer answer;

	FUZZ_CHECK(i < CALLS && !calls->done[i]);
	FUZZ_CHECK(result->message && strlen(result->message) < GRPC_MESSAGE_MAX);
	FUZZ_CHECK(result->response.len <= RESPONSE_MAX);
	calls->done[i]++;
	if (result->status == GRPC_OK)
		(void)answer_read(&answer, result->response);
}

static void let_out(struct grpc_client *client)
{
	struct iovec iov[8];
	int n;

	while ((n = grpc_client_output(client, iov, 8)) > 0) {
		size_t len = 0;

		for (int i = 0; i < n; i++)
			len += iov[i].iov_len;
		FUZZ_CHECK(len > 0);
		grpc_client_sent(client, len);
	}
}

/* The input is what the peer sends, in pieces that its first byte tells. */
static void try_client(struct fuzz_input input)
{
	struct export_options options = {
		.user_agent = "fuzz", .streams_max = CALLS, .response_bytes_max = RESPONSE_MAX};
	const struct transport_request request = {
		.framed = {request_bytes, sizeof request_bytes}, .timeout_ns = 1000000000};
	size_t piece = 1 + fuzz_u8(&input);
	struct grpc_client client;
	struct calls calls = {{0}};
	int r = 0;

	memcpy(options.endpoint.authority, "h:1", 4);
	FUZZ_CHECK(grpc_client_init(&client, &options, note_done, &calls) == 0);
	for (uintptr_t i = 1; i <= CALLS; i++)
		FUZZ_CHECK(grpc_client_call(&client, (void *)i, &request) == 0);
	let_out(&client);
	while (input.left && r == 0) {
		const uint8_t *at;
		size_t n = fuzz_bytes(&input, piece, &at);

		r = grpc_client_recv(&client, at, n);
		if (r == 0)
			let_out(&client);
	}
	grpc_client_fail_all(&client, GRPC_UNAVAILABLE, "it is over");
	for (size_t i = 0; i < CALLS; i++)
		FUZZ_CHECK(calls.done[i] == 1);
	grpc_client_fini(&client);
}

/* Headers with lengths, then the message, in pieces. */
static void try_reply(struct fuzz_input input, size_t piece, struct grpc_result *ret_result,
		      struct grpc_reply *reply)
{
	static const char *const names[] = {":status",
					    "content-type",
					    "grpc-status",
					    "grpc-message",
					    "grpc-encoding",
					    "grpc-status-details-bin",
					    "grpc-accept-encoding"};
	unsigned headers = fuzz_u8(&input) % 12;
	int r = 0;

	grpc_reply_init(reply, RESPONSE_MAX);
	(void)grpc_reply_header(reply, bytes_of("content-type"), bytes_of("application/grpc"));
	while (headers-- && r == 0) {
		const char *name = names[fuzz_u8(&input) % (sizeof names / sizeof names[0])];
		const uint8_t *at;
		size_t n = fuzz_bytes(&input, fuzz_u8(&input), &at);

		r = grpc_reply_header(reply, bytes_of(name), (struct bytes){at, n});
	}
	while (input.left && r == 0) {
		const uint8_t *at;
		size_t n = fuzz_bytes(&input, piece, &at);

		r = grpc_reply_bytes(reply, at, n);
	}
	grpc_reply_end(reply, ret_result);
	FUZZ_CHECK(ret_result->response.len <= RESPONSE_MAX);
}

static void try_replies(struct fuzz_input input)
{
	struct grpc_result whole, pieces;
	struct grpc_reply one, other;

	try_reply(input, SIZE_MAX, &whole, &one);
	try_reply(input, 3, &pieces, &other);
	FUZZ_CHECK(whole.status == pieces.status);
	FUZZ_CHECK(strcmp(whole.message, pieces.message) == 0);
	FUZZ_CHECK(whole.has_retry_info == pieces.has_retry_info);
	FUZZ_CHECK(whole.retry_delay_ns == pieces.retry_delay_ns);
	FUZZ_CHECK(bytes_equal(whole.response, pieces.response));
	grpc_reply_fini(&one);
	grpc_reply_fini(&other);
}

static void try_texts(struct fuzz_input input)
{
	struct bytes all = {input.at, input.left};
	struct buf decoded = BUF_INIT;
	char text[256], unescaped[100];
	size_t n = all.len < sizeof text - 1 ? all.len : sizeof text - 1;
	uint64_t delay_ns = 0;

	if (grpc_text_retry_delay(all, &delay_ns))
		FUZZ_CHECK(delay_ns <= INT64_MAX);
	if (bytes_text_unbase64(&decoded, all) == 0)
		(void)grpc_text_retry_delay(buf_bytes(&decoded), &delay_ns);
	buf_fini(&decoded);
	if (n)
		memcpy(text, all.at, n);
	text[n] = '\0';
	grpc_text_unescape(unescaped, sizeof unescaped, text);
	FUZZ_CHECK(strlen(unescaped) < sizeof unescaped);
	(void)grpc_status_parse(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct fuzz_input input = {at, len};

	switch (fuzz_u8(&input) % 3) {
	case 0:
		try_client(input);
		break;
	case 1:
		try_replies(input);
		break;
	default:
		try_texts(input);
		break;
	}
	return 0;
}
