/* What stands below a span: why it failed, who closed it, what it carries. */
#include "show.h"

#include "run_sums.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct notes {
	const struct archive_file *file;
	const struct archive_trace *trace;
	const struct archive_span *span;
	json_t *whole; /* all of the span */
	show_line_fn *line;
	void *arg;
};

static void put_line(const struct notes *notes, const char *mark, struct buf *text, bool bad)
{
	notes->line(notes->arg, mark, buf_bytes(text), bad);
	buf_reset(text);
}

static const char *event_text(json_t *event, const char *key)
{
	const char *text = otlp_text(event, key);

	return text ? text : "";
}

/* The last exception, where the status says no more. */
static bool exception_text(json_t *whole, struct buf *text)
{
	json_t *events = json_object_get(whole, "events");

	for (size_t i = json_array_size(events); i-- > 0;) {
		json_t *event = json_array_get(events, i);
		const char *name = json_string_value(json_object_get(event, "name"));

		if (!name || strcmp(name, "exception") != 0)
			continue;
		(void)buf_printf(text, "%s: %s", event_text(event, "exception.type"),
				 event_text(event, "exception.message"));
		return true;
	}
	return false;
}

static void note_error(const struct notes *notes)
{
	json_t *status = json_object_get(notes->whole, "status");
	const char *message = json_string_value(json_object_get(status, "message"));
	const char *type = otlp_text(notes->whole, "error.type");
	struct buf text = BUF_INIT;

	if (notes->span->status != 2)
		return;
	if (message && *message)
		(void)buf_append_text(&text, message);
	else if (!exception_text(notes->whole, &text))
		(void)buf_append_text(&text, type ? type : "failed, without saying why");
	put_line(notes, "error: ", &text, true);
	buf_fini(&text);
}

static void put_cause(struct buf *text, json_t *whole, const char *reason)
{
	int64_t number;

	if (strcmp(reason, "killed") == 0 || strcmp(reason, "process_exit") == 0) {
		(void)buf_append_text(text, strcmp(reason, "killed") == 0
						    ? "its process was killed"
						    : "its process exited while it was open");
		if (otlp_int(whole, "spanring.end.signal", &number))
			(void)buf_printf(text, " by SIG%s",
					 sigabbrev_np((int)number) ? sigabbrev_np((int)number)
								   : "?");
		if (otlp_int(whole, "spanring.end.exit_code", &number))
			(void)buf_printf(text, ", exit code %" PRId64, number);
	} else if (strcmp(reason, "sigterm") == 0) {
		(void)buf_append_text(text, "its process was asked to end by SIGTERM");
	} else if (strcmp(reason, "shutdown") == 0) {
		(void)buf_append_text(text, "its process ended its tracing while it was open");
	} else if (strcmp(reason, "replaced") == 0) {
		(void)buf_append_text(text, "its process became another program (exec)");
	} else if (strcmp(reason, "end_lost") == 0) {
		(void)buf_append_text(text, "its end was said when the ring had no room left");
	} else if (strcmp(reason, "unknown") == 0) {
		(void)buf_append_text(text, "its process is gone, nobody saw why");
	} else {
		(void)buf_append_text(text, reason);
	}
}

static uint64_t since(const struct archive_trace *trace, int64_t ns)
{
	return (uint64_t)ns > trace->start_ns ? (uint64_t)ns - trace->start_ns : 0;
}

static void note_end(const struct notes *notes)
{
	const char *reason = notes->span->end_reason;
	struct buf text = BUF_INIT;
	char from[32], to[32];
	int64_t after, before;

	if (!reason)
		return;
	put_cause(&text, notes->whole, reason);
	if (otlp_int(notes->whole, "spanring.died_after_unix_nano", &after) &&
	    otlp_int(notes->whole, "spanring.died_before_unix_nano", &before)) {
		human_duration(from, sizeof(from), since(notes->trace, after));
		human_duration(to, sizeof(to), since(notes->trace, before));
		(void)buf_printf(&text,
				 strcmp(from, to) == 0 ? ", %s into the run"
						       : ", between %s and %s into the run",
				 from, to);
	}
	put_line(notes, "closed by the agent: ", &text, run_is_bad_end(reason));
	buf_fini(&text);
}

static void note_orphan(const struct notes *notes)
{
	struct buf text = BUF_INIT;

	if (!notes->span->orphan)
		return;
	(void)buf_printf(&text, "%s is not in this file", notes->span->parent_id);
	put_line(notes, "parent ", &text, false);
	buf_fini(&text);
}

static void note_attributes(const struct notes *notes, json_t *object, const char *indent)
{
	struct buf text = BUF_INIT;
	json_t *attribute;
	size_t i;

	json_array_foreach (json_object_get(object, "attributes"), i, attribute) {
		const char *key = json_string_value(json_object_get(attribute, "key"));

		(void)buf_printf(&text, "%s = ", key ? key : "");
		otlp_value_text(&text, json_object_get(attribute, "value"));
		put_line(notes, indent, &text, false);
	}
	buf_fini(&text);
}

static void note_events(const struct notes *notes)
{
	struct buf text = BUF_INIT;
	json_t *event;
	size_t i;

	json_array_foreach (json_object_get(notes->whole, "events"), i, event) {
		const char *name = json_string_value(json_object_get(event, "name"));
		uint64_t at = otlp_uint64(json_object_get(event, "timeUnixNano"));
		char when[32];

		human_duration(when, sizeof(when), since(notes->trace, (int64_t)at));
		(void)buf_printf(&text, "%s at %s", name ? name : "", when);
		put_line(notes, "event ", &text, false);
		note_attributes(notes, event, "  ");
	}
	buf_fini(&text);
}

/* Where the tree enters a process: which one, and whose, as the agent saw it. */
static void note_owner(const struct notes *notes)
{
	const struct archive_span *span = notes->span;
	json_t *resource = notes->file->modules[span->module].resource;
	struct buf text = BUF_INIT;
	int64_t uid, pid;

	if (span->parent && span->parent->module == span->module)
		return;
	if (otlp_int(resource, "spanring.pid", &pid))
		(void)buf_printf(&text, "process %" PRId64, pid);
	if (otlp_int(resource, "spanring.uid", &uid))
		(void)buf_printf(&text, "%sof user %" PRId64, text.len ? " " : "", uid);
	if (text.len)
		put_line(notes, "", &text, false);
	buf_fini(&text);
}

void show_notes(const struct show *show, const struct archive_trace *trace,
		const struct archive_span *span, show_line_fn *line, void *arg)
{
	struct notes notes = {show->file, trace, span, NULL, line, arg};

	note_orphan(&notes);
	if (span->status != 2 && !span->end_reason && !show->attributes)
		return;
	notes.whole = archive_span_load(show->file, span);
	/* The agent's own error message says the same as the line it stands in. */
	if (!span->end_reason)
		note_error(&notes);
	note_end(&notes);
	if (show->attributes) {
		note_owner(&notes);
		note_attributes(&notes, notes.whole, "");
		note_events(&notes);
	}
	json_decref(notes.whole);
}
