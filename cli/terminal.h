/* What the terminal can do, and text that is safe for it: data of an archive may
 * hold control sequences, so everything that is not printable is escaped, and
 * text is cut by columns, never within a character. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

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
