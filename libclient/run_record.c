/* The record that says a run begins or ends. */
#include "attributes.h"
#include "client.h"

int client_say_run(unsigned which, const uint8_t trace_id[16],
		   const struct spanring_attribute *attributes, size_t count)
{
	struct wire_run record;
	struct thread *thread;
	struct writer writer;
	uint64_t length;
	uint32_t bad;
	int error, r;

	r = client_enter_start(&thread);
	if (r < 0)
		return r;
	length = sizeof record + attributes_entries_bytes(attributes, count, &bad, &error);
	r = writer_begin(&writer, thread, length);
	if (r == 0) {
		record.head = record_make_head(WIRE_RUN, (uint32_t)length, which, 0);
		memcpy(record.trace_id, trace_id, sizeof record.trace_id);
		writer_put(&writer, &record, sizeof record);
		attributes_write_entries(&writer, attributes, count);
		writer_end(&writer);
		writer_commit(thread);
		r = error;
	}
	if (r < 0)
		writer_count(thread, r);
	thread_write_end(thread);
	return r;
}
