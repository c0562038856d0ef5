#include "archive/name.h"

#include "archive/name_template.h"

#include <stdio.h>

bool name_byte_is_safe(uint8_t c)
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
		if (!name_byte_is_safe(c) || (n == 0 && c == '.'))
			c = '_';
		ret_text[n++] = (char)c;
	}
	ret_text[n] = '\0';
	if (n == 0)
		(void)snprintf(ret_text, NAME_SERVICE_MAX + 1, "unknown_service");
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
		if (!name_byte_is_safe(text.at[i]))
			return false;
	return true;
}

/* Copies it, too, because it is not ended where it ends. */
static bool is_run(struct bytes text, const char *template, struct name *ret_name)
{
	if (!name_is_safe(text) || !ends_with(&(struct bytes){text.at, text.len}, NAME_SUFFIX))
		return false;
	memcpy(ret_name->text, text.at, text.len);
	ret_name->text[text.len] = '\0';
	return memmem(text.at, text.len, "_run_", 5) ||
	       (template && name_template_matches(template, ret_name->text));
}

enum name_kind name_kind(const char *entry, const char *template, struct name *ret_name)
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
	return is_run(text, template, ret_name) ? kind : NAME_OTHER;
}
