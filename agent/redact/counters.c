#include "redact/redact.h"

#define ROW(member, kind, word, metric, help) \
	COUNTER_ROW(redact_counters, member, kind, LEDGER_NONE, word, metric, NULL, help)

static const struct counter rows[] = {
	ROW(enabled, COUNTER_TRUTH, NULL, "spanring_redact_enabled",
	    "1 while well-known secrets are kept out of log, archive and wire."),
	ROW(interpreted, COUNTER_TRUTH, NULL, "spanring_redact_interpreted",
	    "1 where patterns are not machine code, because none may be made."),
	ROW(records, COUNTER_TOTAL, NULL, "spanring_redact_records",
	    "Records of rings that were looked at."),
	ROW(received, COUNTER_TOTAL, "received spans", "spanring_redact_received_spans",
	    "Received spans that were looked at."),
	ROW(changed, COUNTER_TOTAL, "changed values", "spanring_redact_changed_values",
	    "Texts and values of which a part was replaced."),
	ROW(dropped, COUNTER_TOTAL, "dropped values", "spanring_redact_dropped_values",
	    "Texts and values of which nothing was left but a mask, or not that."),
	ROW(undecided, COUNTER_TOTAL, NULL, "spanring_redact_undecided_values",
	    "Of these, the ones that a limit kept from being judged."),
};

const struct counter_table redact_counter_table = {rows, sizeof rows / sizeof rows[0]};
