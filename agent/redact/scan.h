/* One pass over a text for the literals that secrets begin with or stand behind
 * ("sk-", "AIza", "bearer", "://"). Text without any of them, which is nearly all
 * of it, costs the same however many literals there are: each place is tried for
 * all of them together by three tables, and where the processor can, sixteen places
 * at once by the tables' halves, which let a few more pass. */
#ifndef REDACT_SCAN_H
#define REDACT_SCAN_H

#include "base/buf.h"

#define SCAN_ANCHORS_MAX 160
#define SCAN_ANCHOR_BYTES 24
#define SCAN_SLOTS 512
#define SCAN_MARK 3

/* A literal. Its mark, the rarest three bytes of it, is what the pass looks for;
 * a literal of fewer bytes is all mark. */
struct scan_anchor {
	uint8_t text[SCAN_ANCHOR_BYTES]; /* in lower case if `caseless` */
	uint8_t len;
	uint8_t mark; /* where in the literal its mark begins */
	bool caseless;
	uint8_t rule;
	uint8_t which; /* of the rule's anchors */
	uint8_t next;  /* in its slot: index + 1 */
};

struct scan {
	uint8_t tables[SCAN_MARK][256];			 /* by byte of a mark: its groups */
	uint8_t low[SCAN_MARK][16], high[SCAN_MARK][16]; /* by half of a byte */
	uint8_t slots[SCAN_SLOTS];			 /* by the mark's hash: index + 1 */
	uint8_t shorts; /* marks of fewer than 3 bytes: index + 1 */
	struct scan_anchor anchors[SCAN_ANCHORS_MAX];
	uint32_t count;
	bool vector; /* sixteen at once */
};

/* Empty, with `vector` as this processor has it. */
void scan_init(struct scan *scan);

/* `text` of 1 to SCAN_ANCHOR_BYTES bytes, `mark` at most its length less 3, or 0.
 * -E2BIG: no room. */
int scan_add(struct scan *scan, struct bytes text, uint8_t mark, bool caseless, uint8_t rule,
	     uint8_t which);

/* The first place at or behind `from` where a mark may begin; text.len: none. */
size_t scan_next(const struct scan *scan, struct bytes text, size_t from);

/* Goes over the anchors that are at this place (by their marks): the next one
 * behind `after` (NULL: the first). NULL: no more. *ret_at: where it begins. */
const struct scan_anchor *scan_anchor_at(const struct scan *scan, struct bytes text,
					 size_t mark_at, const struct scan_anchor *after,
					 size_t *ret_at);

#endif
