/* <spanring/genai.h>: the spans and attributes that its calls make. */
#include "spanring/genai.h"
#include "spanring/testing.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

static int begin(void **state)
{
	(void)state;
	return spanring_test_begin(NULL);
}

static int end(void **state)
{
	(void)state;
	spanring_test_end();
	return 0;
}

static void assert_text(const char *expected)
{
	struct spanring_test_spans *spans = spanring_test_snapshot();
	char *text = spanring_test_text(spans, 0);

	assert_string_equal(text, expected);
	free(text);
	spanring_test_free(spans);
}

static void assert_names(const char *expected)
{
	struct spanring_test_spans *spans = spanring_test_snapshot();
	char *text = spanring_test_text(spans, SPANRING_TEST_NAMES);

	assert_string_equal(text, expected);
	free(text);
	spanring_test_free(spans);
}

/* ---- calls of models -------------------------------------------------------------- */

static void a_call_says_what_was_asked_and_what_came_back(void **state)
{
	static const char *const reasons[] = {"stop"};
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_span call;

	(void)state;
	request.temperature = 0.1;
	request.input = "What grows here?";
	assert_int_equal(spanring_llm_begin(&call, "gemini", "gemini-1.5-pro", &request), 0);
	response.text = "Nothing.\n";
	response.model = "gemini-1.5-pro-002";
	response.id = "r1";
	response.finish_reasons = reasons;
	response.finish_reason_count = 1;
	response.usage.input_tokens = 415;
	response.usage.output_tokens = 0;
	assert_int_equal(spanring_llm_end(&call, &response), 0);
	assert_false(spanring_is_recording(&call));
	assert_int_equal(spanring_current(&call), -ENOENT);
	assert_text("- chat gemini-1.5-pro, client, ok\n"
		    "    openinference.span.kind: \"LLM\"\n"
		    "    gen_ai.system: \"gemini\"\n"
		    "    gen_ai.provider.name: \"gcp.gemini\"\n"
		    "    gen_ai.request.model: \"gemini-1.5-pro\"\n"
		    "    gen_ai.request.temperature: 0.1\n"
		    "    gen_ai.operation.name: \"chat\"\n"
		    "    input.value: \"What grows here?\"\n"
		    "    gen_ai.usage.input_tokens: 415\n"
		    "    gen_ai.usage.output_tokens: 0\n"
		    "    gen_ai.response.model: \"gemini-1.5-pro-002\"\n"
		    "    gen_ai.response.id: \"r1\"\n"
		    "    gen_ai.response.finish_reasons: [\"stop\"]\n"
		    "    gen_ai.response.content: \"Nothing.\\n\"\n");
}

static void what_is_not_known_is_not_said(void **state)
{
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_span call;

	(void)state;
	spanring_llm_begin(&call, NULL, NULL, NULL);
	spanring_llm_end(&call, NULL);
	spanring_llm_begin(&call, "someone", NULL, NULL);
	spanring_llm_end(&call, &response);
	assert_text("- chat, client, ok\n"
		    "    openinference.span.kind: \"LLM\"\n"
		    "    gen_ai.operation.name: \"chat\"\n"
		    "- chat, client, ok\n"
		    "    openinference.span.kind: \"LLM\"\n"
		    "    gen_ai.system: \"someone\"\n"
		    "    gen_ai.provider.name: \"someone\"\n"
		    "    gen_ai.operation.name: \"chat\"\n");
}

static void a_temperature_of_0_is_0(void **state)
{
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	struct spanring_span call;

	(void)state;
	request.temperature = 0;
	request.top_p = 1;
	request.max_tokens = 0;
	request.seed = -1;
	request.name = "llm.openai.develop_draft";
	request.operation = "text_completion";
	spanring_llm_begin(&call, "openai", "gpt-4", &request);
	spanring_llm_end(&call, NULL);
	assert_text("- llm.openai.develop_draft, client, ok\n"
		    "    openinference.span.kind: \"LLM\"\n"
		    "    gen_ai.system: \"openai\"\n"
		    "    gen_ai.provider.name: \"openai\"\n"
		    "    gen_ai.request.model: \"gpt-4\"\n"
		    "    gen_ai.request.temperature: 0.0\n"
		    "    gen_ai.request.top_p: 1.0\n"
		    "    gen_ai.request.max_tokens: 0\n"
		    "    gen_ai.request.seed: -1\n"
		    "    gen_ai.operation.name: \"text_completion\"\n");
}

static void messages_and_instructions_are_one_attribute_each(void **state)
{
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	const struct spanring_message messages[] = {
		{"user", "What grows here?", 0},
		{"assistant", "Nothing.!", 8},
		{NULL, NULL, 0},
	};
	struct spanring_span call;

	(void)state;
	request.messages = messages;
	request.message_count = 3;
	request.instructions = "Be brief.";
	request.operation = "embeddings";
	assert_int_equal(spanring_llm_begin(&call, NULL, "m", &request), 0);
	assert_text(
		"- embeddings m, client, open\n"
		"    openinference.span.kind: \"EMBEDDING\"\n"
		"    gen_ai.request.model: \"m\"\n"
		"    gen_ai.operation.name: \"embeddings\"\n"
		"    gen_ai.system_instructions: [{type: \"text\", content: \"Be brief.\"}]\n"
		"    gen_ai.input.messages: ["
		"{role: \"user\", parts: [{type: \"text\", content: \"What grows here?\"}]}, "
		"{role: \"assistant\", parts: [{type: \"text\", content: \"Nothing.\"}]}, "
		"{role: \"user\", parts: [{type: \"text\", content: \"\"}]}]\n");
}

static void an_answer_of_several_messages_says_why_each_ended(void **state)
{
	static const char *const reasons[] = {"stop", "length"};
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	const struct spanring_message messages[] = {
		{NULL, "Carrots.", 0}, {"assistant", "Beans", 0}, {"tool", NULL, 0}};
	struct spanring_span call;

	(void)state;
	response.messages = messages;
	response.message_count = 3;
	response.finish_reasons = reasons;
	response.finish_reason_count = 2;
	spanring_llm_begin(&call, NULL, "m", NULL);
	assert_int_equal(spanring_llm_end(&call, &response), 0);
	assert_text("- chat m, client, ok\n"
		    "    openinference.span.kind: \"LLM\"\n"
		    "    gen_ai.request.model: \"m\"\n"
		    "    gen_ai.operation.name: \"chat\"\n"
		    "    gen_ai.response.finish_reasons: [\"stop\", \"length\"]\n"
		    "    gen_ai.output.messages: ["
		    "{role: \"assistant\", parts: [{type: \"text\", content: \"Carrots.\"}], "
		    "finish_reason: \"stop\"}, "
		    "{role: \"assistant\", parts: [{type: \"text\", content: \"Beans\"}], "
		    "finish_reason: \"length\"}, "
		    "{role: \"tool\", parts: [{type: \"text\", content: \"\"}]}]\n");
}

static void many_messages_are_whole_and_those_above_the_ring_are_counted(void **state)
{
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	static struct spanring_message messages[1000];
	const struct spanring_attribute *seen;
	struct spanring_test_spans *spans;
	struct spanring_span call;
	char *text = calloc(1, 20001);

	(void)state;
	memset(text, 'm', 20000);
	for (int i = 0; i < 1000; i++)
		messages[i] = (struct spanring_message){"user", text, (size_t)i};
	request.messages = messages;
	request.message_count = 1000;
	assert_int_equal(spanring_llm_begin(&call, NULL, "m", &request), 0);
	spans = spanring_test_snapshot();
	seen = spanring_test_attribute(spanring_test_find(spans, "chat m"),
				       "gen_ai.input.messages");
	assert_int_equal(seen->length, 1000);
	seen = spanring_test_attribute_of(seen->value.attributes[999].value.attributes, 2,
					  "parts");
	assert_int_equal(seen->value.attributes[0].value.attributes[1].length, 999);
	spanring_test_free(spans);
	for (int i = 0; i < 1000; i++)
		messages[i].text_length = 20000; /* 20 MB, above a quarter of 64 MiB */
	assert_int_equal(spanring_llm_begin(&call, NULL, "m", &request), -EMSGSIZE);
	assert_true(spanring_is_recording(&call));
	assert_int_equal(spanring_llm_end(&call, NULL), 0);
	spans = spanring_test_snapshot();
	assert_int_equal(spans->spans[1].dropped_attributes, 1);
	spanring_test_free(spans);
	free(text);
}

static void what_the_caller_adds_comes_last_and_wins(void **state)
{
	struct spanring_start_options start = SPANRING_START_OPTIONS_INIT;
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	static struct spanring_attribute own[40];
	const struct spanring_test_span *seen;
	struct spanring_test_spans *spans;
	static char keys[40][16];
	struct spanring_span call, root;

	(void)state;
	spanring_start(&root, "root", NULL);
	for (int i = 0; i < 40; i++) {
		snprintf(keys[i], sizeof keys[i], "own%d", i);
		own[i] = spanring_int(keys[i], i);
	}
	own[7] = spanring_string("gen_ai.system", "mine");
	start.kind = SPANRING_KIND_INTERNAL;
	start.parent = &root;
	start.attributes = own;
	start.attribute_count = 40;
	request.start = &start;
	spanring_llm_begin(&call, "gemini", "m", &request);
	spans = spanring_test_snapshot();
	seen = spanring_test_find(spans, "chat m");
	assert_int_equal(seen->kind, SPANRING_KIND_INTERNAL);
	assert_string_equal(seen->parent->name, "root");
	assert_int_equal(seen->attribute_count, 5 + 39);
	assert_int_equal(spanring_test_int(seen, "own39"), 39);
	assert_string_equal(spanring_test_string(seen, "gen_ai.system"), "mine");
	spanring_test_free(spans);
}

static void a_struct_of_an_older_caller_is_read_as_far_as_it_goes(void **state)
{
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	struct spanring_span call;

	(void)state;
	request.name = "old";
	request.temperature = 1;
	request.size = offsetof(struct spanring_llm_request, temperature);
	request.input = "beyond";
	spanring_llm_begin(&call, NULL, NULL, &request);
	assert_text("- old, client, open\n"
		    "    openinference.span.kind: \"LLM\"\n"
		    "    gen_ai.operation.name: \"chat\"\n");
}

/* ---- ends ------------------------------------------------------------------------------- */

static void an_end_says_ok_unless_there_was_an_error(void **state)
{
	struct spanring_span span;

	(void)state;
	spanring_step_begin(&span, "good", SPANRING_STEP_GUARDRAIL, NULL);
	spanring_step_end(&span);
	spanring_step_begin(&span, "told", SPANRING_STEP_EVALUATOR, NULL);
	spanring_set_status(&span, SPANRING_STATUS_ERROR, "told");
	spanring_step_end(&span);
	spanring_step_begin(&span, "recorded", SPANRING_STEP_RERANKER, NULL);
	spanring_record_exception(&span, "ValueError", "no", NULL);
	spanring_step_end(&span);
	spanring_step_begin(&span, "forgiven", SPANRING_STEP_RETRIEVER, NULL);
	spanring_set_status(&span, SPANRING_STATUS_ERROR, "told");
	spanring_set_status(&span, SPANRING_STATUS_OK, NULL);
	spanring_step_end(&span);
	spanring_llm_begin(&span, NULL, "m", NULL);
	assert_int_equal(spanring_fail(&span, "429", "busy"), 0);
	assert_false(spanring_is_recording(&span));
	assert_int_equal(spanring_fail(&span, "429", "busy"), 0);
	assert_names("- good, ok\n"
		     "- told, error \"told\"\n"
		     "- recorded, error \"no\"\n"
		     "- forgiven, ok\n"
		     "- chat m, client, error \"busy\"\n");
}

static void kinds_and_modules_have_their_names(void **state)
{
	static const char *const names[] = {NULL,	 "LLM",	      "AGENT",	   "CHAIN",
					    "TOOL",	 "EMBEDDING", "RETRIEVER", "RERANKER",
					    "GUARDRAIL", "EVALUATOR", "PROMPT",	   NULL};
	struct spanring_span span;

	(void)state;
	for (int i = 0; i < 12; i++) {
		const char *name = spanring_step_name((enum spanring_step)i);

		if (names[i])
			assert_string_equal(name, names[i]);
		else
			assert_null(name);
	}
	spanring_module_begin(&span, "agento", "ingest_plan", NULL);
	spanring_step_end(&span);
	spanring_module_begin(&span, NULL, "alone", NULL);
	spanring_end(&span);
	assert_text("- agento.module.ingest_plan, ok\n"
		    "    openinference.span.kind: \"CHAIN\"\n"
		    "- module.alone\n"
		    "    openinference.span.kind: \"CHAIN\"\n");
}

static void vendors_have_the_names_of_the_conventions(void **state)
{
	(void)state;
	assert_string_equal(spanring_provider_name("gemini"), "gcp.gemini");
	assert_string_equal(spanring_provider_name("vertex_ai"), "gcp.vertex_ai");
	assert_string_equal(spanring_provider_name("xai"), "x_ai");
	assert_string_equal(spanring_provider_name("mistral"), "mistral_ai");
	assert_string_equal(spanring_provider_name("bedrock"), "aws.bedrock");
	assert_string_equal(spanring_provider_name("gcp.gemini"), "gcp.gemini");
	assert_string_equal(spanring_provider_name("anthropic"), "anthropic");
	assert_null(spanring_provider_name(NULL));
}

/* ---- agents -------------------------------------------------------------------------------
 */

static void an_agents_run_has_turns_and_tools(void **state)
{
	struct spanring_agent_options agent = SPANRING_AGENT_OPTIONS_INIT;
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_tool_options tool = SPANRING_TOOL_OPTIONS_INIT;
	struct spanring_usage usage = SPANRING_USAGE_INIT;
	struct spanring_span root, turn, call;

	(void)state;
	run.goal = "find the fault";
	agent.run = &run;
	agent.vendor = "anthropic";
	agent.model = "claude";
	agent.agent = "inspector";
	spanring_agent_begin(&root, "claude_agent", &agent);
	spanring_turn_begin(&turn, 0, NULL);
	tool.server = "iot";
	tool.call_id = "c1";
	tool.arguments = "{\"site\": 1}";
	tool.description = "reads sensors";
	spanring_tool_begin(&call, "sensors", &tool);
	spanring_tool_end(&call, "[1, 2]", 0);
	usage.input_tokens = 14000;
	usage.output_tokens = 12;
	usage.cache_read_tokens = 13000;
	usage.cache_creation_tokens = 5;
	usage.reasoning_tokens = 2;
	spanring_turn_end(&turn, &usage);
	spanring_agent_end(&root, "a pump", 0, &usage);
	assert_text("- agent.run claude_agent, ok\n"
		    "    openinference.span.kind: \"AGENT\"\n"
		    "    agent.runner: \"claude_agent\"\n"
		    "    gen_ai.system: \"anthropic\"\n"
		    "    gen_ai.provider.name: \"anthropic\"\n"
		    "    gen_ai.request.model: \"claude\"\n"
		    "    gen_ai.operation.name: \"invoke_agent\"\n"
		    "    gen_ai.agent.name: \"inspector\"\n"
		    "    user_goal: \"find the fault\"\n"
		    "    agent.final_response: \"a pump\"\n"
		    "    gen_ai.usage.input_tokens: 14000\n"
		    "    gen_ai.usage.output_tokens: 12\n"
		    "    gen_ai.usage.cache_read.input_tokens: 13000\n"
		    "    gen_ai.usage.cache_creation.input_tokens: 5\n"
		    "    gen_ai.usage.reasoning.output_tokens: 2\n"
		    "    - agent.turn, ok\n"
		    "        openinference.span.kind: \"CHAIN\"\n"
		    "        turn.index: 0\n"
		    "        gen_ai.usage.input_tokens: 14000\n"
		    "        gen_ai.usage.output_tokens: 12\n"
		    "        gen_ai.usage.cache_read.input_tokens: 13000\n"
		    "        gen_ai.usage.cache_creation.input_tokens: 5\n"
		    "        gen_ai.usage.reasoning.output_tokens: 2\n"
		    "        - tool.call, ok\n"
		    "            openinference.span.kind: \"TOOL\"\n"
		    "            tool.name: \"sensors\"\n"
		    "            tool.server: \"iot\"\n"
		    "            gen_ai.operation.name: \"execute_tool\"\n"
		    "            gen_ai.tool.name: \"sensors\"\n"
		    "            gen_ai.tool.type: \"function\"\n"
		    "            gen_ai.tool.description: \"reads sensors\"\n"
		    "            gen_ai.tool.call.id: \"c1\"\n"
		    "            gen_ai.tool.call.arguments: \"{\\\"site\\\": 1}\"\n"
		    "            gen_ai.tool.call.result: \"[1, 2]\"\n");
}

static void an_agent_in_a_wrappers_run_gives_its_answer(void **state)
{
	struct spanring_agent_options agent = SPANRING_AGENT_OPTIONS_INIT;
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	const struct spanring_test_span *seen;
	struct spanring_test_spans *spans;
	struct spanring_span span;

	(void)state;
	setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 1);
	assert_int_equal(spanring_test_begin(&options), 0);
	run.join = true;
	agent.run = &run;
	spanring_agent_begin(&span, "own", &agent);
	spanring_agent_end(&span, "an answer", 0, NULL);
	unsetenv("TRACEPARENT");
	spans = spanring_test_snapshot();
	seen = spanring_test_find(spans, "agent.run own");
	assert_int_equal(seen->trace_id[0], 0x0a);
	assert_string_equal(spanring_test_string(seen, "agent.final_response"), "an answer");
	spanring_test_free(spans);
	spanring_test_end();
}

static void an_agent_within_a_run_ends_without_it(void **state)
{
	struct spanring_agent_options agent = SPANRING_AGENT_OPTIONS_INIT;
	struct spanring_span root, sub;

	(void)state;
	spanring_run_begin(&root, "run", NULL);
	agent.input = "a question";
	spanring_agent_begin(&sub, NULL, &agent);
	spanring_agent_end(&sub, "an answer", 0, NULL);
	spanring_set_input(&root, "in?", 2);
	spanring_set_output(&root, "out", 0);
	spanring_run_end_with(&root, "done", "expected");
	assert_text("- run\n"
		    "    input.value: \"in\"\n"
		    "    output.value: \"out\"\n"
		    "    agent.final_response: \"done\"\n"
		    "    expected_response: \"expected\"\n"
		    "    - agent.run, ok\n"
		    "        openinference.span.kind: \"AGENT\"\n"
		    "        gen_ai.operation.name: \"invoke_agent\"\n"
		    "        input.value: \"a question\"\n"
		    "        output.value: \"an answer\"\n");
}

/* ---- trying again ---------------------------------------------------------------------------
 */

static void a_call_that_fails_once_is_tried_again(void **state)
{
	struct spanring_retry retry;
	struct spanring_span call;

	(void)state;
	spanring_retry_begin(&retry, "ask_gemini", 3, NULL);
	while (spanring_attempt_begin(&retry)) {
		spanring_llm_begin(&call, NULL, "m", NULL);
		spanring_llm_end(&call, NULL);
		if (retry.attempts == 2)
			spanring_attempt_end(&retry);
		else
			spanring_attempt_fail(&retry, "429", "quota exceeded");
	}
	assert_int_equal(retry.attempts, 2);
	assert_int_equal(spanring_retry_end(&retry), 0);
	assert_int_equal(spanring_current(&call), -ENOENT);
	assert_text("- ask_gemini, ok\n"
		    "    openinference.span.kind: \"CHAIN\"\n"
		    "    retry.max_attempts: 3\n"
		    "    - attempt_0, error \"quota exceeded\"\n"
		    "        retry.attempt: 0\n"
		    "        error.type: \"429\"\n"
		    "        * exception\n"
		    "            exception.type: \"429\"\n"
		    "            exception.message: \"quota exceeded\"\n"
		    "        - chat m, client, ok\n"
		    "            openinference.span.kind: \"LLM\"\n"
		    "            gen_ai.request.model: \"m\"\n"
		    "            gen_ai.operation.name: \"chat\"\n"
		    "    - attempt_1, ok\n"
		    "        retry.attempt: 1\n"
		    "        - chat m, client, ok\n"
		    "            openinference.span.kind: \"LLM\"\n"
		    "            gen_ai.request.model: \"m\"\n"
		    "            gen_ai.operation.name: \"chat\"\n");
}

static void when_all_attempts_fail_the_span_around_says_so(void **state)
{
	struct spanring_retry retry;

	(void)state;
	spanring_retry_begin(&retry, "all", 2, NULL);
	while (spanring_attempt_begin(&retry))
		spanring_attempt_fail(&retry, "429", NULL);
	spanring_retry_end(&retry);
	assert_false(spanring_attempt_begin(&retry));
	spanring_retry_begin(&retry, "some", 3, NULL);
	spanring_attempt_begin(&retry);
	spanring_attempt_fail(&retry, "401", NULL);
	spanring_retry_end(&retry);
	spanring_retry_begin(&retry, "nobody ends", 0, NULL);
	while (spanring_attempt_begin(&retry))
		;
	spanring_retry_end(&retry);
	assert_names("- all, error \"All retry attempts failed\"\n"
		     "    - attempt_0, error\n"
		     "    - attempt_1, error\n"
		     "- some, error \"Given up after 1 of 3 attempts\"\n"
		     "    - attempt_0, error\n"
		     "- nobody ends, error \"All retry attempts failed\"\n"
		     "    - attempt_0\n");
}

static void without_tracing_everything_counts_and_nothing_is_said(void **state)
{
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_span span;
	struct spanring_retry retry;
	int attempts = 0;

	(void)state;
	spanring_retry_begin(&retry, "off", 3, NULL);
	while (spanring_attempt_begin(&retry)) {
		if (++attempts == 2)
			spanring_attempt_end(&retry);
		else
			spanring_attempt_fail(&retry, "429", NULL);
	}
	assert_int_equal(spanring_retry_end(&retry), 0);
	assert_int_equal(attempts, 2);
	response.text = "text";
	assert_int_equal(spanring_llm_begin(&span, "gemini", "m", NULL), 0);
	assert_int_equal(spanring_llm_end(&span, &response), 0);
	assert_int_equal(spanring_agent_begin(&span, "r", NULL), 0);
	assert_int_equal(spanring_agent_end(&span, "a", 0, &response.usage), 0);
	assert_int_equal(spanring_turn_begin(&span, 1, NULL), 0);
	assert_int_equal(spanring_turn_end(&span, NULL), 0);
	assert_int_equal(spanring_tool_begin(&span, "t", NULL), 0);
	assert_int_equal(spanring_tool_end(&span, "r", 0), 0);
	assert_int_equal(spanring_step_begin(&span, "s", SPANRING_STEP_CHAIN, NULL), 0);
	assert_int_equal(spanring_module_begin(&span, "n", "m", NULL), 0);
	assert_int_equal(spanring_set_input(&span, "i", 0), 0);
	assert_int_equal(spanring_fail(&span, "t", NULL), 0);
	assert_false(spanring_is_recording(&span));
}

static void the_delay_doubles_and_is_bounded(void **state)
{
	struct spanring_backoff backoff = SPANRING_BACKOFF_INIT;

	(void)state;
	assert_int_equal(spanring_backoff_ms(NULL, 0, 0), 1000);
	assert_int_equal(spanring_backoff_ms(NULL, 1, 0), 2000);
	assert_int_equal(spanring_backoff_ms(NULL, 5, UINT32_MAX), 32999);
	assert_int_equal(spanring_backoff_ms(NULL, 6, 0), 60000);
	assert_int_equal(spanring_backoff_ms(NULL, UINT32_MAX, UINT32_MAX), 60000);
	backoff.base_ms = 0;
	backoff.jitter_ms = 100;
	assert_int_equal(spanring_backoff_ms(&backoff, 40, UINT32_C(1) << 31), 50);
	backoff.base_ms = backoff.jitter_ms = backoff.most_ms = UINT32_MAX;
	assert_true(spanring_backoff_ms(&backoff, 31, UINT32_MAX) == UINT32_MAX);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void alarm_every_ms(long ms)
{
	struct itimerval timer = {{0, ms * 1000}, {0, ms * 1000}};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void a_sleep_ends_with_a_signal_and_comes_only_between_attempts(void **state)
{
	struct spanring_backoff backoff = SPANRING_BACKOFF_INIT;
	struct sigaction action = {.sa_handler = on_alarm};
	struct spanring_retry retry;

	(void)state;
	backoff.base_ms = backoff.most_ms = 3600000;
	spanring_retry_begin(&retry, "retry", 2, NULL);
	assert_int_equal(spanring_retry_sleep(&retry, &backoff), 0); /* none was made */
	spanring_attempt_begin(&retry);
	spanring_attempt_fail(&retry, "429", NULL);
	sigaction(SIGALRM, &action, NULL);
	/* Again and again: one may come before the sleep. */
	alarm_every_ms(20);
	errno = EXDEV;
	assert_int_equal(spanring_retry_sleep(&retry, &backoff), -EINTR);
	assert_int_equal(errno, EXDEV);
	alarm_every_ms(0);
	backoff.base_ms = backoff.jitter_ms = 1;
	assert_int_equal(spanring_retry_sleep(&retry, &backoff), 0);
	backoff.base_ms = 3600000;
	spanring_attempt_begin(&retry);
	spanring_attempt_end(&retry);
	assert_int_equal(spanring_retry_sleep(&retry, &backoff), 0); /* it is over */
	spanring_retry_end(&retry);
}

/* ---- an answer that is cut ----------------------------------------------------------------
 */

static const struct spanring_test_span *answer_with(struct spanring_test_spans **ret_spans,
						    const char *text, uint32_t max,
						    uint32_t kept)
{
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_span call;

	spanring_test_end();
	assert_int_equal(spanring_test_begin(NULL), 0);
	response.text = text;
	response.text_max = max;
	response.text_kept = kept;
	spanring_llm_begin(&call, NULL, NULL, NULL);
	spanring_llm_end(&call, &response);
	*ret_spans = spanring_test_snapshot();
	return &(*ret_spans)->spans[0];
}

/* Characters of one to four bytes. */
static char *characters(size_t count)
{
	static const char *const letters[] = {"a", "\xc3\xa4", "\xe2\x82\xac",
					      "\xf0\x9f\x8c\xb1"};
	char *text = calloc(count, 4), *at = text;

	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, letters[i % 4]);
	return text;
}

static void an_answer_of_8192_characters_is_whole_and_one_more_is_cut_to_8000(void **state)
{
	const struct spanring_attribute *content;
	const struct spanring_test_span *seen;
	struct spanring_test_spans *spans;
	char *text = characters(8193), *first = characters(8000), *fits = characters(8192);
	size_t kept = strlen(first);

	(void)state;
	seen = answer_with(&spans, fits, SPANRING_TEXT_MAX, 0);
	assert_string_equal(spanring_test_string(seen, "gen_ai.response.content"), fits);
	assert_null(spanring_test_attribute(seen, "gen_ai.response.truncated"));
	spanring_test_free(spans);

	seen = answer_with(&spans, text, SPANRING_TEXT_MAX, 0);
	content = spanring_test_attribute(seen, "gen_ai.response.content");
	assert_memory_equal(content->value.string, first, kept);
	assert_string_equal(content->value.string + kept, "...[truncated]");
	assert_true(spanring_test_attribute(seen, "gen_ai.response.truncated")->value.boolean);
	assert_string_equal(spanring_test_string(seen, "agento.response.truncated_reason"),
			    "size_limit");
	assert_int_equal(spanring_test_int(seen, "agento.response.length"), 8193);
	spanring_test_free(spans);

	seen = answer_with(&spans, text, 0, 0);
	assert_string_equal(spanring_test_string(seen, "gen_ai.response.content"), text);
	spanring_test_free(spans);
	free(text);
	free(first);
	free(fits);
}

static void other_limits_of_an_answer_are_kept(void **state)
{
	struct spanring_test_spans *spans;

	(void)state;
	assert_string_equal(
		spanring_test_string(answer_with(&spans, "\xc3\xa4\xc3\xa4\xc3\xa4", 2, 1),
				     "gen_ai.response.content"),
		"\xc3\xa4...[truncated]");
	spanring_test_free(spans);
	assert_string_equal(spanring_test_string(answer_with(&spans, "abc", 2, 0),
						 "gen_ai.response.content"),
			    "ab...[truncated]");
	spanring_test_free(spans);
	assert_string_equal(spanring_test_string(answer_with(&spans, "abc", 3, 1),
						 "gen_ai.response.content"),
			    "abc");
	spanring_test_free(spans);
}

/* ---- content that is hidden
 * ------------------------------------------------------------------ */

static char *everything_that_hides(uint32_t hide)
{
	const struct spanring_message message = {"user", "MESSAGE", 0},
				      reply = {NULL, "REPLY", 0};
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_tool_options tool = SPANRING_TOOL_OPTIONS_INIT;
	struct spanring_test_spans *spans;
	struct spanring_span root, call;
	char *text;

	options.hide = hide;
	assert_int_equal(spanring_test_begin(&options), 0);
	run.goal = "GOAL";
	spanring_run_begin(&root, "run", &run);
	request.input = "PROMPT";
	request.messages = &message;
	request.message_count = 1;
	request.instructions = "INSTRUCTIONS";
	request.temperature = 0;
	spanring_llm_begin(&call, "gemini", "m", &request);
	response.text = "ANSWER";
	response.messages = &reply;
	response.message_count = 1;
	response.text_max = 3;
	response.text_kept = 3;
	spanring_llm_end(&call, &response);
	request.operation = "embeddings";
	spanring_llm_begin(&call, "gemini", "e", &request);
	spanring_llm_end(&call, NULL);
	tool.arguments = "ARGUMENTS";
	spanring_tool_begin(&call, "t", &tool);
	spanring_tool_end(&call, "RESULT", 0);
	spanring_set_input(&root, "INPUT", 0);
	spanring_set_output(&root, "OUTPUT", 0);
	spanring_run_end_with(&root, "FINAL", "EXPECTED");
	spans = spanring_test_snapshot();
	text = spanring_test_text(spans, 0);
	spanring_test_free(spans);
	spanring_test_end();
	return text;
}

static char *everything_with(const char *variable, const char *value)
{
	char *text;

	if (variable)
		setenv(variable, value, 1);
	text = everything_that_hides(0);
	if (variable)
		unsetenv(variable);
	return text;
}

static int count(const char *text, const char *word)
{
	int n = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		n++;
	return n;
}

/* The words that are left out, by name, of all there are. */
static void assert_hidden(const char *variable, const char *value, const char *hidden)
{
	static const char *const words[] = {"GOAL",  "PROMPT", "MESSAGE",   "INSTRUCTIONS",
					    "ANS",   "REPLY",  "ARGUMENTS", "RESULT",
					    "INPUT", "OUTPUT", "FINAL",	    "EXPECTED"};
	char *text = everything_with(variable, value);

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if ((count(text, words[i]) == 0) != (count(hidden, words[i]) > 0))
			fail_msg("%s=%s, %s:\n%s", variable ? variable : "", value, words[i],
				 text);
	assert_int_equal(count(text, SPANRING_REDACTED) > 0, *hidden != '\0');
	free(text);
}

static void nothing_is_hidden_unless_a_switch_says_so(void **state)
{
	(void)state;
	assert_hidden(NULL, NULL, "");
	assert_hidden("OPENINFERENCE_HIDE_INPUTS", "", "");
	assert_hidden("OPENINFERENCE_HIDE_INPUTS", "false", "");
	assert_hidden("OPENINFERENCE_HIDE_INPUTS", "flase", "");
	assert_hidden("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true", "");
	assert_hidden("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY", "");
	assert_hidden("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "what", "");
}

static void each_switch_hides_what_it_names(void **state)
{
	static const char everything[] = "GOAL PROMPT MESSAGE INSTRUCTIONS ANS REPLY ARGUMENTS "
					 "RESULT INPUT OUTPUT FINAL "
					 "EXPECTED";

	(void)state;
	assert_hidden("OPENINFERENCE_HIDE_INPUTS", "true",
		      "GOAL PROMPT MESSAGE INSTRUCTIONS ARGUMENTS INPUT");
	assert_hidden("OPENINFERENCE_HIDE_OUTPUTS", "TRUE",
		      "ANS REPLY RESULT OUTPUT FINAL EXPECTED");
	assert_hidden("OPENINFERENCE_HIDE_INPUT_MESSAGES", "1", "PROMPT MESSAGE INSTRUCTIONS");
	assert_hidden("OPENINFERENCE_HIDE_OUTPUT_MESSAGES", "yes", "ANS REPLY");
	assert_hidden("OPENINFERENCE_HIDE_INPUT_TEXT", "on", "PROMPT MESSAGE INSTRUCTIONS");
	assert_hidden("OPENINFERENCE_HIDE_OUTPUT_TEXT", "true", "ANS REPLY");
	assert_hidden("OPENINFERENCE_HIDE_PROMPTS", "true", "PROMPT MESSAGE INSTRUCTIONS");
	assert_hidden("OPENINFERENCE_HIDE_CHOICES", "true", "ANS REPLY");
	assert_hidden("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "false",
		      everything);
	assert_hidden("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTENT",
		      everything);
	assert_hidden("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "event_only",
		      everything);
}

static void what_is_hidden_is_marked_where_it_would_be(void **state)
{
	char *text = everything_with("OPENINFERENCE_HIDE_INPUT_TEXT", "true");

	(void)state;
	assert_non_null(strstr(text, "input.value: \"__REDACTED__\""));
	assert_non_null(strstr(text, "gen_ai.input.messages: [{role: \"user\", parts: [{type: "
				     "\"text\", content: \"__REDACTED__\"}]}]"));
	assert_non_null(strstr(text, "gen_ai.system_instructions: [{type: \"text\", content: "
				     "\"__REDACTED__\"}]"));
	free(text);
	text = everything_with("OPENINFERENCE_HIDE_OUTPUTS", "true");
	assert_non_null(strstr(text, "gen_ai.response.content: \"__REDACTED__\"\n"));
	assert_non_null(strstr(text, "gen_ai.output.messages: \"__REDACTED__\"\n"));
	assert_null(strstr(text, "truncated"));
	assert_null(strstr(text, "agento.response.length"));
	free(text);
	text = everything_with("OPENINFERENCE_HIDE_LLM_INVOCATION_PARAMETERS", "true");
	assert_null(strstr(text, "temperature"));
	assert_int_equal(count(text, "llm.invocation_parameters: \"__REDACTED__\""), 2);
	free(text);
	/* Only what models are sent to make embeddings of. */
	text = everything_with("OPENINFERENCE_HIDE_EMBEDDINGS_TEXT", "true");
	assert_int_equal(count(text, "input.value: \"__REDACTED__\""), 1);
	assert_int_equal(count(text, "PROMPT"), 1);
	free(text);
}

static void a_program_may_hide_by_itself(void **state)
{
	char *text;

	(void)state;
	setenv("OPENINFERENCE_HIDE_OUTPUTS", "true", 1);
	text = everything_that_hides(SPANRING_HIDDEN_INPUTS);
	unsetenv("OPENINFERENCE_HIDE_OUTPUTS");
	assert_int_equal(count(text, "PROMPT") + count(text, "ANSWER"), 0);
	free(text);
	assert_int_equal(spanring_hidden(), SPANRING_HIDDEN_INPUTS | SPANRING_HIDDEN_OUTPUTS);
	free(everything_that_hides(0));
	assert_int_equal(spanring_hidden(), 0);
}

static char said_of_the_environment[128];

static void hear(int error, const char *message, void *user)
{
	(void)error;
	(void)user;
	snprintf(said_of_the_environment, sizeof said_of_the_environment, "%s", message);
}

static void a_switch_that_makes_no_sense_is_told(void **state)
{
	(void)state;
	spanring_set_error_handler(hear, NULL);
	free(everything_with("OPENINFERENCE_HIDE_CHOICES", "perhaps"));
	assert_non_null(strstr(said_of_the_environment, "OPENINFERENCE_HIDE_CHOICES: "));
	free(everything_with("SPANRING_GENAI_NAMES", "perhaps"));
	assert_non_null(strstr(said_of_the_environment, "SPANRING_GENAI_NAMES: "));
	spanring_set_error_handler(NULL, NULL);
}

static void the_older_name_or_the_newer_one_can_be_had_alone(void **state)
{
	char *text = everything_with("SPANRING_GENAI_NAMES", "old");

	(void)state;
	assert_int_equal(count(text, "gen_ai.system:"), 2);
	assert_int_equal(count(text, "gen_ai.provider.name:"), 0);
	free(text);
	text = everything_with("SPANRING_GENAI_NAMES", "new");
	assert_int_equal(count(text, "gen_ai.system:"), 0);
	assert_int_equal(count(text, "gen_ai.provider.name:"), 2);
	free(text);
	text = everything_with("SPANRING_GENAI_NAMES", "both");
	assert_int_equal(count(text, "gen_ai.system:"), 2);
	assert_int_equal(count(text, "gen_ai.provider.name:"), 2);
	free(text);
}

#define TRACED(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRACED(a_call_says_what_was_asked_and_what_came_back),
		TRACED(what_is_not_known_is_not_said),
		TRACED(a_temperature_of_0_is_0),
		TRACED(messages_and_instructions_are_one_attribute_each),
		TRACED(an_answer_of_several_messages_says_why_each_ended),
		TRACED(many_messages_are_whole_and_those_above_the_ring_are_counted),
		TRACED(what_the_caller_adds_comes_last_and_wins),
		TRACED(a_struct_of_an_older_caller_is_read_as_far_as_it_goes),
		TRACED(an_end_says_ok_unless_there_was_an_error),
		TRACED(kinds_and_modules_have_their_names),
		cmocka_unit_test(vendors_have_the_names_of_the_conventions),
		TRACED(an_agents_run_has_turns_and_tools),
		TRACED(an_agent_within_a_run_ends_without_it),
		cmocka_unit_test(an_agent_in_a_wrappers_run_gives_its_answer),
		TRACED(a_call_that_fails_once_is_tried_again),
		TRACED(when_all_attempts_fail_the_span_around_says_so),
		cmocka_unit_test(without_tracing_everything_counts_and_nothing_is_said),
		cmocka_unit_test(the_delay_doubles_and_is_bounded),
		TRACED(a_sleep_ends_with_a_signal_and_comes_only_between_attempts),
		TRACED(an_answer_of_8192_characters_is_whole_and_one_more_is_cut_to_8000),
		TRACED(other_limits_of_an_answer_are_kept),
		cmocka_unit_test(nothing_is_hidden_unless_a_switch_says_so),
		cmocka_unit_test(each_switch_hides_what_it_names),
		cmocka_unit_test(what_is_hidden_is_marked_where_it_would_be),
		cmocka_unit_test(a_program_may_hide_by_itself),
		cmocka_unit_test(a_switch_that_makes_no_sense_is_told),
		cmocka_unit_test(the_older_name_or_the_newer_one_can_be_had_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
