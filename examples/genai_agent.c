/* An agent that looks for a fault, in one program: its run, its turns, the model it asks and
 * asks again, the tool that the model wants called. No model is needed: this file plays the
 * vendor, too, and answers as one does.
 *
 *	-f	the vendor stays too busy: the run fails */
#include <spanring/genai.h>

#include <stdio.h>
#include <unistd.h>

#define MODEL "claude-3-5-sonnet-20240620"

/* ---- what a real program has from elsewhere --------------------------------------- */

static const char *const answers[] = {
	NULL, /* too busy */
	"{\"type\": \"message\", \"stop_reason\": \"tool_use\", \"content\": [{\"type\": "
	"\"tool_use\", \"id\": \"toolu_1\", \"name\": \"sensors\", \"input\": {\"site\": "
	"\"main\"}}], \"usage\": {\"input_tokens\": 912, \"output_tokens\": 31}}",
	"{\"type\": \"message\", \"stop_reason\": \"end_turn\", \"content\": [{\"type\": "
	"\"text\", \"text\": \"Pump 2 runs dry.\"}], \"usage\": {\"input_tokens\": 210, "
	"\"cache_read_input_tokens\": 900, \"output_tokens\": 12}}",
};

static const char *ask_vendor(void)
{
	static size_t calls;

	return answers[calls++];
}

static const char *read_sensors(const char *arguments)
{
	(void)arguments;
	return "{\"pump_1\": 3.1, \"pump_2\": 0.0}";
}

/* ---- the agent ----------------------------------------------------------------------- */

/* One call, as its vendor sees it. NULL: too busy. */
static const char *ask_once(const char *prompt, const char *text, struct spanring_usage *usage)
{
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_span call;
	const char *json;

	request.temperature = 0;
	request.input = prompt;
	spanring_llm_begin(&call, "anthropic", MODEL, &request);
	json = ask_vendor();
	if (!json) {
		spanring_fail(&call, "overloaded_error", "529: Overloaded");
		return NULL;
	}
	spanring_usage_from_json(&response.usage, json, strlen(json));
	*usage = response.usage;
	response.text = text;
	spanring_llm_end(&call, &response);
	return json;
}

/* The same, again and again. */
static const char *ask(const char *prompt, const char *text, bool never,
		       struct spanring_usage *usage)
{
	struct spanring_backoff backoff = SPANRING_BACKOFF_INIT;
	struct spanring_retry retry;
	const char *json = NULL;

	backoff.base_ms = backoff.jitter_ms = 5; /* seconds, in real life */
	spanring_retry_begin(&retry, "ask_model", 2, NULL);
	while (spanring_attempt_begin(&retry)) {
		json = never ? NULL : ask_once(prompt, text, usage);
		if (json)
			spanring_attempt_end(&retry);
		else
			spanring_attempt_fail(&retry, "overloaded_error", "529: Overloaded");
		spanring_retry_sleep(&retry, &backoff);
	}
	spanring_retry_end(&retry);
	return json;
}

static const char *call_tool(const char *arguments)
{
	struct spanring_tool_options options = SPANRING_TOOL_OPTIONS_INIT;
	struct spanring_span call;
	const char *result;

	options.server = "plant";
	options.call_id = "toolu_1";
	options.arguments = arguments;
	spanring_tool_begin(&call, "sensors", &options);
	result = read_sensors(arguments);
	spanring_tool_end(&call, result, 0);
	return result;
}

/* Asks for a tool first; with its result, for the answer. NULL: no model. */
static const char *find_fault(bool never)
{
	struct spanring_usage usage = SPANRING_USAGE_INIT;
	struct spanring_span turn;
	const char *result;

	spanring_turn_begin(&turn, 0, NULL);
	if (!ask("Which pump is it?", "", never, &usage)) {
		spanring_fail(&turn, "NoModel", "the model stayed too busy");
		return NULL;
	}
	result = call_tool("{\"site\": \"main\"}");
	spanring_turn_end(&turn, &usage);

	spanring_turn_begin(&turn, 1, NULL);
	ask(result, "Pump 2 runs dry.", false, &usage);
	spanring_turn_end(&turn, &usage);
	return "Pump 2 runs dry.";
}

int main(int argc, char **argv)
{
	struct spanring_agent_options options = SPANRING_AGENT_OPTIONS_INIT;
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	bool never = getopt(argc, argv, "f") == 'f';
	struct spanring_span agent;
	const char *answer;

	spanring_init(NULL); /* without a ring directory everything below does nothing */
	run.goal = "Find out which pump fails";
	run.join = true;
	options.run = &run; /* this agent is all there is: its run is the pipeline's */
	options.vendor = "anthropic";
	options.model = MODEL;
	spanring_agent_begin(&agent, "own_agent", &options);
	answer = find_fault(never);
	if (answer)
		spanring_agent_end(&agent, answer, 0, NULL);
	else
		spanring_fail(&agent, "NoModel", "the model stayed too busy");
	printf("%s\n", answer ? answer : "no answer");
	return !answer;
}
