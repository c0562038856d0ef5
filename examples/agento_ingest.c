/* The second module of the Agento pipeline: it drafts every step of the plan
 * and asks for revisions. */
#include "agento.h"

#define DRAFTS 3

static void develop_drafts(const struct agento *agento)
{
	SPANRING_SPAN(span, "develop_drafts");

	spanring_set_string(&span, "openinference.span.kind", "CHAIN");
	for (int draft = 0; draft < DRAFTS; draft++) {
		struct spanring_attribute done[] = {spanring_int("agento.draft", draft)};

		agento_ask_model(agento, "llm.gemini.develop_draft", 1200 + 10 * draft, 900,
				 "A draft of the step, with its milestones.");
		spanring_add_event(&span, "draft_developed", done, 1);
	}
	agento_work(agento, "develop_drafts");
	spanring_set_int(&span, "agento.drafts", DRAFTS);
	spanring_set_status(&span, SPANRING_STATUS_OK, NULL);
}

static void generate_revision_requests(const struct agento *agento)
{
	SPANRING_SPAN(span, "generate_revision_requests");

	spanring_set_string(&span, "openinference.span.kind", "CHAIN");
	agento_work(agento, "generate_revision_requests");
	agento_ask_model(agento, "llm.gemini.request_revisions", 2950, 310,
			 "Step 2 needs a budget.");
	spanring_set_status(&span, SPANRING_STATUS_OK, NULL);
}

int main(int argc, char **argv)
{
	struct spanring_span module;
	struct agento agento;

	agento_begin(&agento, argc, argv);
	agento_continue(&agento, &module, "agento.module.ingest_plan");

	develop_drafts(&agento);
	generate_revision_requests(&agento);

	spanring_set_status(&module, SPANRING_STATUS_OK, NULL);
	agento_finish(&agento, &module);
	return 0;
}
