#include "recover_report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "archive/name.h"
#include "archive_file.h"
#include "numbers.h"
#include "pipeline_view.h"
#include "terminal.h"

/* ---- reading --------------------------------------------------------------------- */

static void count_dropped(struct recovered_run *run, json_t *span)
{
	static const char *const members[] = {"droppedAttributesCount", "droppedEventsCount",
					      "droppedLinksCount"};

	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		run->dropped += otlp_uint64(json_object_get(span, members[i]));
}

static void count_span(struct recovered_run *run, const struct archive_file *file,
		       const struct archive_span *span)
{
	json_t *whole = archive_span_load(file, span);
	const char *reason = span->end_reason;
	int64_t died_after = 0;
	uint64_t known_ns = span->end_ns;

	run->spans++;
	if (!reason)
		run->ended++;
	else if (strcmp(reason, "end_lost") == 0)
		run->end_lost++;
	else
		run->closed++;
	run->unknown += reason && strcmp(reason, "unknown") == 0;
	/* The last record of a process that died may lie before the end we gave. */
	if (reason && otlp_int(whole, "spanring.died_after_unix_nano", &died_after))
		known_ns = (uint64_t)died_after;
	count_dropped(run, whole);
	if (run->first_ns == 0 || span->start_ns < run->first_ns)
		run->first_ns = span->start_ns;
	if (known_ns > run->last_known_ns)
		run->last_known_ns = known_ns;
	json_decref(whole);
}

static void read_run(struct recovered_run *run, const char *dir)
{
	char path[PATH_MAX + NAME_FULL_BYTES], reason[512];
	struct archive_file file;

	(void)snprintf(path, sizeof path, "%s/%s", dir, run->file);
	run->readable = archive_file_read(&file, path, reason, sizeof reason) == 0;
	for (size_t i = 0; i < file.span_count; i++)
		count_span(run, &file, &file.spans[i]);
	if (file.trace_count)
		(void)snprintf(run->trace_id, sizeof run->trace_id, "%s",
			       file.traces[0].trace_id);
	archive_file_free(&file);
}

static int add_run(struct recovery_report *report, const char *name)
{
	size_t cap = report->run_cap ? report->run_cap * 2 : 16;
	struct recovered_run *runs;

	if (report->run_count == report->run_cap) {
		runs = reallocarray(report->runs, cap, sizeof *runs);
		if (!runs)
			return -ENOMEM;
		report->runs = runs;
		report->run_cap = cap;
	}
	report->runs[report->run_count] = (struct recovered_run){.file = strdup(name)};
	if (!report->runs[report->run_count].file)
		return -ENOMEM;
	read_run(&report->runs[report->run_count++], report->out);
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct recovered_run *left = a, *right = b;

	if (left->first_ns != right->first_ns)
		return left->first_ns < right->first_ns ? -1 : 1;
	return strcmp(left->file, right->file);
}

int recovery_report_read(struct recovery_report *report)
{
	DIR *dir = opendir(report->out);
	struct dirent *entry;
	struct name name;
	struct stat st;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)))
		if (name_kind(entry->d_name, "{name}", &name) == NAME_SEALED &&
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !evidence_is_taken(report->evidence, entry->d_name, st.st_ino))
			r = add_run(report, entry->d_name);
	(void)closedir(dir);
	if (report->run_count)
		qsort(report->runs, report->run_count, sizeof *report->runs, by_time);
	return r;
}

void recovery_report_fini(struct recovery_report *report)
{
	for (size_t i = 0; i < report->run_count; i++)
		free(report->runs[i].file);
	free(report->runs);
	json_decref(report->status);
	json_decref(report->notes);
}

/* ---- losses ------------------------------------------------------------------------ */

/* What means that something of the evidence is not in the archives as it was. Calls
 * after a span's end are counted too, but were never part of it. */
static const struct {
	const char *part, *key, *text;
} losses[] = {
	{"drain", "rings_quarantined", "rings that broke the rules and were not read on"},
	{"all_rings", "dropped_abandoned", "pieces of values that were never completed"},
	{"all_rings", "dropped_damaged", "damaged records in rings"},
	{"all_rings", "dropped_too_large", "pieces of values too large for the log"},
	{"log", "damaged_frames", "damaged places in the log, each at least a frame"},
	{"log", "cut_bytes", "bytes of a torn write at the log's end"},
	{"log", "corrupt_segments", "segments without a readable header"},
	{"log", "unknown_frames", "frames of a kind this version does not know"},
	{"log", "incomplete_chains", "values in the log of which a frame was missing"},
	{"log", "lost_scopes", "spans whose resource and scope were damaged"},
	{"log", "reader_damaged", "damaged places met when reading spans back"},
	{"records", "dropped_damaged", "records that made no sense"},
	{"records", "dropped_unknown_type", "records of a kind this version does not know"},
	{"records", "dropped_limit", "records over a limit"},
	{"records", "dropped_no_memory", "records for which there was no memory"},
	{"records", "parked", "records whose span was never begun"},
	{"spans", "dropped_invalid", "spans that could not be kept"},
	{"spans", "end_lost", "spans whose end found no room in the ring"},
	{"archive", "dropped_invalid", "spans that could not be printed"},
	{"archive", "dropped_lost", "spans of a spool that was damaged"},
	{"archive", "kept_aside", "archive files that were not what had been sealed"},
	{"archive", "failures", "writes into the output directory that failed"},
};
#define LOSSES (sizeof losses / sizeof losses[0])

static uint64_t loss(const struct recovery_report *report, size_t i)
{
	json_t *part = json_object_get(report->status, losses[i].part);

	return (uint64_t)json_integer_value(json_object_get(part, losses[i].key));
}

static bool any_unreadable(const struct recovery_report *report)
{
	for (size_t i = 0; i < report->run_count; i++)
		if (!report->runs[i].readable)
			return true;
	return false;
}

bool recovery_report_losses(const struct recovery_report *report)
{
	if (!report->finished || report->evidence->unreadable_bytes || any_unreadable(report))
		return true;
	for (size_t i = 0; i < LOSSES; i++)
		if (loss(report, i))
			return true;
	return false;
}

/* ---- for people --------------------------------------------------------------------- */

struct sums {
	uint64_t spans, ended, closed, unknown, end_lost, dropped;
};

static struct sums sum_up(const struct recovery_report *report)
{
	struct sums sums = {0};

	for (size_t i = 0; i < report->run_count; i++) {
		sums.spans += report->runs[i].spans;
		sums.ended += report->runs[i].ended;
		sums.closed += report->runs[i].closed;
		sums.unknown += report->runs[i].unknown;
		sums.end_lost += report->runs[i].end_lost;
		sums.dropped += report->runs[i].dropped;
	}
	return sums;
}

static void time_text(uint64_t ns, char *text, size_t size)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm utc;
	char day[32] = "-";

	if (ns && gmtime_r(&seconds, &utc))
		(void)strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &utc);
	(void)snprintf(text, size, ns ? "%s.%03u" : "%s", day, (unsigned)(ns / 1000000 % 1000));
}

static void print_evidence(const struct evidence *evidence)
{
	printf("evidence %" PRIu64 " rings     %s\n", evidence->rings,
	       *evidence->ring_dir ? evidence->ring_dir : "none");
	printf("         %" PRIu64 " segments  %s\n", evidence->segments,
	       *evidence->wal_dir ? evidence->wal_dir : "none: only rings can be read");
	if (*evidence->archive_dir)
		printf("         %" PRIu64 " archives  %s\n", evidence->archives,
		       evidence->archive_dir);
	if (evidence->unreadable_bytes)
		printf("         the disk refused %" PRIu64 " bytes\n",
		       evidence->unreadable_bytes);
}

static void print_runs(const struct recovery_report *report, const struct terminal *terminal)
{
	char when[48];

	if (report->run_count == 0)
		printf("\nno run was found\n");
	for (size_t i = 0; i < report->run_count; i++) {
		const struct recovered_run *run = &report->runs[i];

		time_text(run->last_known_ns, when, sizeof when);
		printf("\n%s%s%s\n", terminal_style(terminal, STYLE_BOLD), run->file,
		       terminal_style(terminal, STYLE_PLAIN));
		if (!run->readable)
			printf("  %snot readable%s\n", terminal_style(terminal, STYLE_ERROR),
			       terminal_style(terminal, STYLE_PLAIN));
		printf("  %" PRIu64 " spans: %" PRIu64 " ended, %" PRIu64
		       " closed because the process died",
		       run->spans, run->ended, run->closed);
		if (run->end_lost)
			printf(", %" PRIu64 " end lost", run->end_lost);
		printf("\n  last known time %s UTC\n", when);
		if (run->dropped)
			printf("  %" PRIu64 " attributes, events or links dropped\n",
			       run->dropped);
	}
}

static void print_certainty(const struct recovery_report *report,
			    const struct terminal *terminal)
{
	struct sums sums = sum_up(report);
	bool any = false;

	printf("\n%scertain%s    %" PRIu64 " spans ended by themselves and are as they were "
	       "recorded\n",
	       terminal_style(terminal, STYLE_BOLD), terminal_style(terminal, STYLE_PLAIN),
	       sums.ended);
	printf("%suncertain%s  ", terminal_style(terminal, STYLE_BOLD),
	       terminal_style(terminal, STYLE_PLAIN));
	if (sums.closed + sums.end_lost == 0)
		printf("nothing\n");
	if (sums.closed)
		printf("%" PRIu64 " spans were open when their process ended: their end is the "
		       "last\n           that was recorded of it, not their own\n",
		       sums.closed);
	if (sums.unknown)
		printf("           how the process of %" PRIu64 " of them ended is not known\n",
		       sums.unknown);
	if (sums.end_lost)
		printf("%s%" PRIu64 " spans ended, but not known when\n",
		       sums.closed ? "           " : "", sums.end_lost);
	for (size_t i = 0; i < LOSSES; i++) {
		if (!loss(report, i))
			continue;
		printf("%s%-9s%s  %" PRIu64 " %s\n",
		       any ? "" : terminal_style(terminal, STYLE_ERROR), any ? "" : "lost",
		       any ? "" : terminal_style(terminal, STYLE_PLAIN), loss(report, i),
		       losses[i].text);
		any = true;
	}
	if (!report->finished)
		printf("%sunfinished%s not everything could be archived; see below\n",
		       terminal_style(terminal, STYLE_ERROR),
		       terminal_style(terminal, STYLE_PLAIN));
}

static void print_ledgers(const struct recovery_report *report)
{
	json_t *status = report->status;

	printf("\n");
	numbers_print_ledger("rings", &(struct numbers){json_object_get(status, "all_rings"),
							{&drain_ring_counter_table}});
	numbers_print_ledger("records", &(struct numbers){json_object_get(status, "records"),
							  {&assemble_record_table}});
	numbers_print_ledger("spans", &(struct numbers){json_object_get(status, "spans"),
							{&assemble_span_table}});
	numbers_print_ledger("archive", &(struct numbers){json_object_get(status, "archive"),
							  {&archive_counter_table}});
}

static void print_notes(const struct recovery_report *report, const struct terminal *terminal)
{
	struct buf line = BUF_INIT;
	json_t *note;
	size_t i;

	if (json_array_size(report->notes))
		printf("\nwhat was met\n");
	json_array_foreach (report->notes, i, note) {
		(void)terminal_text(
			&line, terminal,
			bytes_of(json_string_value(json_object_get(note, "text")) ?: ""), 0);
		printf("  %s: %.*s\n", json_string_value(json_object_get(note, "stage")) ?: "",
		       (int)line.len, line.at ? (char *)line.at : "");
		buf_reset(&line);
	}
	buf_fini(&line);
}

void recovery_report_print(const struct recovery_report *report)
{
	struct terminal terminal;

	terminal_find(&terminal);
	print_evidence(report->evidence);
	printf("out      %s\n", report->out);
	print_runs(report, &terminal);
	print_certainty(report, &terminal);
	print_ledgers(report);
	print_notes(report, &terminal);
}

/* ---- as JSON ------------------------------------------------------------------------- */

static json_t *evidence_json(const struct evidence *evidence)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "ring_dir",
			 evidence->ring_dir, "wal_dir", evidence->wal_dir, "archive_dir",
			 evidence->archive_dir, "rings", (json_int_t)evidence->rings,
			 "segments", (json_int_t)evidence->segments, "archives",
			 (json_int_t)evidence->archives, "bytes", (json_int_t)evidence->bytes,
			 "unreadable_bytes", (json_int_t)evidence->unreadable_bytes);
}

static json_t *run_json(const struct recovered_run *run)
{
	return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "file",
			 run->file, "trace_id", run->trace_id, "readable", run->readable,
			 "spans", (json_int_t)run->spans, "ended", (json_int_t)run->ended,
			 "closed_by_death", (json_int_t)run->closed, "cause_unknown",
			 (json_int_t)run->unknown, "end_lost", (json_int_t)run->end_lost,
			 "dropped_members", (json_int_t)run->dropped, "first_unix_nano",
			 (json_int_t)run->first_ns, "last_known_unix_nano",
			 (json_int_t)run->last_known_ns);
}

int recovery_report_json(const struct recovery_report *report)
{
	static const char *const parts[] = {"drain", "all_rings", "records",
					    "spans", "log",	  "archive"};
	struct sums sums = sum_up(report);
	json_t *runs = json_array(), *lost = json_object(), *ledgers = json_object(), *all;

	for (size_t i = 0; i < report->run_count; i++)
		(void)json_array_append_new(runs, run_json(&report->runs[i]));
	for (size_t i = 0; i < LOSSES; i++) {
		char key[64];

		(void)snprintf(key, sizeof key, "%s.%s", losses[i].part, losses[i].key);
		if (loss(report, i))
			(void)json_object_set_new(lost, key,
						  json_integer((json_int_t)loss(report, i)));
	}
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		(void)json_object_set(ledgers, parts[i],
				      json_object_get(report->status, parts[i]));
	all = json_pack("{s:o, s:s, s:b, s:o, s:{s:I}, s:{s:I, s:I, s:I}, s:o, s:o, s:O}",
			"evidence", evidence_json(report->evidence), "out", report->out,
			"finished", report->finished, "runs", runs, "certain", "ended",
			(json_int_t)sums.ended, "uncertain", "closed_by_death",
			(json_int_t)sums.closed, "cause_unknown", (json_int_t)sums.unknown,
			"end_lost", (json_int_t)sums.end_lost, "lost", lost, "ledgers", ledgers,
			"notes", report->notes);
	if (!all)
		return -ENOMEM;
	(void)terminal_json_print(all);
	json_decref(all);
	return 0;
}
