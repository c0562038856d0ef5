/* The last module of the Agento pipeline: it revises the drafts and says what
 * the pipeline answers. */
#include "agento.h"

static const char final_response[] =
	"{\"Title\": \"AI Agent Platform\", \"Steps\": [{\"Step\": 1, \"Title\": \"Design\"}, "
	"{\"Step\": 2, \"Title\": \"Build \\u0026 test\"}, {\"Step\": 3, \"Title\": "
	"\"Launch\"}]}";

static void further_revise_plan(const struct agento *agento)
{
	struct spanring_span span;

	spanring_step_begin(&span, "further_revise_plan", SPANRING_STEP_CHAIN, NULL);
	agento_work(agento, "further_revise_plan");
	agento_ask_model(agento, "llm.gemini.revise_step", 3400, 1280, final_response);
	spanring_step_end(&span);
}

int main(int argc, char **argv)
{
	struct spanring_span module;
	struct agento agento;

	agento_begin(&agento, argc, argv);
	agento_continue(&agento, &module, "revise_plan");

	further_revise_plan(&agento);

	/* JSON in an attribute is a string like any other: any length, kept
	 * byte by byte. */
	spanring_set_string(&module, "agent.final_response", final_response);
	agento_finish(&agento, &module);
	return 0;
}
