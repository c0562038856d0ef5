/* OTLP/JSON printed by walking the protobuf bytes of a message with protobuf-c's
 * descriptor tables; nothing is unpacked, nothing is allocated but `out`.
 *
 * The text is what the OTLP specification and the readers of our archives want:
 * lowerCamelCase keys, ids in hexadecimal, other bytes in base64, enums as
 * integers, 64-bit integers as strings, default values left out (but not the
 * member a oneof holds, nor the key and value of an attribute), one line. The
 * order is that of the field numbers, whatever the bytes have, so equal
 * messages print equally. Fields the descriptor does not know are skipped. */
#ifndef OTLP_JSON_PRINT_H
#define OTLP_JSON_PRINT_H

#include "base/buf.h"

#include <protobuf-c/protobuf-c.h>

/* Messages within messages, the outermost included: the limit protobuf's own
 * parsers have, so nothing that reached us through one is refused. */
#define OTLP_DEPTH_MAX 100

/* Appends `message`, which is of `type`. On failure `out` has its earlier
 * length again.
 * -EBADMSG: not a protobuf message. -ELOOP: deeper than OTLP_DEPTH_MAX.
 * -ENOMEM. The type may have no repeated numbers (OTLP has none for traces). */
int otlp_json_print(struct buf *out, const ProtobufCMessageDescriptor *type,
		    struct bytes message);

/* The same for archives, whose readers take the one member of every value without
 * asking (A5): OTLP's empty value, which has none, becomes the empty string. */
int otlp_json_print_filled(struct buf *out, const ProtobufCMessageDescriptor *type,
			   struct bytes message);

/* Writes the key of a field as JSON has it, which is not longer than
 * field->name, without quotes or an end. Its length. */
size_t otlp_json_key(char *at, const ProtobufCFieldDescriptor *field);

/* Whether bytes of this field are an id, printed in hexadecimal. */
bool otlp_json_is_id(const ProtobufCFieldDescriptor *field);

#endif
