/* Rules that a script sets for its runs. */
#include "check.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>

#include "human.h"
#include "run_facts.h"
#include "run_sums.h"
#include "usage.h"

unsigned check_gate_rules(const struct check_options *options)
{
	return options->complete + options->no_errors + (options->max_count > 0) +
	       (options->duration_max_ns > 0) + (options->has_count > 0) +
	       (options->tokens_max > 0) + (options->prompt_max > 0);
}

static bool is_called(const struct archive_span *span, const char *glob)
{
	return fnmatch(glob, span->name, 0) == 0;
}

/* --- complete ----------------------------------------------------------- */

static bool is_spool(const char *path)
{
	static const char suffix[] = ".partial";
	size_t len = strlen(path);

	return len >= sizeof(suffix) && strcmp(path + len - (sizeof(suffix) - 1), suffix) == 0;
}

/* The file does not say; what is missing in it does. */
static void judge_complete(struct check *check, const struct archive_trace *trace)
{
	struct run_sums sums;

	run_sums_find(&sums, check->file, trace);
	if (sums.cut)
		check_fail(check, CHECK_RULE_COMPLETE, NULL,
			   "%u spans were cut off by the death of their process", sums.cut);
	if (trace->roots == 0)
		check_fail(check, CHECK_RULE_COMPLETE, NULL, "the root is missing");
	if (trace->orphans)
		check_fail(check, CHECK_RULE_COMPLETE, NULL,
			   "the parents of %u spans are missing", trace->orphans);
}

static void check_complete(struct check *check)
{
	const struct archive_file *file = check->file;
	struct buf why = BUF_INIT;
	struct run_facts facts;

	if (is_spool(file->path) || file->torn) {
		check_fail(check, CHECK_RULE_COMPLETE, NULL, "the run is still open");
		return;
	}
	run_facts_read(&facts, file->module_count ? file->modules[0].resource : NULL);
	if (!facts.present) {
		for (size_t i = 0; i < file->trace_count; i++)
			judge_complete(check, &file->traces[i]);
		return;
	}
	if (!facts.complete) {
		json_t *reasons = run_facts_list(facts.incomplete_reason);

		run_facts_words(&why, reasons);
		json_decref(reasons);
		check_fail(check, CHECK_RULE_COMPLETE, NULL, "%.*s",
			   why.len ? (int)why.len : (int)strlen("the run is incomplete"),
			   why.len ? (const char *)why.at : "the run is incomplete");
	}
	buf_fini(&why);
}

/* --- spans -------------------------------------------------------------- */

static void fail_error(struct check *check, const struct archive_span *span)
{
	json_t *whole = archive_span_load(check->file, span);
	const char *message =
		otlp_string(json_object_get(json_object_get(whole, "status"), "message"));

	check_fail(check, CHECK_RULE_ERRORS, span, *message ? "failed: %.200s" : "failed%s",
		   message);
	json_decref(whole);
}

static void check_span(struct check *check, const struct check_options *options,
		       const struct archive_span *span)
{
	uint64_t ns = span->end_ns - span->start_ns;
	char took[32], most[32];

	if (options->no_errors && span->status == 2)
		fail_error(check, span);
	for (size_t i = 0; i < options->max_count; i++) {
		const struct check_rule *rule = &options->max[i];

		if (ns <= rule->max_ns || !is_called(span, rule->glob))
			continue;
		human_duration(took, sizeof(took), ns);
		human_duration(most, sizeof(most), rule->max_ns);
		check_fail(check, CHECK_RULE_MAX, span, "took %s, %s at most", took, most);
		break;
	}
	if (options->prompt_max && usage_owns_tokens(span) &&
	    span->input_tokens > (int64_t)options->prompt_max)
		check_fail(check, CHECK_RULE_PROMPT, span,
			   "%" PRId64 " tokens in, %" PRIu64 " at most", span->input_tokens,
			   options->prompt_max);
}

static void check_has(struct check *check, const char *glob)
{
	for (size_t i = 0; i < check->file->span_count; i++)
		if (is_called(&check->file->spans[i], glob))
			return;
	check_fail(check, CHECK_RULE_HAS, NULL, "no span is called %.200s", glob);
}

/* --- runs --------------------------------------------------------------- */

static void check_trace(struct check *check, const struct check_options *options,
			const struct archive_trace *trace)
{
	uint64_t ns = trace->end_ns - trace->start_ns;
	struct usage usage;
	char took[32], most[32];
	uint64_t tokens;

	if (options->duration_max_ns && ns > options->duration_max_ns) {
		human_duration(took, sizeof(took), ns);
		human_duration(most, sizeof(most), options->duration_max_ns);
		check_fail(check, CHECK_RULE_DURATION, NULL, "the run took %s, %s at most",
			   took, most);
	}
	if (!options->tokens_max)
		return;
	if (usage_find(&usage, trace) < 0)
		check_fail(check, CHECK_RULE_TOKENS, NULL, "not tested: out of memory");
	tokens = (uint64_t)usage.input_tokens + (uint64_t)usage.output_tokens;
	if (tokens > options->tokens_max)
		check_fail(check, CHECK_RULE_TOKENS, NULL,
			   "%" PRIu64 " tokens, %" PRIu64 " at most", tokens,
			   options->tokens_max);
	usage_free(&usage);
}

void check_gate(struct check *check, const struct check_options *options)
{
	if (options->complete)
		check_complete(check);
	for (size_t i = 0; i < check->file->span_count; i++)
		check_span(check, options, &check->file->spans[i]);
	for (size_t i = 0; i < options->has_count; i++)
		check_has(check, options->has[i]);
	for (size_t i = 0; i < check->file->trace_count; i++)
		check_trace(check, options, &check->file->traces[i]);
}
