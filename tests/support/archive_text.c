#include "archive_text.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define NOON_2026 UINT64_C(1767268800000000000)

void archive_text_begin(struct buf *out, const char *resource_attributes)
{
	(void)buf_printf(out,
			 "{\"resourceSpans\":[{\"resource\":{\"attributes\":[%s]},"
			 "\"scopeSpans\":[{\"scope\":{},\"spans\":[",
			 resource_attributes);
}

static uint64_t nanoseconds(double seconds)
{
	return NOON_2026 + (uint64_t)(seconds * 1e9 + 0.5);
}

void archive_text_span(struct buf *out, const struct archive_text_span *span)
{
	if (out->len && out->at[out->len - 1] == '}')
		(void)buf_append_text(out, ",");
	(void)buf_printf(out, "{\"traceId\":\"%s\",\"spanId\":\"%016x\",",
			 span->trace ? span->trace : ARCHIVE_TEXT_TRACE, span->id);
	if (span->parent)
		(void)buf_printf(out, "\"parentSpanId\":\"%016x\",", span->parent);
	(void)buf_printf(out,
			 "\"name\":\"%s\",\"kind\":1,\"startTimeUnixNano\":\"%" PRIu64
			 "\",\"endTimeUnixNano\":\"%" PRIu64
			 "\",\"attributes\":[%s],\"status\":{\"code\":%d}}",
			 span->name, nanoseconds(span->start), nanoseconds(span->end),
			 span->attributes ? span->attributes : "", span->status);
}

void archive_text_end(struct buf *out)
{
	(void)buf_append_text(out, "]}]}]}\n");
}

void archive_text_make(struct buf *out, const char *resource_attributes,
		       const struct archive_text_span *spans, size_t count)
{
	archive_text_begin(out, resource_attributes);
	for (size_t i = 0; i < count; i++)
		archive_text_span(out, &spans[i]);
	archive_text_end(out);
	assert_false(buf_failed(out));
}

void archive_text_write(const char *path, struct bytes text)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
	assert_int_equal(fclose(file), 0);
}
