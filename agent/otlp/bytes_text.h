/* Bytes as text and back: lower-case hexadecimal for ids, base64 for the rest.
 * Writers return 0 or -ENOMEM. Readers return 0, -ENOMEM, or -EINVAL for what
 * is not such text, and then leave `out` as it was. */
#ifndef OTLP_BYTES_TEXT_H
#define OTLP_BYTES_TEXT_H

#include "base/buf.h"

int bytes_text_hex(struct buf *out, struct bytes bytes);
/* Either case; an even number of digits. */
int bytes_text_unhex(struct buf *out, struct bytes text);

/* The standard alphabet, padded. */
int bytes_text_base64(struct buf *out, struct bytes bytes);
/* The standard or the URL-safe alphabet, padded or not, as the proto3 JSON
 * mapping wants of readers. */
int bytes_text_unbase64(struct buf *out, struct bytes text);

#endif
