/* What the modules of the Agento pipeline share. The modules do no work: they
 * show which spans a real one makes, and when.
 *
 *	-c FILE	   continue the run whose context is in FILE, unless TRACEPARENT
 *		   is set; without it SPANRING_CONTEXT_FILE may name the file
 *	-w MS	   pretend to work this long in each step (default 20)
 *	-H STEP	   hang in the step of this name, to be killed in it
 *	-f	   retry only: let every attempt fail */
#ifndef EXAMPLES_AGENTO_H
#define EXAMPLES_AGENTO_H

#include <spanring/genai.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define AGENTO_GOAL "Plan, build and launch a platform for AI agents"
#define AGENTO_MODEL "gemini-1.5-pro"

struct agento {
	const char *context_file; /* NULL: SPANRING_CONTEXT_FILE, else trace.context */
	const char *hang_in;
	long work_ms;
	bool always_fail;
};

/* Reads the arguments and begins tracing. Everything else about the process,
 * the module's name too, is found out by the library. */
static inline void agento_begin(struct agento *agento, int argc, char **argv)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	int option;

	*agento = (struct agento){.work_ms = 20};
	while ((option = getopt(argc, argv, "c:w:H:f")) != -1) {
		switch (option) {
		case 'c':
			agento->context_file = optarg;
			break;
		case 'w':
			agento->work_ms = strtol(optarg, NULL, 10);
			break;
		case 'H':
			agento->hang_in = optarg;
			break;
		case 'f':
			agento->always_fail = true;
			break;
		default:
			fprintf(stderr, "usage: %s [-c FILE] [-w MS] [-H STEP] [-f]\n",
				argv[0]);
			exit(2);
		}
	}
	options.service_name = "agento";
	options.service_version = "1.0.0";
	spanring_init(&options); /* without an agent the module just runs untraced */
}

/* Starts a later module's span, "agento.module.<module>", and makes it current. TRACEPARENT
 * is found by the library; a context file has to be asked for. */
static inline void agento_continue(const struct agento *agento, struct spanring_span *span,
				   const char *module)
{
	struct spanring_start_options start = SPANRING_START_OPTIONS_INIT;
	struct spanring_context context;

	if (agento->context_file && spanring_context_from_environment(&context) < 0 &&
	    spanring_context_from_file(agento->context_file, &context) == 0)
		start.remote_parent = &context;
	spanring_module_begin(span, "agento", module, &start);
}

/* Ends a module's span, with OK, and leaves its context for the next module, which makes
 * a child of it although this process is gone by then. */
static inline void agento_finish(const struct agento *agento, struct spanring_span *span)
{
	struct spanring_context context;

	if (spanring_span_context(span, &context) == 0)
		spanring_context_to_file(&context, agento->context_file);
	spanring_step_end(span);
}

static inline void agento_work(const struct agento *agento, const char *step)
{
	struct timespec time = {agento->work_ms / 1000, agento->work_ms % 1000 * 1000000};

	if (agento->hang_in && strcmp(agento->hang_in, step) == 0) {
		printf("hanging in %s, process %ld\n", step, (long)getpid());
		fflush(stdout);
		for (;;)
			pause();
	}
	nanosleep(&time, NULL);
}

/* A language model's call as a child of the current span: what was asked before it, what it
 * cost and said after it. */
static inline void agento_ask_model(const struct agento *agento, const char *name,
				    int64_t input_tokens, int64_t output_tokens,
				    const char *answer)
{
	static const char *const finish_reasons[] = {"stop"};
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_span call;

	request.name = name;
	request.temperature = 0.1;
	spanring_llm_begin(&call, "gemini", AGENTO_MODEL, &request);
	agento_work(agento, name);
	response.usage.input_tokens = input_tokens;
	response.usage.output_tokens = output_tokens;
	response.finish_reasons = finish_reasons;
	response.finish_reason_count = 1;
	response.text = answer;
	spanring_llm_end(&call, &response);
}

#endif
