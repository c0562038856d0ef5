/* The answer of a vendor, or of whoever sits in between: any bytes. What is taken as JSON is
 * JSON to jansson, too, and counts are counts. */
#include "fuzz.h"
#include "spanring/genai.h"

#include <errno.h>
#include <jansson.h>

/* What jansson looks at and we do not: whether strings are UTF-8, also where they are escaped,
 * and whether numbers fit. */
static bool is_finer_point(const uint8_t *at, size_t len, enum json_error_code code)
{
	switch (code) {
	case json_error_invalid_utf8:
	case json_error_numeric_overflow:
	case json_error_null_byte_in_key:
		return true;
	case json_error_invalid_syntax: /* half a surrogate pair */
		return memmem(at, len, "\\u", 2) != NULL;
	default:
		return false;
	}
}

static void check_json(const uint8_t *at, size_t len)
{
	json_error_t error;
	json_t *json =
		json_loadb((const char *)at, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

	FUZZ_CHECK(json || is_finer_point(at, len, json_error_code(&error)));
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct spanring_usage usage = SPANRING_USAGE_INIT, before;
	int r;

	usage.input_tokens = 5;
	before = usage;
	r = spanring_usage_from_json(&usage, (const char *)at, len);
	FUZZ_CHECK(r == 1 || r == 0 || r == -EBADMSG);
	if (r != 1)
		FUZZ_CHECK(memcmp(&usage, &before, sizeof usage) == 0);
	FUZZ_CHECK(usage.input_tokens >= 0 && usage.output_tokens >= -1 &&
		   usage.cache_read_tokens >= -1 && usage.cache_creation_tokens >= -1 &&
		   usage.reasoning_tokens >= -1);
	if (r >= 0)
		check_json(at, len);
	return 0;
}
