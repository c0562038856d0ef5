/* The tree itself: name, duration, bar, tokens; four columns that share the
 * terminal's width. */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "span_tree.h"

#define DURATION_COLUMNS 9
#define GAP 2
#define BAR_COLUMNS_MIN 12
#define BAR_COLUMNS_MAX 60
#define BAR_COLUMNS_PIPE 30
#define NAME_COLUMNS_MIN 20
#define DEPTH_PIPE_MAX 100
#define NOTE_LINES 3

struct tree {
	struct show *show;
	const struct archive_trace *trace;
	unsigned name_columns, bar_columns, extra_columns;
	struct buf prefix; /* in front of the children of the span at hand */
	struct buf line;   /* a name with its mark and module, before it is cut */
};

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* --- the parts of a line ------------------------------------------------ */

static bool is_bad(const struct archive_span *span)
{
	return span->status == 2;
}

static const char *mark_of(const struct tree *tree, const struct archive_span *span)
{
	if (is_bad(span))
		return tree->show->terminal.unicode ? " \xe2\x9c\x97" : " !";
	if (span->end_reason)
		return " !";
	return span->orphan ? " ?" : "";
}

static bool is_other_module(const struct archive_span *span)
{
	return !span->parent || span->parent->module != span->module;
}

static int64_t known(int64_t tokens)
{
	return tokens < 0 ? 0 : tokens;
}

static void extra_text(const struct archive_span *span, struct buf *out, bool with_model)
{
	if (archive_span_has_tokens(span))
		(void)buf_printf(out, "%" PRId64 ">%" PRId64, known(span->input_tokens),
				 known(span->output_tokens));
	if (span->model && with_model)
		(void)buf_printf(out, "%s%s", out->len ? " " : "", span->model);
}

void show_name(struct buf *out, const struct archive_span *span)
{
	char number[24];
	size_t digits, len = strlen(span->name);

	(void)buf_append_text(out, span->name);
	if (span->turn < 0)
		return;
	digits = (size_t)snprintf(number, sizeof(number), "%" PRId64, span->turn);
	if (len < digits || strcmp(span->name + len - digits, number) != 0)
		(void)buf_printf(out, " %s", number);
}

/* What stands left of a span's children, and of its notes. */
static void push_prefix(struct tree *tree, const struct archive_span *span)
{
	bool more = span->next != NULL;

	if (!span->parent)
		return; /* the roots stand at the left edge */
	(void)buf_append_text(&tree->prefix, !more			    ? "   "
					     : tree->show->terminal.unicode ? "\xe2\x94\x82  "
									    : "|  ");
}

static void pop_prefix(struct tree *tree, const struct archive_span *span)
{
	size_t len = span->next && tree->show->terminal.unicode ? 5 : 3;

	if (span->parent && tree->prefix.len >= len)
		tree->prefix.len -= len;
}

static const char *branch_of(const struct tree *tree, const struct archive_span *span)
{
	if (!span->parent)
		return "";
	if (tree->show->terminal.unicode)
		return span->next ? "\xe2\x94\x9c\xe2\x94\x80 " : "\xe2\x94\x94\xe2\x94\x80 ";
	return span->next ? "|- " : "`- ";
}

/* A pipe has no width; but a line for each depth, each longer than the one before,
 * would be gigabytes. */
static bool is_too_deep(struct tree *tree, const struct archive_span *span, unsigned depth)
{
	unsigned width;

	if (!tree->show->terminal.columns)
		return depth > DEPTH_PIPE_MAX;
	buf_reset(&tree->line);
	show_name(&tree->line, span);
	width = terminal_width(buf_bytes(&tree->line));
	return 3 * depth + smaller(width, NAME_COLUMNS_MIN / 2) > tree->name_columns;
}

/* From where a tree is too deep on, it is told by numbers. */
static unsigned put_prefix(struct tree *tree, const struct archive_span *span, unsigned depth)
{
	struct buf *out = &tree->show->out;
	unsigned columns = 3 * depth;
	char text[32];

	if (is_too_deep(tree, span, depth)) {
		columns = (unsigned)snprintf(text, sizeof(text), "(%u) ", depth);
		(void)buf_append_text(out, text);
		return columns;
	}
	(void)buf_append_text(out, terminal_style(&tree->show->terminal, STYLE_DIM));
	(void)buf_append(out, tree->prefix.at, tree->prefix.len);
	(void)buf_append_text(out, branch_of(tree, span));
	(void)buf_append_text(out, terminal_style(&tree->show->terminal, STYLE_PLAIN));
	return columns;
}

static void put_styled(struct tree *tree, enum terminal_style style, const char *text)
{
	(void)buf_append_text(&tree->show->out, terminal_style(&tree->show->terminal, style));
	(void)buf_append_text(&tree->show->out, text);
	(void)buf_append_text(&tree->show->out,
			      terminal_style(&tree->show->terminal, STYLE_PLAIN));
}

/* Name, mark and module within `columns`: the name gives way first. */
static unsigned put_name(struct tree *tree, const struct archive_span *span, unsigned columns)
{
	const struct terminal *terminal = &tree->show->terminal;
	const char *module = tree->show->file->modules[span->module].name;
	const char *mark = mark_of(tree, span);
	struct buf *out = &tree->show->out;
	unsigned module_columns = 0, used;

	if (is_other_module(span) && *module)
		module_columns = terminal_width(bytes_of(module)) + 3;
	if (terminal->columns && module_columns > columns / 2)
		module_columns = columns / 2 > 8 ? columns / 2 : 0;
	columns -= module_columns + (*mark ? 2 : 0);
	if (is_bad(span))
		(void)buf_append_text(out, terminal_style(terminal, STYLE_ERROR));
	buf_reset(&tree->line);
	show_name(&tree->line, span);
	used = terminal_name(out, terminal, buf_bytes(&tree->line),
			     terminal->columns ? columns : 0);
	(void)buf_append_text(out, mark);
	used += *mark ? 2 : 0;
	if (is_bad(span))
		(void)buf_append_text(out, terminal_style(terminal, STYLE_PLAIN));
	if (!module_columns)
		return used;
	put_styled(tree, STYLE_DIM, " [");
	(void)buf_append_text(out, terminal_style(terminal, STYLE_DIM));
	used += terminal_text(out, terminal, bytes_of(module), module_columns - 3);
	put_styled(tree, STYLE_DIM, "]");
	return used + 3;
}

/* Where on the axis, in eighths of a column. */
static uint64_t axis_of(const struct tree *tree, uint64_t ns)
{
	uint64_t whole = tree->trace->end_ns - tree->trace->start_ns;
	double part = whole ? (double)(ns - tree->trace->start_ns) / (double)whole : 0;

	return (uint64_t)(part * 8 * tree->bar_columns + 0.5);
}

static void put_bar(struct tree *tree, const struct archive_span *span)
{
	static const char *const eighths[] = {"",
					      "\xe2\x96\x8f",
					      "\xe2\x96\x8e",
					      "\xe2\x96\x8d",
					      "\xe2\x96\x8c",
					      "\xe2\x96\x8b",
					      "\xe2\x96\x8a",
					      "\xe2\x96\x89"};
	bool unicode = tree->show->terminal.unicode;
	uint64_t from = axis_of(tree, span->start_ns) / 8, to = axis_of(tree, span->end_ns);
	struct buf *out = &tree->show->out;
	unsigned used = 0;

	/* The shortest span is still seen. */
	if (from >= tree->bar_columns)
		from = tree->bar_columns - 1;
	if (to < 8 * from + (unicode ? 1 : 8))
		to = 8 * from + (unicode ? 1 : 8);
	terminal_spaces(out, (unsigned)from);
	(void)buf_append_text(out, terminal_style(&tree->show->terminal,
						  is_bad(span) ? STYLE_ERROR : STYLE_BAR));
	for (used = (unsigned)from; 8 * (uint64_t)(used + 1) <= to; used++)
		(void)buf_append_text(out, unicode ? "\xe2\x96\x88" : "#");
	if (unicode && to % 8) {
		(void)buf_append_text(out, eighths[to % 8]);
		used++;
	}
	(void)buf_append_text(out, terminal_style(&tree->show->terminal, STYLE_PLAIN));
	terminal_spaces(out, tree->bar_columns - used);
}

static void trim_line(struct buf *out)
{
	while (out->len > 0 && out->at[out->len - 1] == ' ')
		out->len--;
	(void)buf_append_text(out, "\n");
}

static void put_extra(struct tree *tree, const struct archive_span *span)
{
	struct buf *out = &tree->show->out;

	buf_reset(&tree->line);
	extra_text(span, &tree->line,
		   tree->extra_columns > 16 || !tree->show->terminal.columns);
	if (tree->extra_columns == 0 || tree->line.len == 0)
		return;
	terminal_spaces(out, GAP);
	(void)buf_append_text(out, terminal_style(&tree->show->terminal, STYLE_MODEL));
	(void)terminal_text(out, &tree->show->terminal, buf_bytes(&tree->line),
			    tree->show->terminal.columns ? tree->extra_columns : 0);
	(void)buf_append_text(out, terminal_style(&tree->show->terminal, STYLE_PLAIN));
}

static void put_span(struct tree *tree, const struct archive_span *span, unsigned depth)
{
	struct buf *out = &tree->show->out;
	unsigned used = put_prefix(tree, span, depth);
	char duration[32];

	used += put_name(tree, span, tree->name_columns > used ? tree->name_columns - used : 0);
	if (tree->show->shape) {
		trim_line(out);
		return;
	}
	terminal_spaces(out, used < tree->name_columns ? tree->name_columns - used : 0);
	human_duration(duration, sizeof(duration), span->end_ns - span->start_ns);
	(void)buf_printf(out, "%*s%*s", GAP, "", DURATION_COLUMNS, duration);
	if (tree->bar_columns) {
		terminal_spaces(out, GAP);
		put_bar(tree, span);
	}
	put_extra(tree, span);
	trim_line(out);
}

/* --- notes -------------------------------------------------------------- */

struct note {
	struct tree *tree;
	const struct archive_span *span;
	unsigned depth;
};

/* What stands left of a note; its columns. */
static unsigned put_note_prefix(const struct note *note)
{
	struct tree *tree = note->tree;
	const struct terminal *terminal = &tree->show->terminal;
	struct buf *out = &tree->show->out;

	if (is_too_deep(tree, note->span, note->depth))
		return 0;
	(void)buf_append_text(out, terminal_style(terminal, STYLE_DIM));
	(void)buf_append(out, tree->prefix.at, tree->prefix.len);
	(void)buf_append_text(out, !note->span->child  ? "   "
				   : terminal->unicode ? "\xe2\x94\x82  "
						       : "|  ");
	(void)buf_append_text(out, terminal_style(terminal, STYLE_PLAIN));
	return 3 + (note->span->parent ? 3 * note->depth : 0);
}

/* Why something failed is worth some lines; what it carries is worth one. */
static void put_note(void *arg, const char *mark, struct bytes text, bool bad)
{
	const struct note *note = arg;
	const struct terminal *terminal = &note->tree->show->terminal;
	struct buf *out = &note->tree->show->out;
	unsigned mark_columns = (unsigned)strlen(mark);

	for (unsigned lines = bad ? NOTE_LINES : 1; lines > 0; lines--) {
		unsigned used = put_note_prefix(note) + mark_columns;
		unsigned left = terminal->columns > used + 8 ? terminal->columns - used : 8;
		size_t fits =
			lines > 1 && terminal->columns ? terminal_fit(text, left) : text.len;

		(void)buf_append_text(out,
				      terminal_style(terminal, bad ? STYLE_ERROR : STYLE_DIM));
		(void)buf_append_text(out, mark);
		terminal_spaces(out, mark_columns - (unsigned)strlen(mark));
		(void)terminal_text(out, terminal, (struct bytes){text.at, fits},
				    terminal->columns ? left : 0);
		(void)buf_append_text(out, terminal_style(terminal, STYLE_PLAIN));
		trim_line(out);
		mark = "";
		text.at += fits;
		text.len -= fits;
		if (text.len == 0)
			break;
	}
}

/* --- the columns' widths ------------------------------------------------ */

static unsigned name_width(struct tree *tree, const struct archive_span *span, unsigned depth)
{
	const char *module = tree->show->file->modules[span->module].name;
	unsigned width = 3 * depth;

	buf_reset(&tree->line);
	show_name(&tree->line, span);
	width += terminal_width(buf_bytes(&tree->line));
	if (*mark_of(tree, span))
		width += 2;
	if (is_other_module(span) && *module)
		width += 3 + terminal_width(bytes_of(module));
	return width;
}

static unsigned extra_width(struct tree *tree, const struct archive_span *span, bool with_model)
{
	buf_reset(&tree->line);
	extra_text(span, &tree->line, with_model);
	return terminal_width(buf_bytes(&tree->line));
}

static void find_columns(struct tree *tree)
{
	unsigned columns = tree->show->terminal.columns, depth = 0, name = 0, extra = 0, fixed;
	bool with_model = !columns || columns >= 110;

	for (struct archive_span *span = tree->trace->root; span;
	     span = span_tree_next(span, &depth)) {
		unsigned width = name_width(tree, span, depth);

		name = width > name ? width : name;
		width = extra_width(tree, span, with_model);
		extra = width > extra ? width : extra;
	}
	if (tree->show->shape) {
		tree->name_columns = columns;
		return;
	}
	if (!columns) {
		tree->name_columns = smaller(name, 120);
		tree->bar_columns = BAR_COLUMNS_PIPE;
		tree->extra_columns = extra;
		return;
	}
	tree->extra_columns =
		columns < 72 ? 0 : smaller(extra, with_model ? columns * 3 / 10 : 14);
	fixed = GAP + DURATION_COLUMNS + GAP +
		(tree->extra_columns ? tree->extra_columns + GAP : 0);
	if (columns < fixed + NAME_COLUMNS_MIN + BAR_COLUMNS_MIN) {
		tree->name_columns = columns - DURATION_COLUMNS - GAP;
		return;
	}
	tree->name_columns = smaller(name, columns - fixed - BAR_COLUMNS_MIN);
	tree->bar_columns = smaller(columns - fixed - tree->name_columns, BAR_COLUMNS_MAX);
}

static void put_axis(struct tree *tree)
{
	struct buf *out = &tree->show->out;
	char whole[32];

	if (!tree->bar_columns)
		return;
	human_duration(whole, sizeof(whole), tree->trace->end_ns - tree->trace->start_ns);
	(void)buf_append_text(out, terminal_style(&tree->show->terminal, STYLE_DIM));
	terminal_spaces(out, tree->name_columns + GAP + DURATION_COLUMNS + GAP);
	(void)buf_printf(out, "0%*s\n", (int)tree->bar_columns - 1, whole);
	(void)buf_append_text(out, terminal_style(&tree->show->terminal, STYLE_PLAIN));
}

void show_tree(struct show *show, const struct archive_trace *trace)
{
	struct tree tree = {.show = show, .trace = trace};
	struct archive_span *span = trace->root;
	unsigned depth = 0;

	find_columns(&tree);
	if (!show->shape)
		put_axis(&tree);
	while (span) {
		struct note note = {&tree, span, depth};
		struct archive_span *next;
		unsigned before = depth;

		put_span(&tree, span, depth);
		push_prefix(&tree, span);
		if (!show->shape)
			show_notes(show, trace, span, put_note, &note);
		show_flush(show);
		next = span_tree_next(span, &depth);
		/* Up again, past every span that has no more siblings. */
		for (; depth <= before && span; span = span->parent, before--) {
			pop_prefix(&tree, span);
			if (before == depth)
				break;
		}
		span = next;
	}
	buf_fini(&tree.prefix);
	buf_fini(&tree.line);
}
