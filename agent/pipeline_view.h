/* The pipeline's numbers as its printers see them: the stages' own counters and
 * what is known only by looking at several stages, part by part, each with the
 * tables that name its rows. `spanring status` reads the same tables, so that a
 * number that is declared is also shown. */
#ifndef AGENT_PIPELINE_VIEW_H
#define AGENT_PIPELINE_VIEW_H

#include "pipeline.h"

struct log_view {
	uint64_t bytes, bytes_max, bytes_on_disk, bytes_released, last_span_number, failing;
};
extern const struct counter_table log_view_table;

/* How long the oldest of each kind waits; 0: none does. */
struct age_view {
	uint64_t undrained_ns, unlogged_ns, unsynced_ns, unarchived_ns;
	uint64_t last_sync_ns; /* ago */
	uint64_t last_turn_ns; /* ago */
};
extern const struct counter_table age_view_table;

struct destination_view {
	uint64_t finished, unsent, waiting, rejected, uncounted;
	uint64_t oldest_unsent_ns, oldest_live_ns, backlog;
	uint64_t connected, in_flight, streams, in_flight_spans;
};
extern const struct counter_table destination_view_table;

struct archive_view {
	uint64_t dropped_log, behind;
};
extern const struct counter_table archive_view_table;

/* One struct of numbers and its names. */
struct view_source {
	const struct counter_table *table;
	const void *counters;
};

#define VIEW_SOURCES_MAX 3

/* The numbers of one part of the status; with several of a kind (destinations)
 * one part each. */
struct view_part {
	const char *name;   /* in the status */
	const char *labels; /* of the metrics, or "" */
	struct view_source sources[VIEW_SOURCES_MAX];
};

#define VIEW_PARTS_MAX (16 + PIPELINE_DESTINATIONS_MAX)

struct pipeline_view {
	struct drain_ring_counters rings;
	struct log_view log;
	struct archive_view archive;
	struct age_view ages;
	struct destination_view destinations[PIPELINE_DESTINATIONS_MAX];
	char destination_labels[PIPELINE_DESTINATIONS_MAX][64];
	struct view_part parts[VIEW_PARTS_MAX];
	uint32_t part_count;
};

/* pipeline_health.c */
void pipeline_ages(const struct pipeline *pipeline, struct age_view *ret_ages);
uint64_t pipeline_oldest_unsent_ns(const struct pipeline *pipeline,
				   const struct destination *destination);

/* Borrowed from the pipeline: valid until its next turn. */
void pipeline_view(struct pipeline *pipeline, struct pipeline_view *ret_view);

/* The part of this name, the `nth` of them from 0; NULL when there is none. */
const struct view_part *pipeline_view_part(const struct pipeline_view *view, const char *name,
					   uint32_t nth);

#endif
