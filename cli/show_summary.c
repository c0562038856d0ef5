/* What stands below the tree: the answers people look for in it. */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Without a terminal's width, lists are as wide as one has by default; nothing in
 * them is cut then. */
#define COLUMNS_PIPE 80
#define PLACE_SIGN 5 /* "  in " */
#define PLACE_COLUMNS_MIN 10
#define SHORT_MANY 100

static unsigned columns_of(const struct show *show)
{
	return show->terminal.columns ? show->terminal.columns : COLUMNS_PIPE;
}

static void put_styled(struct show *show, enum terminal_style style, const char *text)
{
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, style));
	(void)buf_append_text(&show->out, text);
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_PLAIN));
}

static void put_title(struct show *show, const char *title)
{
	(void)buf_append_text(&show->out, "\n");
	put_styled(show, STYLE_BOLD, title);
}

/* Text from the file in a column of its own: cut and filled on a terminal. */
static void put_cell(struct show *show, const char *text, unsigned columns, bool fill)
{
	unsigned used = terminal_text(&show->out, &show->terminal, bytes_of(text),
				      show->terminal.columns ? columns : 0);

	if (fill && used < columns)
		terminal_spaces(&show->out, columns - used);
}

/* The same of a span's name. */
static void put_name(struct show *show, const char *name, unsigned columns, bool fill)
{
	unsigned used = terminal_name(&show->out, &show->terminal, bytes_of(name),
				      show->terminal.columns ? columns : 0);

	if (fill && used < columns)
		terminal_spaces(&show->out, columns - used);
}

static void put_right(struct show *show, const char *text, unsigned columns)
{
	unsigned width = (unsigned)strlen(text);

	terminal_spaces(&show->out, width < columns ? columns - width : 1);
	(void)buf_append_text(&show->out, text);
}

/* A number; nothing to say of nothing, so that what is there is seen. */
static void put_count(struct show *show, enum terminal_style style, int64_t number,
		      unsigned columns)
{
	struct buf text = BUF_INIT;

	if (number > 0)
		human_number(&text, number);
	else
		(void)buf_append_text(&text, "-");
	(void)buf_append_byte(&text, 0);
	if (number > 0)
		(void)buf_append_text(&show->out, terminal_style(&show->terminal, style));
	if (!buf_failed(&text))
		put_right(show, (const char *)text.at, columns);
	if (number > 0)
		(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_PLAIN));
	buf_fini(&text);
}

static void put_duration(struct show *show, uint64_t ns, unsigned columns)
{
	char text[32] = "-";

	if (ns)
		human_duration(text, sizeof(text), ns);
	put_right(show, text, columns);
}

/* --- models ------------------------------------------------------------- */

/* The columns behind a model's name, the first to stay where there is no room. */
enum model_column {
	MODEL_CALLS,
	MODEL_INPUT,
	MODEL_OUTPUT,
	MODEL_TIME,
	MODEL_ERRORS,
	MODEL_RETRIES,
	MODEL_COLUMNS,
};

static const struct {
	const char *title;
	unsigned columns;
} model_columns[] = {
	[MODEL_CALLS] = {"calls", 7},	[MODEL_INPUT] = {"tokens in", 11},
	[MODEL_OUTPUT] = {"out", 11},	[MODEL_TIME] = {"time", 11},
	[MODEL_ERRORS] = {"errors", 8}, [MODEL_RETRIES] = {"retries", 9},
};

static const char *model_name(const struct usage_model *model)
{
	return !model->model ? "(others)" : !*model->model ? "(model not said)" : model->model;
}

static void put_model_column(struct show *show, const struct usage_model *model,
			     enum model_column column)
{
	unsigned columns = model_columns[column].columns;

	switch (column) {
	case MODEL_CALLS:
		put_count(show, STYLE_PLAIN, model->calls, columns);
		break;
	case MODEL_INPUT:
		put_count(show, STYLE_PLAIN, model->input_tokens, columns);
		break;
	case MODEL_OUTPUT:
		put_count(show, STYLE_PLAIN, model->output_tokens, columns);
		break;
	case MODEL_TIME:
		put_duration(show, model->time_ns, columns);
		break;
	case MODEL_ERRORS:
		put_count(show, STYLE_ERROR, model->errors, columns);
		break;
	case MODEL_RETRIES:
		put_count(show, STYLE_WARNING, model->retries, columns);
		break;
	case MODEL_COLUMNS:
		break;
	}
}

static unsigned widest_model(const struct usage *usage)
{
	unsigned columns = 4;

	for (size_t i = 0; i < usage->model_count; i++) {
		unsigned width = terminal_width(bytes_of(model_name(&usage->models[i])));

		columns = width > columns ? width : columns;
	}
	return columns;
}

#define MODEL_NAME_COLUMNS_MIN 16

static void put_models(struct show *show, const struct usage *usage)
{
	unsigned name = widest_model(usage), room = columns_of(show) - 2, shown = 0;

	if (usage->model_count == 0)
		return;
	for (; shown < MODEL_COLUMNS; shown++) {
		if (room < model_columns[shown].columns + MODEL_NAME_COLUMNS_MIN)
			break;
		room -= model_columns[shown].columns;
	}
	name = name > room && show->terminal.columns ? room : name;
	put_title(show, "models");
	terminal_spaces(&show->out, name - 4);
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_DIM));
	for (unsigned column = 0; column < shown; column++)
		put_right(show, model_columns[column].title, model_columns[column].columns);
	put_styled(show, STYLE_PLAIN, "\n");
	for (size_t i = 0; i < usage->model_count; i++) {
		(void)buf_append_text(&show->out, "  ");
		(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_MODEL));
		put_cell(show, model_name(&usage->models[i]), name, true);
		(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_PLAIN));
		for (unsigned column = 0; column < shown; column++)
			put_model_column(show, &usage->models[i], column);
		(void)buf_append_text(&show->out, "\n");
	}
}

/* --- the critical path -------------------------------------------------- */

struct parts {
	uint64_t whole_ns;
	unsigned used; /* columns of the line at hand */
};

static void put_part(struct show *show, struct parts *parts, const char *name, uint64_t ns)
{
	double percent = parts->whole_ns ? 100.0 * (double)ns / (double)parts->whole_ns : 100;
	char duration[32], text[96];
	unsigned width;
	bool fits;

	if (ns == 0)
		return;
	human_duration(duration, sizeof(duration), ns);
	(void)snprintf(text, sizeof(text), percent < 1 ? "%s %s (<1 %%)" : "%s %s (%.0f %%)",
		       name, duration, percent);
	width = (unsigned)strlen(text);
	fits = parts->used + 2 + width < columns_of(show);
	if (parts->used)
		(void)buf_append_text(&show->out, fits ? ", " : ",\n");
	if (!parts->used || !fits)
		(void)buf_append_text(&show->out, "  ");
	(void)buf_append_text(&show->out, text);
	parts->used = (fits ? parts->used : 0) + 2 + width;
}

static void put_critical(struct show *show, const struct archive_trace *trace)
{
	struct parts parts = {.whole_ns = trace->end_ns - trace->start_ns};
	uint64_t calls, others;

	if (parts.whole_ns == 0)
		return;
	show_critical(show, trace, &calls, &others);
	put_title(show, "critical path");
	(void)buf_append_text(&show->out, "\n");
	put_part(show, &parts, "models", calls);
	put_part(show, &parts, "other spans", others);
	put_part(show, &parts, "no span", show->times.gap_ns[trace - show->file->traces]);
	(void)buf_append_text(&show->out, "\n");
}

/* --- lists of spans ----------------------------------------------------- */

/* Where the span is found: its turn, else what it is below. */
static void place_text(struct buf *text, const struct archive_span *span)
{
	const struct archive_span *turn = show_turn(span);

	if (turn && turn != span)
		show_name(text, turn);
	else if (span->parent)
		show_name(text, span->parent);
}

/* How wide the two columns of a list are in what its numbers leave. */
struct widths {
	unsigned name, place; /* 0: not shown */
};

static struct widths find_widths(const struct show *show, const struct show_ranks *ranks,
				 unsigned numbers)
{
	unsigned room = columns_of(show) > numbers + 10 ? columns_of(show) - numbers : 10;
	struct widths widths = {0};
	struct buf text = BUF_INIT;
	bool has_turn = false;

	for (size_t i = 0; i < ranks->count; i++) {
		unsigned width;

		buf_reset(&text);
		show_name(&text, ranks->spans[i]);
		width = terminal_width(buf_bytes(&text));
		widths.name = width > widths.name ? width : widths.name;
		buf_reset(&text);
		place_text(&text, ranks->spans[i]);
		width = terminal_width(buf_bytes(&text));
		widths.place = width > widths.place ? width : widths.place;
		has_turn |= show_turn(ranks->spans[i]) != NULL;
	}
	buf_fini(&text);
	if (!show->terminal.columns || widths.name + PLACE_SIGN + widths.place <= room)
		return widths;
	/* Whose turn it was is asked for more often than how the call is called. */
	if (has_turn && room >= PLACE_SIGN + widths.place + PLACE_COLUMNS_MIN)
		widths.name = room - PLACE_SIGN - widths.place;
	else if (widths.name > room * 2 / 3)
		widths.name = room >= 3 * PLACE_COLUMNS_MIN + PLACE_SIGN ? room * 2 / 3 : room;
	widths.place = room > widths.name + PLACE_SIGN ? room - widths.name - PLACE_SIGN : 0;
	if (widths.place < PLACE_COLUMNS_MIN)
		widths = (struct widths){.name = room};
	return widths;
}

static void put_span(struct show *show, const struct archive_span *span,
		     const struct widths *widths)
{
	struct buf name = BUF_INIT, place = BUF_INIT;

	show_name(&name, span);
	place_text(&place, span);
	(void)buf_append_byte(&name, 0);
	(void)buf_append_byte(&place, 0);
	(void)buf_append_text(&show->out, "  ");
	if (!buf_failed(&name) && !buf_failed(&place)) {
		bool has_place = widths->place && place.len > 1;

		put_name(show, (const char *)name.at, widths->name, has_place);
		if (has_place) {
			put_styled(show, STYLE_DIM, "  in ");
			put_name(show, (const char *)place.at, widths->place, false);
		}
	}
	(void)buf_append_text(&show->out, "\n");
	buf_fini(&name);
	buf_fini(&place);
}

/* A narrow terminal has room for the first number alone. */
#define NUMBER_COLUMNS (2 + 9)
#define NUMBERS 3
#define COLUMNS_FOR_ALL 60

static unsigned numbers_shown(const struct show *show)
{
	return columns_of(show) < COLUMNS_FOR_ALL ? 1 : NUMBERS;
}

static unsigned numbers_width(const struct show *show)
{
	return numbers_shown(show) * NUMBER_COLUMNS + 2;
}

static void put_headings(struct show *show, const char *title,
			 const char *const numbers[NUMBERS], const char *span)
{
	put_title(show, title);
	(void)buf_append_text(&show->out, "\n");
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_DIM));
	for (unsigned i = 0; i < numbers_shown(show); i++)
		put_right(show, numbers[i], NUMBER_COLUMNS);
	(void)buf_append_text(&show->out, "  ");
	(void)buf_append_text(&show->out, span);
	put_styled(show, STYLE_PLAIN, "\n");
}

static int put_slowest(struct show *show, const struct archive_trace *trace)
{
	static const char *const numbers[] = {"own time", "critical", "at"};
	struct show_ranks ranks;
	struct widths widths;
	int r;

	r = show_rank(show, trace, SHOW_SLOWEST, &ranks);
	if (r < 0)
		return r;
	widths = find_widths(show, &ranks, numbers_width(show));
	put_headings(show, "slowest", numbers, "span");
	for (size_t i = 0; i < ranks.count; i++) {
		const struct archive_span *span = ranks.spans[i];
		const struct span_time *time = &show->times.spans[span - show->file->spans];

		put_duration(show, time->self_ns, NUMBER_COLUMNS);
		if (numbers_shown(show) > 1) {
			put_duration(show, time->critical_ns, NUMBER_COLUMNS);
			put_duration(show, span->start_ns - trace->start_ns, NUMBER_COLUMNS);
		}
		put_span(show, span, &widths);
	}
	free(ranks.spans);
	return 0;
}

static int put_widest(struct show *show, const struct archive_trace *trace)
{
	static const char *const numbers[] = {"tokens in", "out", "at"};
	struct show_ranks ranks;
	struct widths widths;
	int r;

	r = show_rank(show, trace, SHOW_WIDEST, &ranks);
	if (r < 0)
		return r;
	widths = find_widths(show, &ranks, numbers_width(show));
	if (ranks.count)
		put_headings(show, "widest prompts", numbers, "call");
	for (size_t i = 0; i < ranks.count; i++) {
		const struct archive_span *span = ranks.spans[i];

		put_count(show, STYLE_MODEL, span->input_tokens, NUMBER_COLUMNS);
		if (numbers_shown(show) > 1) {
			put_count(show, STYLE_PLAIN, span->output_tokens, NUMBER_COLUMNS);
			put_duration(show, span->start_ns - trace->start_ns, NUMBER_COLUMNS);
		}
		put_span(show, span, &widths);
	}
	free(ranks.spans);
	return 0;
}

/* --- advice ------------------------------------------------------------- */

/* Breaks between words where the line is full. */
static void put_wrapped(struct show *show, struct bytes text)
{
	unsigned used = 0;

	while (text.len > 0) {
		const uint8_t *space = memchr(text.at, ' ', text.len);
		struct bytes word = {text.at, space ? (size_t)(space - text.at) : text.len};
		unsigned width = terminal_width(word);

		if (used && used + 1 + width > columns_of(show)) {
			(void)buf_append_text(&show->out, "\n");
			used = 0;
		} else if (used) {
			(void)buf_append_text(&show->out, " ");
			used++;
		}
		used += terminal_text(&show->out, &show->terminal, word, columns_of(show));
		text.at += word.len + (space != NULL);
		text.len -= word.len + (space != NULL);
	}
	(void)buf_append_text(&show->out, "\n");
}

static void put_short(struct show *show, const struct archive_trace *trace)
{
	struct buf text = BUF_INIT;
	struct show_short few;

	show_short(trace, &few);
	if (few.count < SHORT_MANY)
		return;
	(void)buf_printf(
		&text,
		"%" PRIu32 " of %" PRIu32 " spans took less than 1 ms, %" PRIu32
		" of them %s: trace the steps that mean something, not every function.",
		few.count, trace->spans, few.of_name, few.name);
	(void)buf_append_text(&show->out, "\n");
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_WARNING));
	put_wrapped(show, buf_bytes(&text));
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_PLAIN));
	buf_fini(&text);
}

int show_summary(struct show *show, const struct archive_trace *trace,
		 const struct usage *usage)
{
	int r;

	put_models(show, usage);
	put_critical(show, trace);
	r = put_slowest(show, trace);
	if (r >= 0)
		r = put_widest(show, trace);
	put_short(show, trace);
	return r;
}
