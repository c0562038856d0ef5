/* How files are named: archive.name, in front of NAME_SUFFIX. Letters, digits, `.`, `_` and
 * `-` stand for themselves; the others are filled in when a run is first seen:
 *
 *   {service}    service.name of the first span's resource
 *   {name}       the first span's name: of the root, where that is seen first
 *   {trace_id}   32 digits
 *   {time}       %Y%m%dT%H%M%S%f
 *   %Y %m %d %j %H %M %S %f   parts of the time of the first span, in UTC; %f microseconds
 *
 * Service and name are reduced to what is safe, and cut to what has room. */
#ifndef ARCHIVE_NAME_TEMPLATE_H
#define ARCHIVE_NAME_TEMPLATE_H

#include "archive/name.h"
#include "base/run_words.h"

#define NAME_TEMPLATE_DEFAULT "{service}_run_{time}"
/* Service, "_run_", 21 digits of time. */
#define NAME_STEM_MAX (NAME_SERVICE_MAX + 5 + 21)
#define NAME_REASON_BYTES 192

/* NULL, or why it is none, in ret_reason. An NAME_SUFFIX at its end is passed over. */
const char *name_template_check(const char *text, char ret_reason[NAME_REASON_BYTES]);

struct name_parts {
	struct run_words words;
	uint64_t wall_ns;
	const uint8_t *trace_id;
};

/* `text` was found good, or is NULL: the default. */
void name_make(struct name *ret_name, const char *text, const struct name_parts *parts);

/* Whether the template may have made this name, of which a taken one has the trace id
 * behind it. */
bool name_template_matches(const char *text, const char *name);

#endif
