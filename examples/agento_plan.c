/* The first module of the Agento pipeline: it turns the user's goal into the
 * structure of a plan. It begins the run, unless `spanring run` did. */
#include "agento.h"

static void generate_plan_structure(const struct agento *agento)
{
	struct spanring_span span;

	spanring_step_begin(&span, "generate_plan_structure", SPANRING_STEP_CHAIN, NULL);
	agento_work(agento, "generate_plan_structure");
	agento_ask_model(agento, "llm.gemini.generate_plan", 415, 850,
			 "{\"Title\": \"AI Agent Platform\", \"Overall_Summary\": \"...\"}");
	spanring_step_end(&span);
}

int main(int argc, char **argv)
{
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_span pipeline;
	struct agento agento;

	agento_begin(&agento, argc, argv);
	run.goal = AGENTO_GOAL; /* and openinference.span.kind=AGENT with it */
	run.join = true;
	run.context_file = agento.context_file; /* NULL: SPANRING_CONTEXT_FILE */
	if (!run.context_file && !getenv("SPANRING_CONTEXT_FILE"))
		run.context_file = "trace.context";
	spanring_run_begin(&pipeline, "agento.pipeline", &run);

	generate_plan_structure(&agento);

	/* The run goes on in the next modules, so only the span ends here:
	 * spanring_run_end() would say that the run is complete. */
	agento_finish(&agento, &pipeline);
	return 0;
}
