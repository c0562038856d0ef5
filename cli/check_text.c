/* The bytes of an archive: A1, A2, A6, A11, A13. */
#include "check.h"

#include "otlp/utf8.h"

static void check_utf8(struct check *check)
{
	struct bytes text = buf_bytes(&check->file->text);
	size_t valid = utf8_valid_len(text);

	if (text.len >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
		check_fail(check, CHECK_UTF8, NULL, "begins with a byte order mark");
	if (valid < text.len)
		check_fail(check, CHECK_UTF8, NULL, "byte %zu is not UTF-8", valid);
}

static void check_lines(struct check *check)
{
	const struct buf *text = &check->file->text;
	size_t lines = 0;

	for (size_t i = 0; i < text->len; i++)
		lines += text->at[i] == '\n';
	if (text->len == 0 || text->at[text->len - 1] != '\n')
		check_fail(check, CHECK_ONE_LINE, NULL, "does not end with a line feed");
	if (lines > 1)
		check_fail(check, CHECK_ONE_LINE, NULL,
			   "%zu lines; readers take each for a document of its own%s", lines,
			   check->file->document_count == lines
				   ? " (is the run still open, or the file of a collector?)"
				   : "");
	if (check->file->document_count != 1)
		check_fail(check, CHECK_ONE_OBJECT, NULL, "%zu JSON documents",
			   check->file->document_count);
}

static void check_escapes(struct check *check)
{
	const struct buf *text = &check->file->text;

	for (size_t i = 0; i < text->len; i++) {
		const uint8_t *at = text->at + i;
		size_t left = text->len - i;

		if (*at < 0x20 && *at != '\n')
			check_fail(check, CHECK_ESCAPES, NULL,
				   "byte %zu is the control character 0x%02x", i, *at);
		else if (left >= 2 && at[0] == 0xc2 && at[1] == 0x85)
			check_fail(check, CHECK_ESCAPES, NULL, "byte %zu is U+0085", i);
		else if (left >= 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] & 0xfe) == 0xa8)
			check_fail(check, CHECK_ESCAPES, NULL, "byte %zu is U+%x", i,
				   0x2028u + (at[2] & 1));
	}
}

void check_text(struct check *check)
{
	check_utf8(check);
	check_lines(check);
	check_escapes(check);
}
