/* The tables of agent/base/counter.h: what is counted is also named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline_view.h"
#include "serve/json_object.h"

static const struct {
	const char *name;
	const struct counter_table *table;
} tables[] = {
	{"drain", &drain_counter_table},
	{"ring", &drain_ring_counter_table},
	{"refused", &drain_refused_table},
	{"log", &wal_counter_table},
	{"log view", &log_view_table},
	{"records", &assemble_record_table},
	{"spans", &assemble_span_table},
	{"limits", &assemble_limit_table},
	{"archive", &archive_counter_table},
	{"export", &export_counter_table},
	{"destination", &destination_view_table},
};
#define TABLES (sizeof tables / sizeof tables[0])

static bool named(const struct counter_table *table, size_t offset)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].key && table->rows[i].offset == offset)
			return true;
	return false;
}

/* Every uint64_t of the struct but those at and behind `end`. */
static void check_named(const char *name, const struct counter_table *first,
			const struct counter_table *second, size_t end)
{
	for (size_t offset = 0; offset < end; offset += sizeof(uint64_t))
		if (!named(first, offset) && !(second && named(second, offset)))
			fail_msg("the counter at offset %zu of %s has no row: it is in no "
				 "status and in no metric",
				 offset, name);
}

static void every_counter_has_a_row(void **state)
{
	(void)state;
	check_named("drain_counters", &drain_counter_table, NULL,
		    offsetof(struct drain_counters, refused));
	check_named("wal_counters", &wal_counter_table, NULL, sizeof(struct wal_counters));
	check_named("assemble_counters", &assemble_record_table, &assemble_span_table,
		    offsetof(struct assemble_counters, limits));
	for (size_t at = 0; at < sizeof(struct limit_counters); at += sizeof(uint64_t))
		assert_true(named(&assemble_limit_table,
				  offsetof(struct assemble_counters, limits) + at));
	check_named("archive_counters", &archive_counter_table, NULL,
		    sizeof(struct archive_counters));
	check_named("export_counters", &export_counter_table, NULL,
		    sizeof(struct export_counters));
	check_named("log_view", &log_view_table, NULL, sizeof(struct log_view));
	check_named("destination_view", &destination_view_table, NULL,
		    offsetof(struct destination_view, in_flight_spans));
}

static void check_row(const char *name, const struct counter *row)
{
	if (row->key && row->side == LEDGER_NONE && row->kind == COUNTER_TOTAL &&
	    strncmp(row->key, "dropped_", 8) == 0 && strcmp(row->key, "dropped_invalid") != 0)
		fail_msg("%s: %s is no term of a ledger", name, row->key);
	if (row->metric && (strncmp(row->metric, "otel", 4) == 0) != (row->key == NULL) &&
	    strcmp(row->metric, "otelcol_exporter_in_flight_requests") != 0)
		fail_msg("%s: %s: names of others are second names", name, row->metric);
	if (row->metric && strlen(row->metric) > 6)
		assert_string_not_equal(row->metric + strlen(row->metric) - 6, "_total");
	assert_true(!row->help || row->help[strlen(row->help) - 1] == '.');
	assert_true(!row->metric || row->help);
}

static void rows_are_well_formed_and_those_of_a_metric_stand_together(void **state)
{
	(void)state;
	for (size_t t = 0; t < TABLES; t++)
		for (size_t i = 0; i < tables[t].table->count; i++) {
			const struct counter *row = &tables[t].table->rows[i];

			check_row(tables[t].name, row);
			for (size_t u = 0; u <= t && row->metric; u++)
				for (size_t j = 0; j < (u == t ? i : tables[u].table->count);
				     j++) {
					const struct counter *other = &tables[u].table->rows[j];

					if (!other->metric ||
					    strcmp(row->metric, other->metric) != 0)
						continue;
					assert_ptr_equal(tables[t].table, tables[u].table);
					assert_string_equal((row - 1)->metric, row->metric);
					assert_int_equal((row - 1)->kind, row->kind);
					assert_string_equal((row - 1)->help, row->help);
				}
		}
}

static void json_has_the_rows_with_a_key_and_commas_between(void **state)
{
	static const struct counter rows[] = {
		{"one", 0, COUNTER_TOTAL, LEDGER_NONE, NULL, NULL, NULL, NULL},
		{NULL, 0, COUNTER_TOTAL, LEDGER_NONE, NULL, "other", NULL, "Second name."},
		{"true", 8, COUNTER_TRUTH, LEDGER_NONE, NULL, NULL, NULL, NULL},
	};
	static const struct counter_table table = {rows, 3};
	const uint64_t counters[] = {7, 1};
	struct buf out = BUF_INIT;
	struct json_writer json = {&out, false};

	(void)state;
	json_open(&json, NULL, '{');
	json_open(&json, "list", '[');
	json_text(&json, NULL, bytes_of("a \"b\"\n"));
	json_close(&json, ']');
	json_counters(&json, &table, counters);
	json_open(&json, "empty", '{');
	json_close(&json, '}');
	json_hex(&json, "id", (const uint8_t *)"\x01\xff", 2);
	json_close(&json, '}');
	(void)buf_append_byte(&out, 0);
	assert_string_equal((char *)out.at, "{\"list\":[\"a \\\"b\\\"\\n\"],\"one\":7,"
					    "\"true\":true,\"empty\":{},\"id\":\"01ff\"}");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_has_a_row),
		cmocka_unit_test(rows_are_well_formed_and_those_of_a_metric_stand_together),
		cmocka_unit_test(json_has_the_rows_with_a_key_and_commas_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
