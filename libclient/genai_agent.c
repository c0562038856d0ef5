/* Agents, their turns, and the tools they call. */
#include "genai.h"

#include "spanring/semconv.h"

#include "client.h"
#include "run.h"

#define RUN_NAME "agent.run"

/* "agent.run claude_agent". Returns its length. */
static size_t run_name(const char *runner, char ret_name[256])
{
	size_t length = sizeof RUN_NAME - 1, more = runner ? strlen(runner) : 0;

	memcpy(ret_name, RUN_NAME " ", length + 1);
	if (!more)
		return length;
	if (more > 256 - length - 1)
		more = 256 - length - 1;
	memcpy(ret_name + length + 1, runner, more);
	return length + 1 + more;
}

static int begin_run(struct spanring_span *ret_agent, const char *name, size_t length,
		     const struct spanring_run_options *options, struct begin *begin)
{
	struct spanring_run_options run;
	int r;

	run_take_options(&run, options);
	genai_add_content(begin, SPANRING_ATTR_USER_GOAL, run.goal, 0, CONTENT_INPUT);
	r = run_begin(ret_agent, name, length, &run, begin);
	/* Also where it is a part of a wrapper's run: it is all that run there. */
	ret_agent->marks |= CLIENT_MARK_ANSWERS;
	return r;
}

int spanring_agent_begin(struct spanring_span *ret_agent, const char *runner,
			 const struct spanring_agent_options *options)
{
	struct spanring_agent_options known;
	struct begin begin;
	char name[256];
	size_t length;

	if (!spanring_tracing)
		return spanring_start(ret_agent, "", NULL);
	memset(&known, 0, sizeof known);
	if (options)
		begin_copy_sized(&known, sizeof known, options, options->size);
	length = run_name(runner, name);
	begin_init(&begin, known.start, SPANRING_KIND_INTERNAL);
	genai_add_step(&begin, SPANRING_STEP_AGENT);
	begin_add_text(&begin, SPANRING_ATTR_AGENT_RUNNER, runner);
	genai_add_model(&begin, known.vendor, known.model);
	begin_add_text(&begin, SPANRING_ATTR_GEN_AI_OPERATION_NAME, "invoke_agent");
	begin_add_text(&begin, SPANRING_ATTR_GEN_AI_AGENT_NAME, known.agent);
	genai_add_content(&begin, SPANRING_ATTR_INPUT_VALUE, known.input, known.input_length,
			  CONTENT_INPUT);
	if (known.run)
		return begin_run(ret_agent, name, length, known.run, &begin);
	return begin_start(&begin, ret_agent, name, length);
}

int genai_answer(struct spanring_span *agent, const char *answer, size_t length)
{
	const char *key = SPANRING_ATTR_OUTPUT_VALUE;

	if (agent->marks & CLIENT_MARK_ANSWERS)
		key = SPANRING_ATTR_AGENT_FINAL_RESPONSE;
	return genai_set_content(agent, key, answer, length, CONTENT_OUTPUT);
}

int spanring_agent_end(struct spanring_span *agent, const char *answer, size_t length,
		       const struct spanring_usage *usage)
{
	int r = genai_answer(agent, answer, length), s = spanring_set_usage(agent, usage);

	return genai_end_run(agent, r < 0 ? r : s);
}

int spanring_turn_begin(struct spanring_span *ret_turn, int64_t index,
			const struct spanring_start_options *start)
{
	struct begin begin;

	if (!spanring_tracing)
		return spanring_start(ret_turn, "", NULL);
	begin_init(&begin, start, SPANRING_KIND_INTERNAL);
	genai_add_step(&begin, SPANRING_STEP_CHAIN);
	begin_add(&begin, spanring_int(SPANRING_ATTR_TURN_INDEX, index));
	return begin_start(&begin, ret_turn, "agent.turn", sizeof "agent.turn" - 1);
}

int spanring_turn_end(struct spanring_span *turn, const struct spanring_usage *usage)
{
	return genai_end(turn, spanring_set_usage(turn, usage));
}

int spanring_tool_begin(struct spanring_span *ret_call, const char *tool,
			const struct spanring_tool_options *options)
{
	struct spanring_tool_options known;
	struct begin begin;

	if (!spanring_tracing)
		return spanring_start(ret_call, "", NULL);
	memset(&known, 0, sizeof known);
	if (options)
		begin_copy_sized(&known, sizeof known, options, options->size);
	begin_init(&begin, known.start, SPANRING_KIND_INTERNAL);
	genai_add_step(&begin, SPANRING_STEP_TOOL);
	begin_add_text(&begin, SPANRING_ATTR_TOOL_NAME, tool);
	begin_add_text(&begin, SPANRING_ATTR_TOOL_SERVER, known.server);
	begin_add_text(&begin, SPANRING_ATTR_GEN_AI_OPERATION_NAME, "execute_tool");
	begin_add_text(&begin, SPANRING_ATTR_GEN_AI_TOOL_NAME, tool);
	begin_add_text(&begin, SPANRING_ATTR_GEN_AI_TOOL_TYPE,
		       known.type ? known.type : "function");
	begin_add_text(&begin, SPANRING_ATTR_GEN_AI_TOOL_DESCRIPTION, known.description);
	begin_add_text(&begin, SPANRING_ATTR_GEN_AI_TOOL_CALL_ID, known.call_id);
	genai_add_content(&begin, SPANRING_ATTR_GEN_AI_TOOL_CALL_ARGUMENTS, known.arguments,
			  known.arguments_length, CONTENT_INPUT);
	return begin_start(&begin, ret_call, "tool.call", sizeof "tool.call" - 1);
}

int genai_result(struct spanring_span *call, const char *result, size_t length)
{
	return genai_set_content(call, SPANRING_ATTR_GEN_AI_TOOL_CALL_RESULT, result, length,
				 CONTENT_OUTPUT);
}

int spanring_tool_end(struct spanring_span *call, const char *result, size_t length)
{
	return genai_end(call, genai_result(call, result, length));
}
