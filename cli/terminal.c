#include "terminal.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "otlp/utf8.h"

#define COLUMNS_MIN 40
#define COLUMNS_MAX 1000

static bool has_unicode(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

static unsigned find_columns(bool tty)
{
	const char *value = getenv("COLUMNS");
	unsigned long columns = value ? strtoul(value, NULL, 10) : 0;
	struct winsize size;

	if (!columns && tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		columns = size.ws_col;
	if (!columns)
		return tty ? 80 : 0;
	if (columns < COLUMNS_MIN)
		return COLUMNS_MIN;
	return columns > COLUMNS_MAX ? COLUMNS_MAX : (unsigned)columns;
}

void terminal_find(struct terminal *terminal)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	terminal->tty = isatty(STDOUT_FILENO);
	terminal->colour = terminal->tty && !(no_color && *no_color) &&
			   !(term && strcmp(term, "dumb") == 0);
	terminal->unicode = has_unicode();
	terminal->columns = find_columns(terminal->tty);
}

/* The width of characters is the C library's knowledge; it needs a locale that
 * has characters. */
static void use_characters(void)
{
	static locale_t characters;

	if (characters)
		return;
	characters = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (characters)
		(void)uselocale(characters);
}

static wchar_t decode(const uint8_t *at, int len)
{
	static const uint8_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t value = at[0] & first_mask[len];

	for (int i = 1; i < len; i++)
		value = value << 6 | (at[i] & 0x3f);
	return (wchar_t)value;
}

/* Bidirectional controls can reorder what stands around them. */
static bool is_reordering(wchar_t c)
{
	return c == 0x061c || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* One character as it is shown: its text in `piece`, its columns; how many
 * bytes of the input it took in `*ret_len`. */
static unsigned show_character(char piece[16], struct bytes text, size_t *ret_len)
{
	int len = utf8_step(text.at, text.at + text.len);
	wchar_t c;
	int width;

	if (len < 0) {
		*ret_len = (size_t)-len;
		(void)snprintf(piece, 16, "%s", UTF8_REPLACEMENT);
		return 1;
	}
	*ret_len = (size_t)len;
	c = decode(text.at, len);
	width = wcwidth(c);
	if (c == '\n' || c == '\t' || c == '\r')
		return (unsigned)snprintf(piece, 16, "\\%c",
					  c == '\n'   ? 'n'
					  : c == '\t' ? 't'
						      : 'r');
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return (unsigned)snprintf(piece, 16, "\\x%02x", (unsigned)c);
	if (width < 0 || is_reordering(c))
		return (unsigned)snprintf(piece, 16, "\\u%04x", (unsigned)c);
	memcpy(piece, text.at, (size_t)len);
	piece[len] = '\0';
	return (unsigned)width;
}

unsigned terminal_width(struct bytes text)
{
	unsigned columns = 0;
	char piece[16];
	size_t len;

	use_characters();
	for (; text.len; text.at += len, text.len -= len)
		columns += show_character(piece, text, &len);
	return columns;
}

unsigned terminal_text(struct buf *out, const struct terminal *terminal, struct bytes text,
		       unsigned columns)
{
	unsigned used = 0, keep = 0, width;
	size_t cut = out->len, len;
	char piece[16];

	use_characters();
	for (; text.len; text.at += len, text.len -= len) {
		width = show_character(piece, text, &len);
		if (columns && used + width > columns) {
			/* Back to where the ellipsis still fits. */
			out->len = cut;
			(void)buf_append_text(out, terminal->unicode ? "\u2026" : "~");
			return keep + 1;
		}
		used += width;
		(void)buf_append_text(out, piece);
		if (!columns || used < columns) {
			cut = out->len;
			keep = used;
		}
	}
	return used;
}

unsigned terminal_name(struct buf *out, const struct terminal *terminal, struct bytes name,
		       unsigned columns)
{
	struct bytes tail = name;
	const uint8_t *dot;

	if (!columns || terminal_width(name) <= columns)
		return terminal_text(out, terminal, name, columns);
	while (terminal_width(tail) + 1 > columns && (dot = memchr(tail.at, '.', tail.len)) &&
	       dot + 1 < name.at + name.len)
		tail = (struct bytes){dot + 1, (size_t)(name.at + name.len - dot - 1)};
	if (tail.at == name.at || columns < 2)
		return terminal_text(out, terminal, name, columns);
	(void)buf_append_text(out, terminal->unicode ? "\u2026" : "~");
	return 1 + terminal_text(out, terminal, tail, columns - 1);
}

size_t terminal_fit(struct bytes text, unsigned columns)
{
	size_t at = 0, space = 0, len;
	unsigned used = 0;
	char piece[16];

	use_characters();
	while (at < text.len) {
		used += show_character(piece, (struct bytes){text.at + at, text.len - at},
				       &len);
		if (used > columns && at > 0)
			/* Not where it would leave most of the line empty. */
			return 2 * space >= at ? space : at;
		at += len;
		if (text.at[at - 1] == ' ')
			space = at;
	}
	return at;
}

/* Of what JSON lets pass. */
static bool is_unsafe(wchar_t c)
{
	return (c >= 0x7f && c < 0xa0) || is_reordering(c);
}

void terminal_json(struct buf *out, struct bytes json)
{
	const uint8_t *at = json.at, *end = json.at + json.len, *from = at;

	while (at < end) {
		int len = *at < 0x7f ? 1 : utf8_step(at, end);

		if (len > 0 && *at >= 0x7f && is_unsafe(decode(at, len))) {
			(void)buf_append(out, from, (size_t)(at - from));
			(void)buf_printf(out, "\\u%04x", (unsigned)decode(at, len));
			from = at + len;
		}
		at += len > 0 ? len : -len;
	}
	(void)buf_append(out, from, (size_t)(at - from));
}

int terminal_json_print(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER);
	struct buf out = BUF_INIT;
	int r = -ENOMEM;

	if (text)
		terminal_json(&out, bytes_of(text));
	if (text && buf_append_byte(&out, '\n') == 0 && !buf_failed(&out)) {
		(void)fwrite(out.at, 1, out.len, stdout); /* main() asks at the end */
		r = 0;
	}
	free(text);
	buf_fini(&out);
	return r;
}

void terminal_spaces(struct buf *out, unsigned count)
{
	while (count-- > 0)
		(void)buf_append_byte(out, ' ');
}

const char *terminal_style(const struct terminal *terminal, enum terminal_style style)
{
	static const char *const codes[] = {
		[STYLE_PLAIN] = "\033[0m",    [STYLE_BOLD] = "\033[1m",
		[STYLE_DIM] = "\033[2m",      [STYLE_ERROR] = "\033[1;31m",
		[STYLE_WARNING] = "\033[33m", [STYLE_BAR] = "\033[36m",
		[STYLE_MODEL] = "\033[35m",
	};

	return terminal->colour ? codes[style] : "";
}
