/* The same payload as events of LTTng-UST. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER spanring_bench
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./lttng_provider.h"

#if !defined(BENCH_LTTNG_PROVIDER_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define BENCH_LTTNG_PROVIDER_H

#include <lttng/tracepoint.h>
#include <stdint.h>

LTTNG_UST_TRACEPOINT_EVENT(
	spanring_bench, start,
	LTTNG_UST_TP_ARGS(const uint8_t *, trace_id, uint64_t, span_id, uint64_t, parent,
			  const char *, name),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_array(uint8_t, trace_id, trace_id, 16)
		lttng_ust_field_integer(uint64_t, span_id, span_id)
		lttng_ust_field_integer(uint64_t, parent, parent)
		lttng_ust_field_string(name, name)))

LTTNG_UST_TRACEPOINT_EVENT(
	spanring_bench, text,
	LTTNG_UST_TP_ARGS(uint64_t, span_id, const char *, key, const char *, value),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(uint64_t, span_id, span_id)
		lttng_ust_field_string(key, key)
		lttng_ust_field_string(value, value)))

LTTNG_UST_TRACEPOINT_EVENT(
	spanring_bench, number,
	LTTNG_UST_TP_ARGS(uint64_t, span_id, const char *, key, int64_t, value),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(uint64_t, span_id, span_id)
		lttng_ust_field_string(key, key)
		lttng_ust_field_integer(int64_t, value, value)))

LTTNG_UST_TRACEPOINT_EVENT(
	spanring_bench, end,
	LTTNG_UST_TP_ARGS(uint64_t, span_id),
	LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint64_t, span_id, span_id)))

#endif
#include <lttng/tracepoint-event.h>
