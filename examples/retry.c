/* A call that is tried again: one span around all attempts, one for each. The
 * first attempt fails, the second succeeds; with -f all of them fail. */
#include "agento.h"

#define ATTEMPTS_MAX 2

/* The vendor's answer: 0, or -1 while the vendor is too busy. */
static int call_vendor(const struct agento *agento, int attempt)
{
	if (attempt == 0 || agento->always_fail)
		return -1;
	agento_ask_model(agento, "llm.gemini.chat", 120, 48, "It worked the second time.");
	return 0;
}

static int try_once(const struct agento *agento, int attempt)
{
	char name[32];

	snprintf(name, sizeof name, "attempt_%d", attempt);
	SPANRING_SPAN(span, name);
	spanring_set_int(&span, "retry.attempt", attempt);
	if (call_vendor(agento, attempt) < 0) {
		/* Event, error.type and status ERROR in one call. */
		spanring_record_exception(&span, "ResourceExhausted", "429: quota exceeded",
					  NULL);
		return -1;
	}
	spanring_set_status(&span, SPANRING_STATUS_OK, NULL);
	return 0;
}

static int call_with_retry(const struct agento *agento)
{
	SPANRING_SPAN(span, "retry");

	spanring_set_string(&span, "openinference.span.kind", "CHAIN");
	spanring_set_int(&span, "retry.max_attempts", ATTEMPTS_MAX);
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		if (try_once(agento, attempt) == 0) {
			spanring_set_status(&span, SPANRING_STATUS_OK, NULL);
			return 0;
		}
		agento_work(agento, "backoff");
	}
	spanring_set_status(&span, SPANRING_STATUS_ERROR, "All retry attempts failed");
	return -1;
}

int main(int argc, char **argv)
{
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_span root;
	struct agento agento;
	int r;

	agento_begin(&agento, argc, argv);
	run.goal = "Ask a busy model one question";
	run.join = true;
	spanring_run_begin(&root, "agento.pipeline", &run);

	r = call_with_retry(&agento);

	/* One process is the whole run here: its end is the run's end. */
	spanring_run_end_with(&root, r < 0 ? "no answer" : "an answer", NULL);
	return r < 0;
}
