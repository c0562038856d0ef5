/* What an OTLP/HTTP server answers: whatever it is, there is one verdict, and the
 * words are bounded. */
#include "fuzz.h"

#include <string.h>

#include "export/http_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const char *const types[] = {
		NULL,	      "application/x-protobuf",		 "application/json",
		"text/plain", "application/json; charset=utf-8", ""};
	struct fuzz_input input = {at, len};
	struct http_reply reply = {.trouble = "trouble"};
	struct transport_answer answer;
	struct http_words words;
	uint8_t flags;

	reply.status = fuzz_u16(&input) % 1000;
	reply.content_type = types[fuzz_u8(&input) % (sizeof types / sizeof types[0])];
	flags = fuzz_u8(&input);
	reply.too_large = flags & 1;
	reply.cut = flags & 2;
	reply.retry_after_s = (int32_t)fuzz_u32(&input) * (flags & 4 ? INT64_C(4294967296) : 1);
	reply.body.len = fuzz_bytes(&input, SIZE_MAX, &reply.body.at);
	http_reply_judge(&reply, &words, &answer);
	FUZZ_CHECK(answer.verdict <= TRANSPORT_REFUSED);
	FUZZ_CHECK(strlen(answer.message) < HTTP_REPLY_MESSAGE_MAX);
	FUZZ_CHECK(strlen(answer.status) < sizeof words.status);
	FUZZ_CHECK(answer.delay_ns <= UINT64_C(86400000000000));
	FUZZ_CHECK(!answer.delay_ns || answer.verdict == TRANSPORT_RETRY);
	FUZZ_CHECK(!answer.rejected || answer.verdict == TRANSPORT_ACCEPTED);
	FUZZ_CHECK(!answer.content_refused || answer.verdict == TRANSPORT_REFUSED);
	return 0;
}
