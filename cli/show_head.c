/* A file as text: of each trace what it was, its tree and its summary. */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "run_facts.h"
#include "run_sums.h"

#define FLUSH_BYTES ((size_t)256 << 10)

void show_flush(struct show *show)
{
	if (!show->to || show->out.len < FLUSH_BYTES)
		return;
	(void)fwrite(show->out.at, 1, show->out.len, show->to); /* who prints asks */
	buf_reset(&show->out);
}

void show_fini(struct show *show)
{
	run_times_free(&show->times);
	buf_fini(&show->out);
}

/* --- the head of a run -------------------------------------------------- */

static void put_start(struct buf *out, uint64_t ns)
{
	char text[32];

	human_time(text, sizeof(text), ns);
	(void)buf_printf(out, "%s.%03u UTC", text, (unsigned)(ns / 1000000 % 1000));
}

/* One more thing to say in the line, or in the next where it does not fit. */
static void put_item(struct show *show, enum terminal_style style, struct buf *item)
{
	unsigned width = terminal_width(buf_bytes(item));

	if (show->head_columns) {
		bool fits = !show->terminal.columns ||
			    show->head_columns + 2 + width < show->terminal.columns;

		(void)buf_append_text(&show->out, fits ? ", " : ",\n");
		show->head_columns = fits ? show->head_columns + 2 : 0;
	}
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, style));
	(void)buf_append(&show->out, item->at, item->len);
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_PLAIN));
	show->head_columns += width;
	buf_reset(item);
}

static void put_count(struct show *show, enum terminal_style style, uint64_t count,
		      const char *one, const char *many)
{
	struct buf item = BUF_INIT;

	if (count > 0) {
		human_number(&item, (int64_t)count);
		(void)buf_printf(&item, " %s", count == 1 ? one : many);
		put_item(show, style, &item);
	}
	buf_fini(&item);
}

static void put_tokens(struct show *show, const struct usage *usage)
{
	struct buf item = BUF_INIT;

	if (usage->has_tokens) {
		(void)buf_append_text(&item, "tokens ");
		human_number(&item, usage->input_tokens);
		(void)buf_append_text(&item, " in and ");
		human_number(&item, usage->output_tokens);
		(void)buf_append_text(&item, " out");
		put_item(show, STYLE_MODEL, &item);
	}
	buf_fini(&item);
}

static void put_counts(struct show *show, const struct archive_trace *trace,
		       const struct run_sums *sums, const struct usage *usage)
{
	struct buf item = BUF_INIT;

	show->head_columns = 0;
	put_count(show, STYLE_PLAIN, trace->spans, "span", "spans");
	put_count(show, STYLE_PLAIN, sums->modules, "process", "processes");
	put_count(show, STYLE_ERROR, sums->errors, "error", "errors");
	put_count(show, STYLE_ERROR, sums->closed, "closed by the agent",
		  "closed by the agent");
	if (trace->roots > 1)
		put_count(show, STYLE_WARNING, trace->roots, "", "roots");
	if (trace->roots == 0) {
		(void)buf_append_text(&item, "no root");
		put_item(show, STYLE_WARNING, &item);
	}
	put_count(show, STYLE_WARNING, trace->orphans, "without its parent",
		  "without their parent");
	put_tokens(show, usage);
	buf_fini(&item);
}

/* One line of what the file says of its run. */
static void put_fact(struct show *show, enum terminal_style style, const char *title,
		     struct buf *text)
{
	unsigned columns = show->terminal.columns, used = (unsigned)strlen(title);

	(void)buf_append_text(&show->out, terminal_style(&show->terminal, style));
	(void)buf_append_text(&show->out, title);
	(void)terminal_text(&show->out, &show->terminal, buf_bytes(text),
			    !columns	     ? 0
			    : columns > used ? columns - used
					     : 1);
	(void)buf_append_text(&show->out, terminal_style(&show->terminal, STYLE_PLAIN));
	(void)buf_append_text(&show->out, "\n");
	buf_reset(text);
}

static void put_dropped(struct buf *text, int64_t count, const char *what)
{
	if (count > 0)
		(void)buf_printf(text, "%s%" PRId64 " %s%s", text->len ? ", " : "", count, what,
				 count == 1 ? "" : "s");
}

/* A file has them in its first resource; they are of its one trace. */
static void put_facts(struct show *show, const struct archive_trace *trace, const char *service)
{
	const struct archive_file *file = show->file;
	struct run_facts facts;
	struct buf text = BUF_INIT;

	if (file->module_count == 0 || trace != file->traces)
		return;
	run_facts_read(&facts, file->modules[0].resource);
	if (!facts.present)
		return;
	if (*facts.name && strcmp(facts.name, service) != 0) {
		(void)buf_append_text(&text, facts.name);
		put_fact(show, STYLE_PLAIN, "name: ", &text);
	}
	if (!facts.complete) {
		json_t *reasons = run_facts_list(facts.incomplete_reason);

		run_facts_words(&text, reasons);
		put_fact(show, STYLE_WARNING,
			 run_facts_only_quiet(reasons) ? "quiet: " : "incomplete: ", &text);
		json_decref(reasons);
	}
	if (facts.dropped_spans > 0 || facts.dropped_records > 0) {
		put_dropped(&text, facts.dropped_spans, "span");
		put_dropped(&text, facts.dropped_records, "record");
		put_fact(show, STYLE_WARNING, "dropped: ", &text);
	}
	buf_fini(&text);
}

static void put_head(struct show *show, const struct archive_trace *trace,
		     const struct run_sums *sums, const struct usage *usage)
{
	unsigned columns = show->terminal.columns;
	struct buf *out = &show->out;
	char duration[32];

	(void)buf_append_text(out, terminal_style(&show->terminal, STYLE_BOLD));
	(void)terminal_text(out, &show->terminal, bytes_of(sums->service),
			    !columns	   ? 0
			    : columns > 48 ? columns - 38
					   : 10);
	(void)buf_append_text(out, terminal_style(&show->terminal, STYLE_PLAIN));
	(void)buf_append_text(out, columns && columns < 48 ? "\n" : "  run ");
	(void)terminal_text(out, &show->terminal, bytes_of(trace->trace_id), 32);
	(void)buf_append_text(out, "\n");
	put_start(out, trace->start_ns);
	human_duration(duration, sizeof(duration), trace->end_ns - trace->start_ns);
	(void)buf_printf(out, ", %s\n", duration);
	put_counts(show, trace, sums, usage);
	(void)buf_append_text(out, "\n");
	put_facts(show, trace, sums->service);
}

static int put_trace(struct show *show, const struct archive_trace *trace)
{
	struct run_sums sums;
	struct usage usage;
	int r;

	r = usage_find(&usage, trace);
	if (r >= 0) {
		run_sums_find(&sums, show->file, trace);
		if (!show->shape) {
			put_head(show, trace, &sums, &usage);
			(void)buf_append_text(&show->out, show->no_tree ? "" : "\n");
		}
		if (!show->no_tree)
			show_tree(show, trace);
		if (!show->no_summary)
			r = show_summary(show, trace, &usage);
	}
	usage_free(&usage);
	return r;
}

int show_text(struct show *show)
{
	bool first = true;
	int r;

	r = run_times_find(&show->times, show->file);
	for (size_t i = 0; i < show->file->trace_count && r >= 0; i++) {
		const struct archive_trace *trace = &show->file->traces[i];

		if (show->trace_id && strcmp(show->trace_id, trace->trace_id) != 0)
			continue;
		if (!first)
			(void)buf_append_text(&show->out, "\n");
		first = false;
		r = put_trace(show, trace);
		show_flush(show);
	}
	if (show->file->torn)
		(void)buf_append_text(&show->out, "\nThe file's last line is cut off:\n"
						  "the run is still being written.\n");
	return r;
}
