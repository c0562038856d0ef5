/* Runs as lines: columns in the order people read them, dropped from a narrow
 * terminal in the order they can be spared. */
#include "list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "human.h"
#include "run_facts.h"

#define GAP 2
#define NAME_COLUMNS_MIN 8
#define NAME_COLUMNS_MAX 32
#define MODULES_COLUMNS_MIN 16

enum column {
	COLUMN_ID,
	COLUMN_STATUS,
	COLUMN_START,
	COLUMN_DURATION,
	COLUMN_SPANS,
	COLUMN_ERRORS,
	COLUMN_TOKENS,
	COLUMN_NAME,
	COLUMN_MODULES,
	COLUMN_FILE,
	COLUMNS,
};

static const struct {
	const char *title;
	unsigned columns; /* 0: as the texts need */
	bool right;
} columns[] = {
	[COLUMN_ID] = {"id", 8, false},		  [COLUMN_STATUS] = {"status", 10, false},
	[COLUMN_START] = {"start", 12, false},	  [COLUMN_DURATION] = {"duration", 9, true},
	[COLUMN_SPANS] = {"spans", 5, true},	  [COLUMN_ERRORS] = {"err", 3, true},
	[COLUMN_TOKENS] = {"tokens", 9, true},	  [COLUMN_NAME] = {"name", 0, false},
	[COLUMN_MODULES] = {"modules", 0, false}, [COLUMN_FILE] = {"file", 0, false},
};

/* The first to go where there is no room. */
static const enum column spare[] = {COLUMN_SPANS, COLUMN_ERRORS, COLUMN_TOKENS, COLUMN_DURATION,
				    COLUMN_ID};

struct table {
	struct buf *out;
	const struct terminal *terminal;
	unsigned widths[COLUMNS]; /* 0: not shown */
	int year;
	struct buf cell;
};

/* --- cells -------------------------------------------------------------- */

/* At most 4 columns: 999, 9.9k, 999k, 9.9M. */
static void put_short(struct buf *out, int64_t number)
{
	static const char units[] = "kMGTP";
	double value = number < 0 ? 0 : (double)number;
	size_t unit = 0;

	if (number < 1000) {
		(void)buf_printf(out, "%.0f", value);
		return;
	}
	for (value /= 1000; value >= 999.5 && units[unit + 1]; value /= 1000)
		unit++;
	(void)buf_printf(out, "%.*f%c", value < 9.95 ? 1 : 0, value, units[unit]);
}

static void put_start(struct table *table, uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm utc;
	char text[32];

	(void)gmtime_r(&seconds, &utc);
	(void)strftime(text, sizeof(text),
		       !table->terminal->columns    ? "%Y-%m-%dT%H:%M:%S"
		       : utc.tm_year == table->year ? "%b %d %H:%M"
						    : "%Y-%m-%d",
		       &utc);
	(void)buf_append_text(&table->cell, text);
}

static void make_cell(struct table *table, const struct run_entry *entry, enum column column)
{
	struct buf *cell = &table->cell;
	char text[32];

	switch (column) {
	case COLUMN_ID:
		(void)buf_printf(cell, "%.*s", table->terminal->columns ? 8 : 32, entry->id);
		break;
	case COLUMN_STATUS:
		(void)buf_append_text(cell, run_status_name(entry->status));
		break;
	case COLUMN_START:
		put_start(table, entry->start_ns);
		break;
	case COLUMN_DURATION:
		human_duration(text, sizeof(text), entry->end_ns - entry->start_ns);
		(void)buf_append_text(cell, text);
		break;
	case COLUMN_SPANS:
		put_short(cell, entry->spans);
		break;
	case COLUMN_ERRORS:
		if (entry->errors > 0)
			put_short(cell, entry->errors);
		else
			(void)buf_append_text(cell, "-");
		break;
	case COLUMN_TOKENS:
		if (entry->input_tokens < 0 && entry->output_tokens < 0) {
			(void)buf_append_text(cell, "-");
			break;
		}
		put_short(cell, entry->input_tokens);
		(void)buf_append_byte(cell, '>');
		put_short(cell, entry->output_tokens);
		break;
	case COLUMN_NAME:
		(void)buf_append_text(cell, entry->name);
		break;
	case COLUMN_MODULES:
		run_facts_words(cell, entry->modules);
		break;
	case COLUMN_FILE:
		(void)buf_append_text(cell, entry->path);
		break;
	case COLUMNS:
		break;
	}
}

static enum terminal_style style_of(const struct run_entry *entry, enum column column)
{
	if (column == COLUMN_ERRORS && entry->errors > 0)
		return STYLE_ERROR;
	if (column == COLUMN_TOKENS)
		return STYLE_MODEL;
	if (column == COLUMN_MODULES || column == COLUMN_FILE)
		return STYLE_DIM;
	if (column != COLUMN_STATUS)
		return STYLE_PLAIN;
	return entry->status == RUN_ERROR	 ? STYLE_ERROR
	       : entry->status == RUN_INCOMPLETE ? STYLE_WARNING
	       : entry->status == RUN_OPEN	 ? STYLE_BAR
						 : STYLE_PLAIN;
}

/* --- lines -------------------------------------------------------------- */

static void put_text(struct table *table, enum column column, struct bytes text,
		     enum terminal_style style)
{
	unsigned width = table->widths[column], used = terminal_width(text);
	bool is_last = true;

	for (unsigned later = column + 1; later < COLUMNS; later++)
		is_last &= table->widths[later] == 0;
	if (columns[column].right && used < width)
		terminal_spaces(table->out, width - used);
	if (style != STYLE_PLAIN)
		(void)buf_append_text(table->out, terminal_style(table->terminal, style));
	used = terminal_text(table->out, table->terminal, text, width);
	if (style != STYLE_PLAIN)
		(void)buf_append_text(table->out, terminal_style(table->terminal, STYLE_PLAIN));
	if (!is_last)
		terminal_spaces(table->out,
				(!columns[column].right && used < width ? width - used : 0) +
					GAP);
}

static void put_titles(struct table *table)
{
	for (unsigned column = 0; column < COLUMNS; column++)
		if (table->widths[column])
			put_text(table, column, bytes_of(columns[column].title), STYLE_DIM);
	(void)buf_append_text(table->out, "\n");
}

static void put_run(struct table *table, const struct run_entry *entry)
{
	for (unsigned column = 0; column < COLUMNS; column++) {
		if (!table->widths[column])
			continue;
		buf_reset(&table->cell);
		make_cell(table, entry, column);
		put_text(table, column, buf_bytes(&table->cell), style_of(entry, column));
	}
	(void)buf_append_text(table->out, "\n");
}

/* --- widths ------------------------------------------------------------- */

static unsigned widest(struct table *table, const struct run_entry *entries, size_t count,
		       enum column column)
{
	unsigned width = (unsigned)strlen(columns[column].title);

	for (size_t i = 0; i < count; i++) {
		unsigned at;

		buf_reset(&table->cell);
		make_cell(table, &entries[i], column);
		at = terminal_width(buf_bytes(&table->cell));
		width = at > width ? at : width;
	}
	return width;
}

static unsigned fixed_width(const struct table *table)
{
	unsigned width = 0;

	for (unsigned column = 0; column < COLUMNS; column++)
		if (table->widths[column])
			width += table->widths[column] + GAP;
	return width;
}

static void find_widths(struct table *table, const struct run_entry *entries, size_t count)
{
	unsigned room = table->terminal->columns, name;

	if (!room) {
		for (unsigned column = 0; column < COLUMNS; column++)
			table->widths[column] = widest(table, entries, count, column);
		return;
	}
	for (unsigned column = 0; column < COLUMNS; column++)
		table->widths[column] = columns[column].columns;
	for (size_t i = 0; i < sizeof(spare) / sizeof(spare[0]) &&
			   fixed_width(table) + NAME_COLUMNS_MIN > room;
	     i++)
		table->widths[spare[i]] = 0;
	name = widest(table, entries, count, COLUMN_NAME);
	name = name > NAME_COLUMNS_MAX ? NAME_COLUMNS_MAX : name;
	room = room > fixed_width(table) + NAME_COLUMNS_MIN ? room - fixed_width(table)
							    : NAME_COLUMNS_MIN;
	table->widths[COLUMN_NAME] = name < room ? name : room;
	if (room < name + GAP + MODULES_COLUMNS_MIN)
		return;
	room -= name + GAP;
	table->widths[COLUMN_MODULES] = widest(table, entries, count, COLUMN_MODULES);
	if (table->widths[COLUMN_MODULES] > room)
		table->widths[COLUMN_MODULES] = room;
}

void list_table(struct buf *out, const struct terminal *terminal, time_t now,
		const struct run_entry *entries, size_t count)
{
	struct table table = {.out = out, .terminal = terminal};
	struct tm utc;

	(void)gmtime_r(&now, &utc);
	table.year = utc.tm_year;
	find_widths(&table, entries, count);
	put_titles(&table);
	for (size_t i = 0; i < count; i++)
		put_run(&table, &entries[i]);
	buf_fini(&table.cell);
}

/* --- JSON --------------------------------------------------------------- */

static void put_optional(json_t *object, const char *key, const char *text)
{
	if (*text)
		(void)json_object_set_new(object, key, json_string(text));
}

static json_t *run_json(const struct run_entry *entry)
{
	const struct {
		const char *key;
		int64_t number;
	} numbers[] = {
		{"startUnixNano", (int64_t)entry->start_ns},
		{"durationNs", (int64_t)(entry->end_ns - entry->start_ns)},
		{"spans", entry->spans},
		{"errors", entry->errors},
		{"processes", entry->processes},
		{"inputTokens", entry->input_tokens},
		{"outputTokens", entry->output_tokens},
	};
	json_t *object = json_object();
	char start[32];

	human_time(start, sizeof(start), entry->start_ns);
	(void)json_object_set_new(object, "file", json_string_nocheck(entry->path));
	put_optional(object, "traceId", entry->id);
	put_optional(object, "name", entry->name);
	put_optional(object, "service", entry->service);
	(void)json_object_set_new(object, "status",
				  json_string(run_status_name(entry->status)));
	if (json_array_size(entry->reasons))
		(void)json_object_set(object, "incompleteReason", entry->reasons);
	put_optional(object, "start", start);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].number >= 0)
			(void)json_object_set_new(object, numbers[i].key,
						  json_integer(numbers[i].number));
	(void)json_object_set(object, "modules", entry->modules);
	if (json_array_size(entry->exit_codes))
		(void)json_object_set(object, "exitCodes", entry->exit_codes);
	return object;
}

int list_json(struct buf *out, const struct run_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_t *object = run_json(&entries[i]);
		char *text = json_dumps(object, JSON_COMPACT);

		json_decref(object);
		if (!text)
			return -ENOMEM;
		terminal_json(out, bytes_of(text));
		(void)buf_append_byte(out, '\n');
		free(text);
	}
	return 0;
}
