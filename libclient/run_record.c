/* The record that says a run begins or ends. */
#include "client.h"
#include "writer.h"

int client_say_run(unsigned which, const uint8_t trace_id[16])
{
	struct wire_run record;
	struct thread *thread;
	struct writer writer;
	int r;

	r = client_enter_start(&thread);
	if (r < 0)
		return r;
	r = writer_begin(&writer, thread, sizeof record);
	if (r == 0) {
		record.head = record_make_head(WIRE_RUN, sizeof record, which, 0);
		memcpy(record.trace_id, trace_id, sizeof record.trace_id);
		writer_put(&writer, &record, sizeof record);
		writer_end(&writer);
		writer_commit(thread);
	} else {
		writer_count(thread, r);
	}
	thread_write_end(thread);
	return r;
}
