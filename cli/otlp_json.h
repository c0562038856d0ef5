/* Looking into OTLP/JSON that anybody may have written. NULL is looked into as
 * well and has nothing. */
#ifndef CLI_OTLP_JSON_H
#define CLI_OTLP_JSON_H

#include <jansson.h>

#include "base/buf.h"

/* The text of a string; "" where it is none. */
const char *otlp_string(json_t *value);
/* The AnyValue of an attribute, of an object with `attributes`; or NULL. */
json_t *otlp_attribute(json_t *object, const char *key);
/* Its string, else NULL. */
const char *otlp_text(json_t *object, const char *key);
/* Its integer, as number or digits. False where it has none. */
bool otlp_int(json_t *object, const char *key, int64_t *ret_value);
/* The same of an AnyValue. */
bool otlp_value_int(json_t *value, int64_t *ret_value);
/* A 64-bit member, as number or digits; 0 where there is none. */
uint64_t otlp_uint64(json_t *value);
/* A value as text for people, appended. */
void otlp_value_text(struct buf *out, json_t *value);

#endif
