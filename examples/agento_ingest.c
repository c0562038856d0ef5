/* The second module of the Agento pipeline: it drafts every step of the plan
 * and asks for revisions. */
#include "agento.h"

#define DRAFTS 3

static void develop_drafts(const struct agento *agento)
{
	struct spanring_span span;

	spanring_step_begin(&span, "develop_drafts", SPANRING_STEP_CHAIN, NULL);
	for (int draft = 0; draft < DRAFTS; draft++) {
		struct spanring_attribute done[] = {spanring_int("agento.draft", draft)};

		agento_ask_model(agento, "llm.gemini.develop_draft", 1200 + 10 * draft, 900,
				 "A draft of the step, with its milestones.");
		spanring_add_event(&span, "draft_developed", done, 1);
	}
	agento_work(agento, "develop_drafts");
	spanring_set_int(&span, "agento.drafts", DRAFTS);
	spanring_step_end(&span);
}

static void generate_revision_requests(const struct agento *agento)
{
	struct spanring_span span;

	spanring_step_begin(&span, "generate_revision_requests", SPANRING_STEP_CHAIN, NULL);
	agento_work(agento, "generate_revision_requests");
	agento_ask_model(agento, "llm.gemini.request_revisions", 2950, 310,
			 "Step 2 needs a budget.");
	spanring_step_end(&span);
}

int main(int argc, char **argv)
{
	struct spanring_span module;
	struct agento agento;

	agento_begin(&agento, argc, argv);
	agento_continue(&agento, &module, "ingest_plan");

	develop_drafts(&agento);
	generate_revision_requests(&agento);

	agento_finish(&agento, &module);
	return 0;
}
