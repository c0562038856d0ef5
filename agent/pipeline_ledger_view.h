/* The ledgers since the log began, as the status shows them: one object with
 * every equation and its terms, and the open and newest runs with theirs. */
#ifndef AGENT_PIPELINE_LEDGER_VIEW_H
#define AGENT_PIPELINE_LEDGER_VIEW_H

#include "pipeline_view.h"
#include "serve/json_object.h"

/* What the archive was given, and what became of it. */
struct archive_ledger_view {
	uint64_t finished, kept, waiting;
	uint64_t dropped_invalid, missing, uncounted;
	uint64_t dropped_filtered, dropped_lost; /* of those kept, later */
};
extern const struct counter_table archive_ledger_table;

/* The member "ledger". */
void pipeline_ledger_json(struct json_writer *json, struct pipeline *pipeline,
			  const struct pipeline_view *view);

#endif
