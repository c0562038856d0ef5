/* An archive that anybody may have written: what the command line shows of it,
 * and what the archive stage reads back to reopen a run. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "archive/document_stream.h"
#include "check.h"
#include "file_env.h"
#include "fuzz.h"
#include "list.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/json_print.h"
#include "show.h"

/* What was read is protobuf that can be printed again. */
static int on_span(void *arg, const struct finished_span *span)
{
	struct buf text = BUF_INIT;
	unsigned *spans = arg;

	FUZZ_CHECK(otlp_json_print(&text, &opentelemetry__proto__trace__v1__span__descriptor,
				   span->span) == 0);
	FUZZ_CHECK(otlp_json_print(&text,
				   &opentelemetry__proto__resource__v1__resource__descriptor,
				   span->resource) == 0);
	FUZZ_CHECK(otlp_json_print(
			   &text,
			   &opentelemetry__proto__common__v1__instrumentation_scope__descriptor,
			   span->scope) == 0);
	buf_fini(&text);
	(*spans)++;
	return 0;
}

/* The two readers of the archive's own form agree on how many spans there are. */
static void try_documents(const char *path, const uint8_t *at, size_t len)
{
	struct document_result whole, pieces;
	unsigned spans = 0, streamed = 0;
	struct file_env world;
	int fd, r;

	file_env_init(&world, 1);
	r = document_each((struct bytes){at, len}, on_span, &spans, &whole);
	FUZZ_CHECK(r == 0 || r == -EBADMSG);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0);
	if (document_stream(&world.env, fd, on_span, &streamed, &pieces) == 0) {
		FUZZ_CHECK(r == 0 && pieces.spans == whole.spans);
		FUZZ_CHECK(streamed == spans);
	}
	close(fd);
}

static void look_at(const struct archive_file *file)
{
	struct buf text = BUF_INIT;
	json_t *whole;
	int64_t number;

	for (size_t i = 0; i < file->span_count; i++) {
		const struct archive_span *span = &file->spans[i];

		FUZZ_CHECK(span->end_ns >= span->start_ns);
		FUZZ_CHECK(span->module < file->module_count);
		FUZZ_CHECK(span->trace < file->trace_count);
		whole = archive_span_load(file, span);
		FUZZ_CHECK((whole != NULL) == span->has_text);
		otlp_value_text(&text, otlp_attribute(whole, "input.value"));
		(void)otlp_text(whole, "user_goal");
		(void)otlp_int(whole, "gen_ai.usage.input_tokens", &number);
		json_decref(whole);
	}
	buf_fini(&text);
}

/* The critical path adds up to the run, whatever its spans say. */
static void add_up(const struct archive_file *file, const struct run_times *times)
{
	for (size_t t = 0; t < file->trace_count; t++) {
		uint64_t sum = times->gap_ns[t];

		for (size_t i = 0; i < file->span_count; i++)
			if (file->spans[i].trace == t)
				sum += times->spans[i].critical_ns;
		FUZZ_CHECK(sum == file->traces[t].end_ns - file->traces[t].start_ns);
	}
}

/* Whatever it is, it is told in lines that fit and in JSON that is some. */
static void tell(const struct archive_file *file, const char *path)
{
	static const struct check_options rules = {.complete = true,
						   .no_errors = true,
						   .tokens_max = 1,
						   .prompt_max = 1,
						   .duration_max_ns = 1};
	struct show show = {.file = file,
			    .attributes = true,
			    .terminal = {.tty = true, .unicode = true, .columns = 60}};
	struct buf report = BUF_INIT;
	json_t *value;

	FUZZ_CHECK(show_text(&show) == 0);
	add_up(file, &show.times);
	for (size_t at = 0, end; at < show.out.len; at = end + 1) {
		const uint8_t *line = show.out.at + at, *newline;

		newline = memchr(line, '\n', show.out.len - at);
		end = newline ? (size_t)(newline - show.out.at) : show.out.len;
		FUZZ_CHECK(terminal_width((struct bytes){line, end - at}) <= 60);
	}
	show_fini(&show);
	show = (struct show){.file = file};
	FUZZ_CHECK(show_json(&show) == 0);
	value = json_loadb((const char *)show.out.at, show.out.len, JSON_ALLOW_NUL, NULL);
	FUZZ_CHECK(value != NULL);
	json_decref(value);
	show_fini(&show);
	(void)check_path(path, &rules, &report);
	buf_fini(&report);
}

static void list(const char *path)
{
	struct terminal terminal = {.columns = 60};
	struct buf out = BUF_INIT;
	struct run_list runs;

	run_list_init(&runs, NULL, NULL);
	FUZZ_CHECK(run_list_add(&runs, path) == 0);
	FUZZ_CHECK(runs.count > 0 || runs.failed);
	run_list_sort(&runs);
	list_table(&out, &terminal, 0, runs.entries, runs.count);
	FUZZ_CHECK(list_json(&out, runs.entries, runs.count) == 0);
	buf_fini(&out);
	run_list_fini(&runs);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct archive_file file;
	char reason[512] = "", path[256];

	(void)snprintf(path, sizeof path, "%s/some.otlp.json", fuzz_directory());
	fuzz_write(path, at, len);
	if (archive_file_read(&file, path, reason, sizeof reason) == 0) {
		look_at(&file);
		tell(&file, path);
	} else {
		FUZZ_CHECK(reason[0] != '\0');
	}
	archive_file_free(&file);
	list(path);
	try_documents(path, at, len);
	return 0;
}
