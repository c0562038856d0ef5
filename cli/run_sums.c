#include "run_sums.h"

#include "span_tree.h"

bool run_is_bad_end(const char *reason)
{
	return reason && strcmp(reason, "process_exit") != 0 &&
	       strcmp(reason, "sigterm") != 0 && strcmp(reason, "shutdown") != 0;
}

uint32_t run_sums_mark(const struct archive_file *file, const struct archive_trace *trace)
{
	return (uint32_t)(trace - file->traces) + 1;
}

void run_sums_find(struct run_sums *ret_sums, const struct archive_file *file,
		   const struct archive_trace *trace)
{
	uint32_t mark = run_sums_mark(file, trace);
	struct run_sums sums = {0};
	unsigned depth = 0;

	for (struct archive_span *span = trace->root; span;
	     span = span_tree_next(span, &depth)) {
		struct archive_module *module = &file->modules[span->module];

		sums.failed += span->status == 2;
		sums.errors += span->status == 2 && !run_is_bad_end(span->end_reason);
		sums.closed += span->end_reason != NULL;
		sums.cut += run_is_bad_end(span->end_reason);
		if (module->seen != mark) {
			module->seen = mark;
			sums.modules++;
		}
		if (!sums.service)
			sums.service = otlp_text(module->resource, "service.name");
	}
	if (!sums.service)
		sums.service = "unknown_service";
	*ret_sums = sums;
}
