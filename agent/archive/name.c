#include "archive/name.h"

#include <stdio.h>
#include <time.h>

static bool is_name_byte(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static bool is_continuation(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

void name_service(char ret_text[NAME_SERVICE_MAX + 1], struct bytes service)
{
	size_t n = 0;

	for (size_t i = 0; i < service.len && n < NAME_SERVICE_MAX; i++) {
		uint8_t c = service.at[i];

		/* One character of another script becomes one `_`. */
		if (is_continuation(c))
			continue;
		/* A leading dot would hide the file from `ls` and `*`. */
		if (!is_name_byte(c) || (n == 0 && c == '.'))
			c = '_';
		ret_text[n++] = (char)c;
	}
	ret_text[n] = '\0';
	if (n == 0)
		(void)snprintf(ret_text, NAME_SERVICE_MAX + 1, "unknown_service");
}

void name_make(struct name *ret_name, struct bytes service, uint64_t wall_ns,
	       const uint8_t trace_id[16])
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	unsigned micros = (unsigned)(wall_ns % 1000000000 / 1000);
	char reduced[NAME_SERVICE_MAX + 1], when[16], id[34] = "";
	struct tm utc;

	/* 64 bits of nanoseconds end in the year 2554: this cannot fail. */
	(void)gmtime_r(&seconds, &utc);
	name_service(reduced, service);
	(void)strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &utc);
	for (int i = 0; trace_id && i < 16; i++)
		(void)snprintf(id + 1 + 2 * i, 3, "%02x", trace_id[i]);
	if (trace_id)
		id[0] = '_';
	(void)snprintf(ret_name->text, sizeof(ret_name->text), "%s_run_%s%06u%s" NAME_SUFFIX,
		       reduced, when, micros, id);
}

void name_spool(char ret_text[NAME_FULL_BYTES], const struct name *name)
{
	(void)snprintf(ret_text, NAME_FULL_BYTES, "%s" NAME_SPOOL_SUFFIX, name->text);
}

void name_temporary(char ret_text[NAME_FULL_BYTES], const struct name *name)
{
	(void)snprintf(ret_text, NAME_FULL_BYTES, ".%s" NAME_TEMPORARY_SUFFIX, name->text);
}

void name_spool_temporary(char ret_text[NAME_FULL_BYTES], const struct name *name)
{
	(void)snprintf(ret_text, NAME_FULL_BYTES, ".%s" NAME_SPOOL_SUFFIX NAME_TEMPORARY_SUFFIX,
		       name->text);
}

void name_kept(char ret_text[NAME_FULL_BYTES], const struct name *name, unsigned n)
{
	(void)snprintf(ret_text, NAME_FULL_BYTES, "%s.kept-%u", name->text, n);
}

static bool ends_with(struct bytes *text, const char *suffix)
{
	size_t len = strlen(suffix);

	if (text->len < len || memcmp(text->at + text->len - len, suffix, len) != 0)
		return false;
	text->len -= len;
	return true;
}

bool name_is_safe(struct bytes text)
{
	if (text.len == 0 || text.len >= NAME_MAX_BYTES || text.at[0] == '.')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!is_name_byte(text.at[i]))
			return false;
	return true;
}

static bool is_run(struct bytes text)
{
	return name_is_safe(text) && memmem(text.at, text.len, "_run_", 5) &&
	       ends_with(&(struct bytes){text.at, text.len}, NAME_SUFFIX);
}

enum name_kind name_kind(const char *entry, struct name *ret_name)
{
	struct bytes text = bytes_of(entry);
	enum name_kind kind = NAME_SEALED;

	if (text.len > 0 && text.at[0] == '.') {
		if (!ends_with(&text, NAME_TEMPORARY_SUFFIX))
			return NAME_OTHER;
		text.at++;
		text.len--;
		(void)ends_with(&text, NAME_SPOOL_SUFFIX);
		kind = NAME_TEMPORARY;
	} else if (ends_with(&text, NAME_SPOOL_SUFFIX)) {
		kind = NAME_SPOOL;
	}
	if (!is_run(text))
		return NAME_OTHER;
	memcpy(ret_name->text, text.at, text.len);
	ret_name->text[text.len] = '\0';
	return kind;
}
