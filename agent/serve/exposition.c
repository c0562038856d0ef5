#include "serve/exposition.h"

#include <inttypes.h>

#define NS_IN_S UINT64_C(1000000000)

static void put_name(struct buf *out, const char *metric, enum counter_kind kind)
{
	(void)buf_append_text(out, metric);
	if (kind == COUNTER_TOTAL)
		(void)buf_append_text(out, "_total");
	if (kind == COUNTER_AGE)
		(void)buf_append_text(out, "_seconds");
}

void exposition_family(struct buf *out, const char *metric, enum counter_kind kind,
		       const char *help)
{
	(void)buf_append_text(out, "# HELP ");
	put_name(out, metric, kind);
	(void)buf_printf(out, " %s\n# TYPE ", help);
	put_name(out, metric, kind);
	(void)buf_printf(out, " %s\n", kind == COUNTER_TOTAL ? "counter" : "gauge");
}

void exposition_sample(struct buf *out, const char *metric, enum counter_kind kind,
		       const char *labels, const char *more_labels, uint64_t value)
{
	bool first = labels && *labels, second = more_labels && *more_labels;

	put_name(out, metric, kind);
	if (first || second)
		(void)buf_printf(out, "{%s%s%s}", first ? labels : "",
				 first && second ? "," : "", second ? more_labels : "");
	if (kind == COUNTER_AGE)
		(void)buf_printf(out, " %" PRIu64 ".%09" PRIu64 "\n", value / NS_IN_S,
				 value % NS_IN_S);
	else
		(void)buf_printf(out, " %" PRIu64 "\n", value);
}

void exposition_label(struct buf *out, const char *name, const char *value)
{
	(void)buf_printf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n') {
			(void)buf_append_text(out, "\\n");
			continue;
		}
		if (*value == '"' || *value == '\\')
			(void)buf_append_byte(out, '\\');
		(void)buf_append_byte(out, (uint8_t)*value);
	}
	(void)buf_append_byte(out, '"');
}

/* How many rows from `at` on belong to one metric. */
static size_t family_rows(const struct counter_table *table, size_t at)
{
	size_t end = at + 1;

	while (end < table->count && table->rows[end].metric &&
	       strcmp(table->rows[end].metric, table->rows[at].metric) == 0)
		end++;
	return end - at;
}

void exposition_table(struct buf *out, const struct counter_table *table,
		      const struct exposition_source *sources, size_t source_count)
{
	size_t rows;

	for (size_t at = 0; at < table->count && source_count; at += rows) {
		const struct counter *row = &table->rows[at];

		rows = 1;
		if (!row->metric)
			continue;
		rows = family_rows(table, at);
		exposition_family(out, row->metric, row->kind, row->help);
		for (size_t i = 0; i < source_count; i++)
			for (size_t j = 0; j < rows; j++)
				exposition_sample(out, row->metric, row->kind,
						  sources[i].labels, row[j].label,
						  counter_value(&row[j], sources[i].counters));
	}
}
