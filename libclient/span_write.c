/* The records of attributes and links, as a span's start and its later calls
 * both write them. */
#include "attributes.h"
#include "context.h"
#include "span.h"

int span_write_attribute(struct thread *thread, const struct spanring_span *span,
			 const struct spanring_attribute *attribute)
{
	uint8_t fixed[sizeof(struct wire_attribute)];
	int64_t bytes = attribute_value_bytes(attribute, client_limits.value_length);
	struct writer writer;
	int r;

	if (bytes < 0)
		return (int)bytes;
	r = writer_begin(&writer, thread,
			 sizeof fixed + attribute->key_length + (uint64_t)bytes);
	if (r < 0)
		return r;
	record_put_attribute(fixed, span->span_id, attribute_wire_type(attribute),
			     (uint32_t)attribute->key_length, (uint32_t)bytes);
	writer_put(&writer, fixed, sizeof fixed);
	writer_put(&writer, attribute->key, attribute->key_length);
	attribute_write_value(&writer, attribute, client_limits.value_length);
	writer_end(&writer);
	return 0;
}

int span_write_attributes(struct thread *thread, const struct spanring_span *span,
			  const struct spanring_attribute *attributes, size_t count)
{
	int first = 0;

	for (size_t i = 0; i < count; i++) {
		int r = span_write_attribute(thread, span, &attributes[i]);

		if (r == 0)
			continue;
		writer_refuse(thread, span, WRITER_LOST_ATTRIBUTES, 1, r);
		if (first == 0)
			first = r;
	}
	return first;
}

int span_write_link(struct thread *thread, const struct spanring_span *span,
		    const struct spanring_link *link)
{
	const struct spanring_context *context = link->context;
	size_t count = span_kept(link->attribute_count, client_limits.link_attributes);
	struct wire_link record = {.reserved = 0};
	struct writer writer;
	uint64_t length;
	int error, r;

	if (!context || !context_is_valid(context) ||
	    context->tracestate_length > SPANRING_TRACESTATE_MAX ||
	    (link->attribute_count && !link->attributes))
		return -EINVAL;
	length = sizeof record + context->tracestate_length +
		 attributes_entries_bytes(link->attributes, count, client_limits.value_length,
					  &record.dropped_attributes, &error);
	r = writer_begin(&writer, thread, length);
	if (r < 0)
		return r;
	record.head = record_make_head(WIRE_LINK, (uint32_t)length, 0, 0);
	memcpy(record.span_id, span->span_id, sizeof record.span_id);
	memcpy(record.linked_trace_id, context->trace_id, sizeof record.linked_trace_id);
	memcpy(record.linked_span_id, context->span_id, sizeof record.linked_span_id);
	record.trace_flags = context->trace_flags | 0x100u | (context->is_remote ? 0x200u : 0);
	record.tracestate_length = context->tracestate_length;
	record.dropped_attributes += (uint32_t)(link->attribute_count - count);
	writer_put(&writer, &record, sizeof record);
	writer_put(&writer, context->tracestate, context->tracestate_length);
	attributes_write_entries(&writer, link->attributes, count, client_limits.value_length);
	writer_end(&writer);
	if (error)
		writer_count(thread, error);
	return 0;
}

int span_write_links(struct thread *thread, const struct spanring_span *span,
		     const struct spanring_link *links, size_t count)
{
	int first = 0;

	for (size_t i = 0; i < count; i++) {
		int r = span_write_link(thread, span, &links[i]);

		if (r == 0)
			continue;
		writer_refuse(thread, span, WRITER_LOST_LINKS, 1, r);
		if (first == 0)
			first = r;
	}
	return first;
}

uint64_t span_attributes_bytes(const struct spanring_attribute *attributes, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		int64_t bytes =
			attribute_value_bytes(&attributes[i], client_limits.value_length);

		if (bytes >= 0)
			sum += (sizeof(struct wire_attribute) + attributes[i].key_length +
				(uint64_t)bytes + WIRE_RECORD_ALIGN - 1) &
			       ~(uint64_t)(WIRE_RECORD_ALIGN - 1);
	}
	return sum;
}

uint64_t span_links_bytes(const struct spanring_link *links, size_t count)
{
	uint64_t sum = 0;
	uint32_t bad;
	int error;

	for (size_t i = 0; i < count; i++) {
		uint64_t bytes =
			sizeof(struct wire_link) + WIRE_RECORD_ALIGN - 1 +
			attributes_entries_bytes(links[i].attributes, links[i].attribute_count,
						 client_limits.value_length, &bad, &error);

		if (links[i].context)
			bytes += links[i].context->tracestate_length;
		sum += bytes & ~(uint64_t)(WIRE_RECORD_ALIGN - 1);
	}
	return sum;
}
