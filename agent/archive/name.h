/* Names in the archive's directory. A run's file is
 * `<service>_run_<YYYYmmddTHHMMSSffffff>.otlp.json`, in UTC, or what archive.name says
 * (name_template.h); everything else that belongs to it is that name with an addition:
 *
 *   <name>.partial       the spool of an open run
 *   <name>.kept-<n>      a file under this name that was not ours to replace
 *   .<name>.tmp          a file being sealed, hidden from readers of `*.json`
 *   .<name>.partial.tmp  a spool being made again from a sealed file
 *
 * A service's name is hostile: it comes from a module. Nothing but
 * [A-Za-z0-9._-] gets through, so a name is always one path component. */
#ifndef ARCHIVE_NAME_H
#define ARCHIVE_NAME_H

#include "base/buf.h"

#define NAME_SERVICE_MAX 64
#define NAME_SUFFIX ".otlp.json"
#define NAME_SPOOL_SUFFIX ".partial"
#define NAME_TEMPORARY_SUFFIX ".tmp"
/* Service, "_run_", 21 digits of time, "_" and a trace id, suffix, end. */
#define NAME_MAX_BYTES (NAME_SERVICE_MAX + 5 + 21 + 33 + 10 + 1)
/* With the longest addition. */
#define NAME_FULL_BYTES (NAME_MAX_BYTES + 32)

struct name {
	char text[NAME_MAX_BYTES];
};

/* The service's name as it stands in a file's name. */
void name_service(char ret_text[NAME_SERVICE_MAX + 1], struct bytes service);

void name_spool(char ret_text[NAME_FULL_BYTES], const struct name *name);
void name_temporary(char ret_text[NAME_FULL_BYTES], const struct name *name);
void name_spool_temporary(char ret_text[NAME_FULL_BYTES], const struct name *name);
void name_kept(char ret_text[NAME_FULL_BYTES], const struct name *name, unsigned n);

bool name_byte_is_safe(uint8_t c);

/* Whether a directory entry is a sealed file, a spool (then `ret_name` is the
 * run's name) or a leftover of an interrupted seal. */
enum name_kind {
	NAME_OTHER = 0,
	NAME_SEALED = 1,
	NAME_SPOOL = 2,
	NAME_TEMPORARY = 3,
};
/* Names of the default template are known whatever `template` says: they may be from
 * before. */
enum name_kind name_kind(const char *entry, const char *template, struct name *ret_name);

/* One path component that cannot be mistaken for another: for names that come
 * back from a file. */
bool name_is_safe(struct bytes text);

#endif
