/* Span kinds by rule, for clients that cannot say them: an older SDK, a proxy, a
 * language whose helper knows no kinds. A rule changes only what says nothing: a
 * span whose kind is unspecified or INTERNAL, which every client writes that was not
 * told another. SERVER, CLIENT, PRODUCER and CONSUMER were said, and stay.
 *
 * Bytes in, bytes out; whoever has the rules owns them. */
#ifndef ASSEMBLE_KINDS_H
#define ASSEMBLE_KINDS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/finished_span.h"

#define KIND_RULES_MAX 64
#define KIND_WORDS 6 /* of OTLP's Span.SpanKind, by number; the first is no rule's */

extern const char *const kind_words[KIND_WORDS];

/* What a span must have, each by how it begins, or by having one that begins so;
 * NULL: it need not. At least one is given. */
struct kind_rule {
	uint32_t kind;
	char *name;
	char *attribute; /* of the span; its key */
	char *scope;	 /* the scope's name */
};

struct kind_rules {
	uint32_t count;
	struct kind_rule rules[KIND_RULES_MAX];
};

/* The kind of the first rule that fits, where it says another than the span does.
 * 0: the span stays as it is. */
uint32_t kinds_choose(const struct kind_rules *rules, const struct finished_span *span);

/* Appends the span with that kind instead of its own. -ENOMEM, -EBADMSG: `out` has no
 * meaning then. */
int kinds_write(struct buf *out, struct bytes span, uint32_t kind);

#endif
