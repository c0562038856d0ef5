#include "numbers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 80
#define INDENT 9

/* A line of words that breaks between them. */
struct line {
	const char *title;
	int column; /* 0: not begun */
};

static void line_put(struct line *line, const char *before, const struct counter *row,
		     uint64_t value)
{
	const char *word = counter_word(row);
	char text[128];
	int width;

	if (row->kind == COUNTER_AGE)
		width = snprintf(text, sizeof text, "%s %.1f s", word, (double)value / 1e9);
	else
		width = snprintf(text, sizeof text, "%s %" PRIu64, word, value);

	for (char *at = text; *at; at++)
		if (*at == '_')
			*at = ' ';

	if (line->column == 0) {
		line->column = printf("%-*s ", INDENT - 1, line->title);
		before = "";
	} else if (line->column + (int)strlen(before) + width > COLUMNS) {
		/* The sign stays at the end of the line it continues. */
		while (*before == ' ')
			before++;
		printf("%s%.*s\n%*s", before[0] == ',' ? "" : " ", (int)strcspn(before, " "),
		       before, INDENT, "");
		line->column = INDENT;
		before = "";
	}
	line->column += printf("%s%s", before, text);
}

static void line_end(struct line *line)
{
	if (line->column)
		putchar('\n');
	line->column = 0;
}

static uint64_t value_of(json_t *part, const struct counter *row)
{
	json_t *value = json_object_get(part, row->key);

	return json_is_boolean(value) ? json_is_true(value)
				      : (uint64_t)json_integer_value(value);
}

static void put_side(struct line *line, const struct numbers *numbers, enum ledger_side side)
{
	uint64_t terms = 0;

	for (int t = 0; t < NUMBERS_TABLES_MAX && numbers->tables[t]; t++)
		for (size_t i = 0; i < numbers->tables[t]->count; i++) {
			const struct counter *row = &numbers->tables[t]->rows[i];
			uint64_t value;

			if (!row->key || row->side != side)
				continue;
			value = value_of(numbers->part, row);
			if (value || terms == 0)
				line_put(line, terms || side == LEDGER_IN ? " + " : " = ", row,
					 value);
			terms++;
		}
}

void numbers_print_ledger(const char *title, const struct numbers *numbers)
{
	struct line line = {title, 0};

	put_side(&line, numbers, LEDGER_IN);
	put_side(&line, numbers, LEDGER_OUT);
	line_end(&line);
}

void numbers_print_others(const char *title, const struct numbers *numbers)
{
	struct line line = {title, 0};

	for (int t = 0; t < NUMBERS_TABLES_MAX && numbers->tables[t]; t++)
		for (size_t i = 0; i < numbers->tables[t]->count; i++) {
			const struct counter *row = &numbers->tables[t]->rows[i];

			if (row->key && row->side == LEDGER_NONE &&
			    value_of(numbers->part, row))
				line_put(&line, ", ", row, value_of(numbers->part, row));
		}
	line_end(&line);
}

bool numbers_add_up(const struct numbers *numbers, uint64_t *ret_in, uint64_t *ret_out)
{
	uint64_t in = 0, out = 0;

	for (int t = 0; t < NUMBERS_TABLES_MAX && numbers->tables[t]; t++)
		for (size_t i = 0; i < numbers->tables[t]->count; i++) {
			const struct counter *row = &numbers->tables[t]->rows[i];

			if (row->key && row->side == LEDGER_IN)
				in += value_of(numbers->part, row);
			if (row->key && row->side == LEDGER_OUT)
				out += value_of(numbers->part, row);
		}
	*ret_in = in;
	*ret_out = out;
	return in == out;
}
