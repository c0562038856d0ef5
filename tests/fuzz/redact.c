/* Redaction of what anybody may write: as text, as a record of a ring, as a span that
 * was received. A secret that stands in any text is not in what is left of it; what is
 * left is of the form it had: UTF-8, a record, a message. */
#include <string.h>

#include "fuzz.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/check.h"
#include "otlp/utf8.h"
#include "redact/message.h"
#include "redact/records.h"
#include "redact/value.h"
#include "wire/record.h"

#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)
#define CANARY "canary0123"
/* In two pieces, so that this file is no leak. */
#define SECRET \
	" sk-" \
	"ant-" CANARY "aB3dE6gH9jK2mN5p "

static struct redactor *make(void)
{
	struct redact_settings settings = {
		.enabled = true,
		.enable = (char *)"email, card-number",
		.match_limit = 20000,
		.value_bytes_max = 1 << 20,
		.rule_count = 3,
		.rules = {{.name = (char *)"digits",
			   .pattern = (char *)"[0-9]{3}-[0-9]{4}",
			   .everywhere = true},
			  {.name = (char *)"word",
			   .pattern = (char *)"\xc3\xa4+.",
			   .contains = (char *)"\xc3\xa4",
			   .everywhere = true},
			  {.name = (char *)"drops",
			   .keys = (char *)"drop*",
			   .action = REDACT_DROP,
			   .everywhere = true}},
	};
	struct redact_fault fault;
	struct redactor *redactor = NULL;

	FUZZ_CHECK(redactor_new(&redactor, &settings, &fault) == 0);
	return redactor;
}

/* The input with a secret in its middle. */
static void text(struct redactor *redactor, const uint8_t *at, size_t len)
{
	struct redact_scope plain = redact_scope_plain(redactor);
	struct buf whole = BUF_INIT, out = BUF_INIT;
	size_t middle = len / 2;

	/* The fuzzer has read it, too, and may put it anywhere. */
	if (memmem(at, len, CANARY, strlen(CANARY)))
		return;
	FUZZ_CHECK(buf_append(&whole, at, middle) == 0 &&
		   buf_append_text(&whole, SECRET) == 0 &&
		   buf_append(&whole, at + middle, len - middle) == 0);
	FUZZ_CHECK(!redact_text_stays(redactor, &plain, buf_bytes(&whole)));
	for (size_t i = 0; i < redactor->hit_count; i++) {
		const struct redact_hit *hit = &redactor->hits[i];

		FUZZ_CHECK(hit->start < hit->end && hit->end <= whole.len);
		FUZZ_CHECK(i == 0 || hit[-1].end <= hit->start);
	}
	FUZZ_CHECK(redact_write_text(redactor, &out, &plain, buf_bytes(&whole)) >= 0);
	FUZZ_CHECK(!memmem(out.at, out.len, CANARY, strlen(CANARY)));
	if (utf8_is_valid(buf_bytes(&whole)))
		FUZZ_CHECK(utf8_is_valid(buf_bytes(&out)));
	buf_fini(&whole);
	buf_fini(&out);
}

static void record(struct redactor *redactor, const uint8_t *at, size_t len)
{
	int64_t padded = record_check(at, len);
	struct buf out = BUF_INIT;

	if (padded < 0 || (uint64_t)padded > len || record_head(at).type == WIRE_FRAGMENT)
		return;
	if (!redact_record_stays(redactor, at)) {
		FUZZ_CHECK(redact_record_write(redactor, &out, at) == 0);
		FUZZ_CHECK(record_check(out.at, out.len) == (int64_t)out.len);
	}
	buf_fini(&out);
}

static void message(struct redactor *redactor, const uint8_t *at, size_t len)
{
	struct bytes span = {at, len};
	struct buf sound = BUF_INIT, out = BUF_INIT;
	struct otlp_faults faults;

	/* As the receiver does. */
	if (otlp_check(SPAN, span, &faults) < 0)
		return;
	if (otlp_faults_any(&faults)) {
		if (otlp_repair(&sound, SPAN, span) < 0)
			return;
		span = buf_bytes(&sound);
	}
	if (!redact_message_stays(redactor, SPAN, span)) {
		FUZZ_CHECK(redact_message_write(redactor, &out, SPAN, span) == 0);
		FUZZ_CHECK(otlp_check(SPAN, buf_bytes(&out), &faults) == 0);
		FUZZ_CHECK(!faults.texts && !faults.deep && !faults.names);
	}
	buf_fini(&sound);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static struct redactor *redactor;
	struct redact_tally totals = {.changed = 0};

	if (!redactor)
		redactor = make();
	if (len == 0)
		return 0;
	switch (at[0] % 3) {
	case 0:
		text(redactor, at + 1, len - 1);
		break;
	case 1:
		record(redactor, at + 1, len - 1);
		break;
	case 2:
		message(redactor, at + 1, len - 1);
		break;
	}
	redactor_taken(redactor, &totals);
	return 0;
}
