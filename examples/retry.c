/* A call that is tried again: one span around all attempts, one for each. The
 * first attempt fails, the second succeeds; with -f all of them fail. */
#include "agento.h"

#define ATTEMPTS_MAX 2

/* The vendor's answer: 0, or -1 while the vendor is too busy. */
static int call_vendor(const struct agento *agento, uint32_t attempt)
{
	if (attempt == 1 || agento->always_fail)
		return -1;
	agento_ask_model(agento, "llm.gemini.chat", 120, 48, "It worked the second time.");
	return 0;
}

static bool call_with_retry(const struct agento *agento)
{
	struct spanring_backoff backoff = SPANRING_BACKOFF_INIT;
	struct spanring_retry retry;

	backoff.base_ms = backoff.jitter_ms = (uint32_t)agento->work_ms;
	spanring_retry_begin(&retry, "retry", ATTEMPTS_MAX, NULL);
	while (spanring_attempt_begin(&retry)) {
		if (call_vendor(agento, retry.attempts) == 0) {
			spanring_attempt_end(&retry);
			continue; /* no further one will begin */
		}
		spanring_attempt_fail(&retry, "ResourceExhausted", "429: quota exceeded");
		spanring_retry_sleep(&retry, &backoff);
	}
	spanring_retry_end(&retry);
	return retry.succeeded;
}

int main(int argc, char **argv)
{
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_span root;
	struct agento agento;
	bool answered;

	agento_begin(&agento, argc, argv);
	run.goal = "Ask a busy model one question";
	run.join = true;
	spanring_run_begin(&root, "agento.pipeline", &run);

	answered = call_with_retry(&agento);

	/* One process is the whole run here: its end is the run's end. */
	spanring_run_end_with(&root, answered ? "an answer" : "no answer", NULL);
	return !answered;
}
