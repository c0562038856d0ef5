/* What the span of one call of a language model costs, with all its attributes, printed as
 * nanoseconds of CPU time a call.
 *
 *	genai_cost helper|hand CALLS
 *
 *	helper	spanring_llm_begin() and spanring_llm_end()
 *	hand	the same twelve attributes by the calls of spanring.h
 *
 * SPANRING_DIR names an empty directory of its own. Blocks are recycled, by a thread that
 * stands for an agent that is never late. */
#include <spanring/genai.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "returner.h"

static const char prompt[] = "What grows in this garden, and what does it need?";
static const char answer[] = "Carrots and beans. They need water, and somebody who weeds.";
static const char *const reasons[] = {"stop"};

static void call_by_helper(void)
{
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_span call;

	request.temperature = 0.1;
	request.input = prompt;
	request.input_length = sizeof prompt - 1;
	(void)spanring_llm_begin(&call, "gemini", "gemini-1.5-pro", &request);
	response.text = answer;
	response.text_length = sizeof answer - 1;
	response.model = "gemini-1.5-pro-002";
	response.finish_reasons = reasons;
	response.finish_reason_count = 1;
	response.usage.input_tokens = 912;
	response.usage.output_tokens = 31;
	(void)spanring_llm_end(&call, &response);
}

static void call_by_hand(void)
{
	struct spanring_attribute request[] = {
		spanring_string("openinference.span.kind", "LLM"),
		spanring_string("gen_ai.system", "gemini"),
		spanring_string("gen_ai.provider.name", "gcp.gemini"),
		spanring_string("gen_ai.request.model", "gemini-1.5-pro"),
		spanring_double("gen_ai.request.temperature", 0.1),
		spanring_string("gen_ai.operation.name", "chat"),
		spanring_string_n("input.value", prompt, sizeof prompt - 1),
	};
	struct spanring_attribute response[] = {
		spanring_int("gen_ai.usage.input_tokens", 912),
		spanring_int("gen_ai.usage.output_tokens", 31),
		spanring_string("gen_ai.response.model", "gemini-1.5-pro-002"),
		spanring_strings("gen_ai.response.finish_reasons", reasons, 1),
		spanring_string_n("gen_ai.response.content", answer, sizeof answer - 1),
	};
	struct spanring_start_options start = SPANRING_START_OPTIONS_INIT;
	struct spanring_span call;

	start.kind = SPANRING_KIND_CLIENT;
	start.attributes = request;
	start.attribute_count = sizeof request / sizeof request[0];
	(void)spanring_enter(&call, "chat gemini-1.5-pro", &start);
	(void)spanring_set_attributes(&call, response, sizeof response / sizeof response[0]);
	(void)spanring_set_status(&call, SPANRING_STATUS_OK, NULL);
	(void)spanring_end(&call);
}

/* CPU time of this thread: what others do on the machine does not count. */
static double now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Until the library has found its agent's answers: else the ring would fill. */
static void warm_up(void (*call)(void))
{
	struct spanring_report state = SPANRING_REPORT_INIT;

	for (int i = 0; i < 5000 && spanring_state(&state) == 1 && !state.agent; i++) {
		for (int k = 0; k < 20; k++)
			call();
		(void)nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	for (int i = 0; i < 100000; i++)
		call();
}

int main(int argc, char **argv)
{
	void (*call)(void) =
		argc == 3 && strcmp(argv[1], "hand") == 0 ? call_by_hand : call_by_helper;
	struct spanring_report state = SPANRING_REPORT_INIT;
	struct spanring_span root;
	long calls = argc == 3 ? atol(argv[2]) : 0;
	double began;

	if (calls < 1) {
		(void)fprintf(stderr, "usage: genai_cost helper|hand CALLS\n");
		return 2;
	}
	if (returner_start(getenv("SPANRING_DIR") ?: "") < 0)
		return 1;
	(void)spanring_init(NULL);
	(void)spanring_enter(&root, "genai_cost", NULL);
	warm_up(call);
	began = now_ns();
	for (long i = 0; i < calls; i++)
		call();
	printf("%.1f\n", (now_ns() - began) / (double)calls);
	(void)spanring_end(&root);
	(void)spanring_state(&state);
	if (state.refused_ring_full || state.refused_no_memory || !state.on)
		(void)fprintf(stderr, "genai_cost: calls were refused: the result is void\n");
	(void)returner_stop();
	return 0;
}
