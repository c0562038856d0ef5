/* The pipeline's numbers in the Prometheus text format: the tables of
 * pipeline_view.c, the conditions, and what every process says of itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pipeline_view.h"
#include "serve/exposition.h"

/* Every table once, with the samples of all parts that use it. */
static void put_source(struct buf *out, const struct pipeline_view *view, uint32_t part,
		       int source)
{
	const struct counter_table *table = view->parts[part].sources[source].table;
	struct exposition_source sources[PIPELINE_DESTINATIONS_MAX];
	size_t count = 0;

	if (part > 0 && strcmp(view->parts[part - 1].name, view->parts[part].name) == 0)
		return;
	for (uint32_t i = part; i < view->part_count && count < PIPELINE_DESTINATIONS_MAX; i++)
		if (strcmp(view->parts[i].name, view->parts[part].name) == 0)
			sources[count++] = (struct exposition_source){
				view->parts[i].sources[source].counters, view->parts[i].labels};
	exposition_table(out, table, sources, count);
}

static void put_conditions(struct buf *out, const struct pipeline *p)
{
	exposition_family(out, "spanring_condition", COUNTER_TRUTH,
			  "1 while this is wrong with the agent's surroundings.");
	for (int i = 0; i < CONDITIONS; i++) {
		char label[96];

		(void)snprintf(label, sizeof label, "condition=\"%s\"", condition_name(i));
		exposition_sample(out, "spanring_condition", COUNTER_TRUTH, label, "",
				  p->conditions.of[i].raised);
	}
	exposition_family(out, "spanring_condition_raised", COUNTER_TOTAL,
			  "How often this became wrong.");
	for (int i = 0; i < CONDITIONS; i++) {
		char label[96];

		(void)snprintf(label, sizeof label, "condition=\"%s\"", condition_name(i));
		exposition_sample(out, "spanring_condition_raised", COUNTER_TOTAL, label, "",
				  p->conditions.of[i].times);
	}
}

static void put_redact_rules(struct buf *out, const struct pipeline *p)
{
	static const char metric[] = "spanring_redact_hits";
	const char *name;
	uint64_t hits;
	bool used;

	exposition_family(out, metric, COUNTER_TOTAL, "What was redacted, by rule.");
	for (uint32_t i = 0; redact_rule_view(&p->redact, i, &name, &hits, &used); i++) {
		char label[64];

		(void)snprintf(label, sizeof label, "rule=\"%s\"", name);
		if (used)
			exposition_sample(out, metric, COUNTER_TOTAL, label, "", hits);
	}
}

/* Who this is, as OpenTelemetry's resource in Prometheus. */
static void put_target(struct buf *out, const struct pipeline *p)
{
	exposition_family(out, "target_info", COUNTER_NOW, "Who is asked.");
	(void)buf_append_text(out, "target_info{");
	exposition_label(out, "service_name", "spanringd");
	(void)buf_append_byte(out, ',');
	exposition_label(out, "service_version", SPANRING_VERSION);
	(void)buf_append_byte(out, ',');
	exposition_label(out, "spanring_ring_dir", p->options->ring_dir);
	(void)buf_append_text(out, "} 1\n");
}

static uint64_t resident_bytes(void)
{
	unsigned long long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file && fscanf(file, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	if (file)
		(void)fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_process(struct buf *out, const struct pipeline *p)
{
	struct rusage usage;
	uint64_t us;

	exposition_family(out, "process_start_time", COUNTER_AGE,
			  "When the agent began, in seconds since 1970.");
	exposition_sample(out, "process_start_time", COUNTER_AGE, "", "", p->started_wall_ns);
	exposition_family(out, "process_resident_memory_bytes", COUNTER_NOW,
			  "Memory of the agent.");
	exposition_sample(out, "process_resident_memory_bytes", COUNTER_NOW, "", "",
			  resident_bytes());
	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return;
	us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	     (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	exposition_family(out, "process_cpu_seconds", COUNTER_TOTAL,
			  "CPU time the agent has used.");
	(void)buf_printf(out, "process_cpu_seconds_total %llu.%06llu\n",
			 (unsigned long long)us / 1000000, (unsigned long long)us % 1000000);
}

int pipeline_metrics(struct pipeline *p, struct buf *out)
{
	struct pipeline_view view;

	pipeline_view(p, &view);
	put_target(out, p);
	for (uint32_t part = 0; part < view.part_count; part++)
		for (int i = 0; i < VIEW_SOURCES_MAX && view.parts[part].sources[i].table; i++)
			put_source(out, &view, part, i);
	put_conditions(out, p);
	put_redact_rules(out, p);
	exposition_family(out, "spanring_turns", COUNTER_TOTAL, "Turns of the agent's loop.");
	exposition_sample(out, "spanring_turns", COUNTER_TOTAL, "", "", p->turns);
	put_process(out, p);
	return buf_failed(out) ? -ENOMEM : 0;
}
