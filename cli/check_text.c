/* The bytes of an archive: A1, A2, A6, A11, A13. */
#include "check.h"

#include <stdlib.h>

#include "otlp/utf8.h"

#define WINDOW_BYTES ((size_t)256 << 10)
/* What a character may lack at a window's end. */
#define CHARACTER_MAX 4

/* The file seen through a window: what was looked at is dropped, what is left of a
 * character that the window's end has cut stays. */
struct bytes_seen {
	uint64_t offset; /* of the window's first byte */
	size_t lines;
	uint8_t last;
	bool is_utf8;
};

static void look_at_byte(struct check *check, uint64_t offset, const uint8_t *at, size_t left)
{
	if (*at < 0x20 && *at != '\n')
		check_fail(check, CHECK_ESCAPES, NULL,
			   "byte %llu is the control character 0x%02x",
			   (unsigned long long)offset, *at);
	else if (left >= 2 && at[0] == 0xc2 && at[1] == 0x85)
		check_fail(check, CHECK_ESCAPES, NULL, "byte %llu is U+0085",
			   (unsigned long long)offset);
	else if (left >= 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] & 0xfe) == 0xa8)
		check_fail(check, CHECK_ESCAPES, NULL, "byte %llu is U+%x",
			   (unsigned long long)offset, 0x2028u + (at[2] & 1));
}

/* Looks at the first `len` of `text`; what stands behind them completes characters. */
static void look_at(struct check *check, struct bytes_seen *seen, struct bytes text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		seen->lines += text.at[i] == '\n';
		/* Most of a file is letters. */
		if (text.at[i] < 0x20 || text.at[i] == 0xc2 || text.at[i] == 0xe2)
			look_at_byte(check, seen->offset + i, text.at + i, text.len - i);
	}
	if (len > 0)
		seen->last = text.at[len - 1];
}

static void look_at_utf8(struct check *check, struct bytes_seen *seen, struct bytes text,
			 size_t len)
{
	size_t valid = utf8_valid_len(text);

	if (valid >= len || !seen->is_utf8)
		return;
	seen->is_utf8 = false;
	check_fail(check, CHECK_UTF8, NULL, "byte %llu is not UTF-8",
		   (unsigned long long)(seen->offset + valid));
}

/* How many bytes of the window can be looked at: to the begin of a character, behind
 * which a whole one has room. */
static size_t settled(struct bytes text, bool is_end)
{
	size_t len = text.len;

	if (is_end || len < 2 * CHARACTER_MAX)
		return is_end ? len : 0;
	len -= CHARACTER_MAX;
	for (unsigned back = 1; back < CHARACTER_MAX && (text.at[len] & 0xc0) == 0x80; back++)
		len--;
	return len;
}

static void look_at_window(struct check *check, struct bytes_seen *seen, uint8_t *window)
{
	size_t held = 0, len;
	int64_t n;

	do {
		n = archive_file_bytes(check->file, seen->offset + held, window + held,
				       WINDOW_BYTES - held);
		held += n > 0 ? (size_t)n : 0;
		len = settled((struct bytes){window, held}, n <= 0);
		look_at_utf8(check, seen, (struct bytes){window, held}, len);
		look_at(check, seen, (struct bytes){window, held}, len);
		seen->offset += len;
		held -= len;
		memmove(window, window + len, held);
	} while (n > 0);
}

static void check_mark(struct check *check)
{
	uint8_t first[3];

	if (archive_file_bytes(check->file, 0, first, sizeof(first)) == sizeof(first) &&
	    memcmp(first, "\xef\xbb\xbf", 3) == 0)
		check_fail(check, CHECK_UTF8, NULL, "begins with a byte order mark");
}

static void check_lines(struct check *check, const struct bytes_seen *seen)
{
	if (seen->last != '\n')
		check_fail(check, CHECK_ONE_LINE, NULL, "does not end with a line feed");
	if (seen->lines > 1)
		check_fail(check, CHECK_ONE_LINE, NULL,
			   "%zu lines; readers take each for a document of its own%s",
			   seen->lines,
			   check->file->document_count == seen->lines
				   ? " (is the run still open, or the file of a collector?)"
				   : "");
	if (check->file->document_count != 1)
		check_fail(check, CHECK_ONE_OBJECT, NULL, "%zu JSON documents",
			   check->file->document_count);
}

void check_text(struct check *check)
{
	struct bytes_seen seen = {.is_utf8 = true};
	uint8_t *window = malloc(WINDOW_BYTES);

	if (!window) {
		check_fail(check, CHECK_UTF8, NULL, "not tested: out of memory");
		return;
	}
	check_mark(check);
	look_at_window(check, &seen, window);
	check_lines(check, &seen);
	free(window);
}
