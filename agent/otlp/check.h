/* Whether a message that somebody sent can go on as it is, and how it can if not.
 *
 * What a sender's encoder should never make, though one may, would be refused by
 * every reader behind us together with all that travels with it: text that is
 * not UTF-8, values nested deeper than protobuf's parsers read, the string
 * table's references that only profiles may have, a parent of all zeros, a span without a name,
 * a key twice. And nobody says of himself what the agent says of a process (spanring.uid,
 * spanring.pid). Such a message is written anew with that one thing put right; every other
 * keeps its bytes, fields we do not know included. */
#ifndef OTLP_CHECK_H
#define OTLP_CHECK_H

#include "base/buf.h"

#include <protobuf-c/protobuf-c.h>

/* How often what was found, each at its innermost place. */
struct otlp_faults {
	uint64_t texts;	  /* not UTF-8: U+FFFD for each wrong part */
	uint64_t deep;	  /* messages beyond OTLP_DEPTH_MAX: left out */
	uint64_t strings; /* AnyValue.string_value_strindex, KeyValue.key_strindex:
			   * treated as absent */
	uint64_t parents; /* a root whose parent is zeros: it has none */
	uint64_t names;	  /* spans without one: "unnamed" */
	uint64_t keys;	  /* of attributes, that stood there already: the last value holds,
			   * where the first one was */
	uint64_t owned;	  /* attributes of a resource that only the agent sets: dropped,
			   * and counted there as dropped */
};

static inline bool otlp_faults_any(const struct otlp_faults *faults)
{
	return faults->texts || faults->deep || faults->strings || faults->parents ||
	       faults->names || faults->keys || faults->owned;
}

/* Looks at all of `message`. 0; -EBADMSG: it is not protobuf; -ENOMEM. A known field of the
 * wrong wire type is an unknown one, as protobuf has it. */
int otlp_check(const ProtobufCMessageDescriptor *type, struct bytes message,
	       struct otlp_faults *ret_faults);

/* Appends the message without its faults. -EBADMSG, -ENOMEM: `out` is as before. */
int otlp_repair(struct buf *out, const ProtobufCMessageDescriptor *type, struct bytes message);

#endif
