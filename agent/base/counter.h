/* What a stage counts, declared once: a row per number says where it stands in
 * the stage's struct, its name in the status and in the metrics, its word for
 * people, and on which side of its part's ledger it is a term. Status, metrics,
 * `spanring status` and `spanring doctor` print and add up the rows; a new number
 * is a member, its row, and the one place that counts it. */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stddef.h>
#include <stdint.h>

enum counter_kind {
	COUNTER_TOTAL, /* only rises in a life of the agent */
	COUNTER_NOW,   /* a level */
	COUNTER_TRUTH, /* 0 or 1 */
	COUNTER_AGE,   /* nanoseconds; the metrics say seconds */
};

/* IN = the sum of all OUT, at any moment nothing is being written. Each term is
 * counted where it happens, none is computed from the others. */
enum ledger_side {
	LEDGER_NONE = 0,
	LEDGER_IN,
	LEDGER_OUT,
};

/* Values are uint64_t. `metric` is a name of the Prometheus form without
 * `_total`; rows of one metric stand together and differ in their label. */
struct counter {
	const char *key; /* in the status; NULL: a second name, for the metrics alone */
	size_t offset;
	enum counter_kind kind;
	enum ledger_side side;
	const char *word;   /* for people; NULL: the key */
	const char *metric; /* NULL: in the status alone */
	const char *label;  /* `reason="late"`, or NULL */
	const char *help;
};

/* clang-format off */
#define COUNTER_ROW(type, member, kind, side, word, metric, label, help) \
	{ #member, offsetof(struct type, member), kind, side, word, metric, label, help }
#define COUNTER_NAMED(type, key, member, kind, side, word, metric, label, help) \
	{ key, offsetof(struct type, member), kind, side, word, metric, label, help }
#define COUNTER_ALIAS(type, member, kind, metric, label, help) \
	{ NULL, offsetof(struct type, member), kind, LEDGER_NONE, NULL, metric, label, help }
/* Of an array of uint64_t. */
#define COUNTER_SLOT(key, index, kind, metric, label, help) \
	{ key, (index) * sizeof(uint64_t), kind, LEDGER_NONE, NULL, metric, label, help }
/* clang-format on */

struct counter_table {
	const struct counter *rows;
	size_t count;
};

static inline uint64_t counter_value(const struct counter *row, const void *counters)
{
	return *(const uint64_t *)((const char *)counters + row->offset);
}

static inline const char *counter_word(const struct counter *row)
{
	return row->word ? row->word : row->key;
}

#endif
