/* What a run used, and where its time went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive_text.h"
#include "cli_scene.h"
#include "run_times.h"
#include "usage.h"

#define TOKENS(input, output)                             \
	INT_ATTRIBUTE("gen_ai.usage.input_tokens", input) \
	"," INT_ATTRIBUTE("gen_ai.usage.output_tokens", output)
#define MODEL(name) TEXT_ATTRIBUTE("gen_ai.request.model", name)
#define ATTEMPT(number) INT_ATTRIBUTE("retry.attempt", number)
#define S UINT64_C(1000000000)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void read_spans(struct archive_file *file, const struct archive_text_span *spans,
		       size_t count)
{
	struct buf text = BUF_INIT;
	char reason[256];

	archive_text_make(&text, TEXT_ATTRIBUTE("service.name", "s"), spans, count);
	archive_text_write(scene_path, buf_bytes(&text));
	buf_fini(&text);
	assert_int_equal(archive_file_read(file, scene_path, reason, sizeof(reason)), 0);
}

static const struct usage_model *model_called(const struct usage *usage, const char *model)
{
	for (size_t i = 0; i < usage->model_count; i++)
		if (strcmp(usage->models[i].model, model) == 0)
			return &usage->models[i];
	fail_msg("no model %s", model);
	return NULL;
}

static void a_turn_repeats_what_its_call_said(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "run", 0, 10, TOKENS("999", "99"), 0, NULL},
		{2, 1, "agent.turn", 0, 5, TOKENS("100", "10"), 0, NULL},
		{3, 2, "chat", 1, 4, MODEL("a") "," TOKENS("100", "10"), 0, NULL},
		/* Of this one only the turn knows. */
		{4, 1, "agent.turn", 5, 9, TOKENS("200", "20"), 0, NULL},
		{5, 4, "tool.call", 6, 7, NULL, 0, NULL},
	};
	struct archive_file file;
	struct usage usage;

	(void)state;
	read_spans(&file, spans, COUNT(spans));
	assert_int_equal(usage_find(&usage, &file.traces[0]), 0);
	assert_true(usage.has_tokens);
	assert_int_equal(usage.input_tokens, 300);
	assert_int_equal(usage.output_tokens, 30);
	assert_int_equal(usage.calls, 2);
	assert_int_equal(model_called(&usage, "a")->input_tokens, 100);
	assert_int_equal(model_called(&usage, "a")->time_ns, 3 * S);
	assert_int_equal(model_called(&usage, "")->input_tokens, 200);
	usage_free(&usage);
	archive_file_free(&file);
}

static void older_names_of_tokens_count_where_the_newer_one_is_missing(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "run", 0, 10, NULL, 0, NULL},
		{2, 1, "a", 0, 1,
		 INT_ATTRIBUTE("gen_ai.usage.prompt_tokens",
			       "7") "," INT_ATTRIBUTE("gen_ai.usage.input_tokens", "1"),
		 0, NULL},
		{3, 1, "b", 1, 2,
		 INT_ATTRIBUTE("gen_ai.usage.prompt_tokens",
			       "10") "," INT_ATTRIBUTE("gen_ai.usage.completion_tokens", "2"),
		 0, NULL},
		{4, 1, "c", 2, 3,
		 INT_ATTRIBUTE("llm.token_count.prompt",
			       "100") "," INT_ATTRIBUTE("llm.token_count.completion", "20"),
		 0, NULL},
		/* None that can be: less than nothing. */
		{5, 1, "d", 3, 4, TOKENS("-5", "-1"), 0, NULL},
	};
	struct archive_file file;
	struct usage usage;

	(void)state;
	read_spans(&file, spans, COUNT(spans));
	assert_int_equal(usage_find(&usage, &file.traces[0]), 0);
	assert_int_equal(usage.input_tokens, 111);
	assert_int_equal(usage.output_tokens, 22);
	assert_int_equal(usage.calls, 3);
	usage_free(&usage);
	archive_file_free(&file);
}

static void attempts_after_the_first_are_retries_of_their_model(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "run", 0, 30, NULL, 0, NULL},
		/* The model is said above the attempts, */
		{2, 1, "call", 0, 10, MODEL("a") "," TOKENS("5", "5"), 0, NULL},
		{3, 2, "attempt_0", 0, 1, ATTEMPT("0"), 2, NULL},
		{4, 2, "attempt_1", 2, 3, ATTEMPT("1"), 2, NULL},
		{5, 2, "attempt_2", 4, 5, ATTEMPT("2"), 1, NULL},
		/* or below them. */
		{6, 1, "retry", 11, 20, NULL, 2, NULL},
		{7, 6, "attempt_0", 11, 12, ATTEMPT("0"), 2, NULL},
		{8, 7, "chat", 11, 12, MODEL("b"), 2, NULL},
		{9, 6, "attempt_1", 13, 14, ATTEMPT("1"), 2, NULL},
		{10, 9, "chat", 13, 14, MODEL("b"), 2, NULL},
	};
	struct archive_file file;
	struct usage usage;

	(void)state;
	read_spans(&file, spans, COUNT(spans));
	assert_int_equal(usage_find(&usage, &file.traces[0]), 0);
	assert_int_equal(usage.retries, 3);
	assert_int_equal(model_called(&usage, "a")->retries, 2);
	assert_int_equal(model_called(&usage, "a")->calls, 1);
	assert_int_equal(model_called(&usage, "a")->errors, 0);
	assert_int_equal(model_called(&usage, "b")->retries, 1);
	assert_int_equal(model_called(&usage, "b")->calls, 2);
	assert_int_equal(model_called(&usage, "b")->errors, 2);
	usage_free(&usage);
	archive_file_free(&file);
}

static void an_agent_that_says_its_model_is_no_call(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "agent", 0, 10,
		 MODEL("a") "," TEXT_ATTRIBUTE("gen_ai.operation.name", "invoke_agent"), 0,
		 NULL},
		{2, 0, "agent", 0, 10,
		 MODEL("a") "," TEXT_ATTRIBUTE("openinference.span.kind", "AGENT"), 0, NULL},
		{3, 1, "chat", 1, 2, TEXT_ATTRIBUTE("gen_ai.operation.name", "chat"), 0, NULL},
	};
	struct archive_file file;
	struct usage usage;

	(void)state;
	read_spans(&file, spans, COUNT(spans));
	assert_int_equal(usage_find(&usage, &file.traces[0]), 0);
	assert_int_equal(usage.calls, 1);
	assert_string_equal(usage.models[0].model, "a"); /* who called it said which */
	assert_false(usage.has_tokens);
	usage_free(&usage);
	archive_file_free(&file);
}

static void more_models_than_a_table_holds_are_added_up(void **state)
{
	struct archive_text_span spans[USAGE_MODELS_MAX + 50];
	static char attributes[USAGE_MODELS_MAX + 50][256];
	struct archive_file file;
	struct usage usage;
	uint32_t calls = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT(spans); i++) {
		(void)snprintf(attributes[i], sizeof(attributes[i]),
			       "{\"key\":\"gen_ai.request.model\",\"value\":{\"stringValue\":"
			       "\"m%u\"}}",
			       i);
		spans[i] = (struct archive_text_span){
			i + 1, i ? 1 : 0, "s", 0, 1, i ? attributes[i] : NULL, 0, NULL};
	}
	read_spans(&file, spans, COUNT(spans));
	assert_int_equal(usage_find(&usage, &file.traces[0]), 0);
	assert_int_equal(usage.model_count, USAGE_MODELS_MAX);
	for (size_t i = 0; i < usage.model_count; i++)
		calls += usage.models[i].calls;
	assert_int_equal(calls, COUNT(spans) - 1);
	usage_free(&usage);
	archive_file_free(&file);
}

/* --- time --------------------------------------------------------------- */

static void check_time(const struct archive_file *file, const struct run_times *times,
		       unsigned id, uint64_t self_ms, uint64_t critical_ms)
{
	char span_id[17];

	(void)snprintf(span_id, sizeof(span_id), "%016x", id);
	for (size_t i = 0; i < file->span_count; i++) {
		if (strcmp(file->spans[i].span_id, span_id) != 0)
			continue;
		if (times->spans[i].self_ns != self_ms * 1000000 ||
		    times->spans[i].critical_ns != critical_ms * 1000000)
			fail_msg("span %u: self %llu, critical %llu ns", id,
				 (unsigned long long)times->spans[i].self_ns,
				 (unsigned long long)times->spans[i].critical_ns);
		return;
	}
	fail_msg("no span %u", id);
}

/* Whatever the tree is like, the parts are the whole. */
static void check_sum(const struct archive_file *file, const struct run_times *times)
{
	for (size_t t = 0; t < file->trace_count; t++) {
		uint64_t sum = times->gap_ns[t];

		for (size_t i = 0; i < file->span_count; i++)
			if (file->spans[i].trace == t)
				sum += times->spans[i].critical_ns;
		assert_int_equal(sum, file->traces[t].end_ns - file->traces[t].start_ns);
	}
}

static void the_critical_path_goes_by_who_ended_last(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "run", 0, 10, NULL, 0, NULL},   {2, 1, "fast", 1, 4, NULL, 0, NULL},
		{3, 1, "slow", 1, 7, NULL, 0, NULL}, /* beside it, and longer */
		{4, 3, "inside", 2, 6, NULL, 0, NULL}, {5, 1, "last", 8, 9.5, NULL, 0, NULL},
	};
	struct archive_file file;
	struct run_times times;

	(void)state;
	read_spans(&file, spans, COUNT(spans));
	assert_int_equal(run_times_find(&times, &file), 0);
	check_time(&file, &times, 1, 2500, 2500);
	check_time(&file, &times, 2, 3000, 0);
	check_time(&file, &times, 3, 2000, 2000);
	check_time(&file, &times, 4, 4000, 4000);
	check_time(&file, &times, 5, 1500, 1500);
	assert_int_equal(times.gap_ns[0], 0);
	check_sum(&file, &times);
	run_times_free(&times);
	archive_file_free(&file);
}

static void modules_that_go_on_after_their_parent_are_on_the_path(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "plan", 0, 2, NULL, 0, NULL},
		{2, 1, "ingest", 5, 8, NULL, 0, NULL},	 /* 3 s nothing */
		{3, 2, "revise", 10, 12, NULL, 0, NULL}, /* 2 s nothing */
		{4, 3, "call", 10, 11, NULL, 0, NULL},
	};
	struct archive_file file;
	struct run_times times;

	(void)state;
	read_spans(&file, spans, COUNT(spans));
	assert_int_equal(run_times_find(&times, &file), 0);
	check_time(&file, &times, 1, 2000, 2000);
	check_time(&file, &times, 2, 3000, 3000);
	check_time(&file, &times, 3, 1000, 1000);
	check_time(&file, &times, 4, 1000, 1000);
	assert_int_equal(times.gap_ns[0], 5 * S);
	check_sum(&file, &times);
	run_times_free(&times);
	archive_file_free(&file);
}

static void self_time_is_not_counted_twice_where_children_overlap(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "run", 0, 10, NULL, 0, NULL},  {2, 1, "a", 1, 5, NULL, 0, NULL},
		{3, 1, "b", 2, 6, NULL, 0, NULL},     {4, 1, "c", 3, 4, NULL, 0, NULL},
		{5, 1, "late", 9, 15, NULL, 0, NULL}, /* outlives who started it */
	};
	struct archive_file file;
	struct run_times times;

	(void)state;
	read_spans(&file, spans, COUNT(spans));
	assert_int_equal(run_times_find(&times, &file), 0);
	check_time(&file, &times, 1, 1000 + 3000, 1000 + 3000);
	check_sum(&file, &times);
	run_times_free(&times);
	archive_file_free(&file);
}

static void the_parts_of_any_tree_add_up(void **state)
{
	struct archive_text_span spans[40];
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct archive_file file;
		struct run_times times;

		for (unsigned i = 0; i < COUNT(spans); i++) {
			seed = seed * 1103515245u + 12345u;
			spans[i] = (struct archive_text_span){
				.id = i + 1,
				/* Also of spans that come later, and of none at all. */
				.parent = (seed >> 16) % (COUNT(spans) + 5),
				.name = "s",
				.start = (seed >> 8) % 97,
				.end = (seed >> 8) % 97 + (seed >> 20) % 31,
			};
		}
		read_spans(&file, spans, COUNT(spans));
		assert_int_equal(run_times_find(&times, &file), 0);
		check_sum(&file, &times);
		run_times_free(&times);
		archive_file_free(&file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_repeats_what_its_call_said),
		cmocka_unit_test(older_names_of_tokens_count_where_the_newer_one_is_missing),
		cmocka_unit_test(attempts_after_the_first_are_retries_of_their_model),
		cmocka_unit_test(an_agent_that_says_its_model_is_no_call),
		cmocka_unit_test(more_models_than_a_table_holds_are_added_up),
		cmocka_unit_test(the_critical_path_goes_by_who_ended_last),
		cmocka_unit_test(modules_that_go_on_after_their_parent_are_on_the_path),
		cmocka_unit_test(self_time_is_not_counted_twice_where_children_overlap),
		cmocka_unit_test(the_parts_of_any_tree_add_up),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
