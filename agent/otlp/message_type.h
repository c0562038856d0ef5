/* What protobuf-c's descriptors say of a message's fields. */
#ifndef OTLP_MESSAGE_TYPE_H
#define OTLP_MESSAGE_TYPE_H

#include <protobuf-c/protobuf-c.h>

/* The field of that number; NULL: nobody knows it. Our messages have few fields, in
 * order. */
static inline const ProtobufCFieldDescriptor *
message_type_field(const ProtobufCMessageDescriptor *type, uint32_t number)
{
	for (unsigned i = 0; i < type->n_fields && type->fields[i].id <= number; i++)
		if (type->fields[i].id == number)
			return &type->fields[i];
	return NULL;
}

#endif
