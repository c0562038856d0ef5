/* What the terminal can do, and text that is safe for it: data of an archive may
 * hold control sequences, so everything that is not printable is escaped, and
 * text is cut by columns, never within a character. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <jansson.h>

#include "base/buf.h"

struct terminal {
	bool tty; /* standard output is one */
	bool colour;
	bool unicode;	  /* lines and bars may be drawn with it */
	unsigned columns; /* 0: as many as needed (a pipe) */
};

/* Looks at standard output, COLUMNS, NO_COLOR, TERM and the locale. */
void terminal_find(struct terminal *terminal);

/* How many columns the text takes once it is escaped. */
unsigned terminal_width(struct bytes text);

/* Appends the text, escaped, cut to `columns` with an ellipsis; 0: uncut.
 * Returns the columns used. */
unsigned terminal_text(struct buf *out, const struct terminal *terminal, struct bytes text,
		       unsigned columns);

/* The same of a dotted name: of one that does not fit, the first parts go first, since
 * the last ones tell names of one kind apart. */
unsigned terminal_name(struct buf *out, const struct terminal *terminal, struct bytes name,
		       unsigned columns);

/* How much of the text fits in so many columns of a line when the rest goes into the
 * next one: up to a space if there is one, never within a character; one at least. */
size_t terminal_fit(struct bytes text, unsigned columns);

/* Appends JSON text with what a terminal could obey, or be deceived by, written as
 * \u escapes: JSON asks for that only below 0x20, and it may be looked at, too. To
 * whoever parses it, it says the same. */
void terminal_json(struct buf *out, struct bytes json);

/* A value on one line of standard output, so escaped. -ENOMEM. */
int terminal_json_print(const json_t *value);

void terminal_spaces(struct buf *out, unsigned count);

/* Colours, "" where there are none. */
enum terminal_style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_ERROR,
	STYLE_WARNING,
	STYLE_BAR,
	STYLE_MODEL,
};
const char *terminal_style(const struct terminal *terminal, enum terminal_style style);

#endif
