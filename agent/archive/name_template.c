#include "archive/name_template.h"

#include <fnmatch.h>
#include <stdio.h>
#include <time.h>

/* So much at least is left for each text. */
#define TEXT_LEAST 8
/* The longest: %f is six digits as a pattern. */
#define PATTERN_BYTES (NAME_STEM_MAX * 5 + 64)

enum piece_kind {
	PIECE_END,
	PIECE_LITERAL, /* `length` bytes at `at` */
	PIECE_SERVICE,
	PIECE_NAME,
	PIECE_TRACE_ID,
	PIECE_TIME, /* the part `at[0]` of it */
	PIECE_WRONG,
};

struct piece {
	enum piece_kind kind;
	const char *at;
	size_t length; /* in the template */
};

static const struct {
	const char *word;
	enum piece_kind kind;
} words[] = {
	{"{service}", PIECE_SERVICE},
	{"{name}", PIECE_NAME},
	{"{trace_id}", PIECE_TRACE_ID},
};

static const char time_word[] = "{time}";
static const char time_parts[] = "%Y%m%dT%H%M%S%f";

static unsigned digits_of(char part)
{
	switch (part) {
	case 'Y':
		return 4;
	case 'j':
		return 3;
	case 'f':
		return 6;
	case 'm':
	case 'd':
	case 'H':
	case 'M':
	case 'S':
		return 2;
	default:
		return 0;
	}
}

static size_t length_of_literal(const char *at, const char *end)
{
	size_t n = 0;

	while (at + n < end && at[n] != '{' && at[n] != '%')
		n++;
	return n;
}

static struct piece next_piece(const char *at, const char *end)
{
	if (at == end)
		return (struct piece){PIECE_END, at, 0};
	if (*at == '%') {
		bool known = at + 1 < end && digits_of(at[1]) > 0;

		return (struct piece){known ? PIECE_TIME : PIECE_WRONG, at + 1, 2};
	}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strncmp(at, words[i].word, strlen(words[i].word)) == 0)
			return (struct piece){words[i].kind, at, strlen(words[i].word)};
	if (*at == '{')
		return (struct piece){PIECE_WRONG, at, 1};
	return (struct piece){PIECE_LITERAL, at, length_of_literal(at, end)};
}

/* {time} is only short for its parts. */
static void expand_time(char ret_text[PATTERN_BYTES], const char *text)
{
	size_t length = strlen(text), suffix = strlen(NAME_SUFFIX), n = 0;

	if (length >= suffix && strcmp(text + length - suffix, NAME_SUFFIX) == 0)
		length -= suffix;
	for (size_t i = 0; i < length && n < PATTERN_BYTES - sizeof time_parts;) {
		if (strncmp(text + i, time_word, sizeof time_word - 1) == 0) {
			memcpy(ret_text + n, time_parts, sizeof time_parts - 1);
			n += sizeof time_parts - 1;
			i += sizeof time_word - 1;
		} else {
			ret_text[n++] = text[i++];
		}
	}
	ret_text[n] = '\0';
}

/* --- checking -------------------------------------------------------------- */

struct measure {
	size_t fixed; /* bytes of all but the texts */
	unsigned texts;
};

static struct measure measure(const char *text)
{
	const char *end = text + strlen(text);
	struct measure measure = {0};
	struct piece piece;

	for (; (piece = next_piece(text, end)).kind != PIECE_END; text += piece.length) {
		if (piece.kind == PIECE_SERVICE || piece.kind == PIECE_NAME)
			measure.texts++;
		else if (piece.kind == PIECE_TRACE_ID)
			measure.fixed += 32;
		else if (piece.kind == PIECE_TIME)
			measure.fixed += digits_of(piece.at[0]);
		else
			measure.fixed += piece.length;
	}
	return measure;
}

static bool is_literal_safe(const struct piece *piece, char *ret_reason)
{
	for (size_t i = 0; i < piece->length; i++) {
		if (name_byte_is_safe((uint8_t)piece->at[i]))
			continue;
		(void)snprintf(
			ret_reason, NAME_REASON_BYTES,
			"letters, digits, '.', '_' and '-' beside its placeholders: '%c' "
			"may not stand in a file's name",
			piece->at[i]);
		return false;
	}
	return true;
}

static const char *check_pieces(const char *text, char *ret_reason)
{
	const char *end = text + strlen(text);
	struct piece piece;

	for (; (piece = next_piece(text, end)).kind != PIECE_END; text += piece.length) {
		if (piece.kind == PIECE_WRONG) {
			(void)snprintf(
				ret_reason, NAME_REASON_BYTES,
				"a name of {service}, {name}, {trace_id}, {time}, %%Y %%m %%d "
				"%%j %%H %%M %%S %%f and plain text, not of '%.12s'",
				text);
			return ret_reason;
		}
		if (piece.kind == PIECE_LITERAL && !is_literal_safe(&piece, ret_reason))
			return ret_reason;
	}
	return NULL;
}

const char *name_template_check(const char *text, char ret_reason[NAME_REASON_BYTES])
{
	char expanded[PATTERN_BYTES];
	struct measure size;

	if (strlen(text) > NAME_STEM_MAX * 2) {
		(void)snprintf(ret_reason, NAME_REASON_BYTES, "at most %u bytes long",
			       NAME_STEM_MAX * 2);
		return ret_reason;
	}
	expand_time(expanded, text);
	if (check_pieces(expanded, ret_reason))
		return ret_reason;
	size = measure(expanded);
	if (size.fixed + size.texts == 0 || expanded[0] == '.') {
		(void)snprintf(ret_reason, NAME_REASON_BYTES,
			       "a name that is not empty and begins with no dot");
		return ret_reason;
	}
	if (size.fixed + size.texts * TEXT_LEAST > NAME_STEM_MAX) {
		(void)snprintf(ret_reason, NAME_REASON_BYTES,
			       "a shorter one: it makes names of up to %zu bytes, of which there may "
			       "be %u",
			       size.fixed + size.texts * TEXT_LEAST, NAME_STEM_MAX);
		return ret_reason;
	}
	return NULL;
}

/* --- making ---------------------------------------------------------------- */

static size_t put_time(char *at, size_t room, char part, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	char format[3] = {'%', part, '\0'};
	struct tm utc;

	if (part == 'f')
		return (size_t)snprintf(at, room, "%06u",
					(unsigned)(wall_ns % 1000000000 / 1000));
	/* 64 bits of nanoseconds end in the year 2554: this cannot fail. */
	(void)gmtime_r(&seconds, &utc);
	return strftime(at, room, format, &utc);
}

static size_t put_trace_id(char *at, const uint8_t trace_id[16])
{
	for (int i = 0; i < 16; i++)
		(void)snprintf(at + 2 * i, 3, "%02x", trace_id[i]);
	return 32;
}

static size_t put_text(char *at, size_t most, struct bytes text)
{
	char reduced[NAME_SERVICE_MAX + 1];
	size_t length;

	name_service(reduced, text);
	length = strlen(reduced);
	length = length < most ? length : most;
	memcpy(at, reduced, length);
	return length;
}

static size_t put_piece(char *at, size_t room, const struct piece *piece, size_t text_most,
			const struct name_parts *parts)
{
	switch (piece->kind) {
	case PIECE_SERVICE:
		return put_text(at, text_most, parts->words.service);
	case PIECE_NAME:
		return put_text(at, text_most,
				parts->words.name.len ? parts->words.name
						      : parts->words.service);
	case PIECE_TRACE_ID:
		return put_trace_id(at, parts->trace_id);
	case PIECE_TIME:
		return put_time(at, room, piece->at[0], parts->wall_ns);
	case PIECE_LITERAL:
		memcpy(at, piece->at, piece->length);
		return piece->length;
	case PIECE_WRONG:
	case PIECE_END:
		break;
	}
	return 0;
}

void name_make(struct name *ret_name, const char *text, const struct name_parts *parts)
{
	char expanded[PATTERN_BYTES], *end;
	const char *at = expanded;
	struct measure size;
	struct piece piece;
	size_t most = 0, n = 0;

	expand_time(expanded, text ? text : NAME_TEMPLATE_DEFAULT);
	end = expanded + strlen(expanded);
	size = measure(expanded);
	if (size.texts)
		most = (NAME_STEM_MAX - size.fixed) / size.texts;
	for (; (piece = next_piece(at, end)).kind != PIECE_END; at += piece.length)
		n += put_piece(ret_name->text + n, sizeof(ret_name->text) - n, &piece, most,
			       parts);
	(void)snprintf(ret_name->text + n, sizeof(ret_name->text) - n, NAME_SUFFIX);
}

/* --- recognising ------------------------------------------------------------- */

static void pattern_of(char ret_pattern[PATTERN_BYTES], const char *text)
{
	const char *end = text + strlen(text);
	struct piece piece;
	size_t n = 0;

	for (; (piece = next_piece(text, end)).kind != PIECE_END; text += piece.length) {
		unsigned digits = piece.kind == PIECE_TIME ? digits_of(piece.at[0]) : 0;

		if (piece.kind == PIECE_LITERAL) {
			memcpy(ret_pattern + n, piece.at, piece.length);
			n += piece.length;
		} else if (digits == 0) {
			ret_pattern[n++] = '*';
		}
		for (; digits > 0; digits--) {
			memcpy(ret_pattern + n, "[0-9]", 5);
			n += 5;
		}
	}
	ret_pattern[n] = '\0';
}

bool name_template_matches(const char *text, const char *name)
{
	char expanded[PATTERN_BYTES], pattern[PATTERN_BYTES], whole[PATTERN_BYTES + 16];

	expand_time(expanded, text ? text : NAME_TEMPLATE_DEFAULT);
	pattern_of(pattern, expanded);
	(void)snprintf(whole, sizeof whole, "%s" NAME_SUFFIX, pattern);
	if (fnmatch(whole, name, 0) == 0)
		return true;
	(void)snprintf(whole, sizeof whole, "%s_*" NAME_SUFFIX, pattern);
	return fnmatch(whole, name, 0) == 0;
}
