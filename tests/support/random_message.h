/* Random protobuf messages of any OTLP type, in canonical form (ascending field
 * numbers, no defaults, valid UTF-8), reproducible from the seed. Strings and
 * numbers lean towards what breaks encoders. */
#ifndef SUPPORT_RANDOM_MESSAGE_H
#define SUPPORT_RANDOM_MESSAGE_H

#include "base/buf.h"

#include <protobuf-c/protobuf-c.h>

uint64_t random_next(uint64_t *seed);

/* Up to about `size` members in each repeated field; containers nest at most
 * `depth` deep. */
void random_message(struct buf *out, const ProtobufCMessageDescriptor *type, uint64_t *seed,
		    unsigned size, unsigned depth);

#endif
