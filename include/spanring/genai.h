/* spanring/genai.h - runs, agents, turns, calls of models and tools, as spans with the
 * attributes that their readers look for.
 *
 *	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
 *	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
 *	struct spanring_span call;
 *
 *	request.temperature = 0.1;
 *	request.input = prompt;
 *	spanring_llm_begin(&call, "gemini", "gemini-1.5-pro", &request);
 *	json = ask(prompt);
 *	spanring_usage_from_json(&response.usage, json, strlen(json));
 *	response.text = answer;
 *	spanring_llm_end(&call, &response);	// or spanring_fail(&call, "429", "busy")
 *
 * What holds for all of them, beside the rules at the top of spanring.h:
 *
 *   Beginning	starts a span and makes it current, as spanring_enter() does, so that
 *		what the thread starts before the end is its child. Where many tasks
 *		share a thread, name the parent in `start` and take the span off again
 *		with spanring_detach(). The span appears together with what is said of it
 *		at its beginning, as far as that fits into 4 KiB.
 *   Ending	says OK, unless the span was told an ERROR by spanring_set_status()
 *		or spanring_record_exception() through this handle: that stays.
 *   `start`	of any options may hold a kind, a parent, a time, links and attributes of
 *		your own; those come last, and win. NULL: none.
 *   Structs	are made by their _INIT, in which everything is unknown: a zeroed one
 *		would speak of a temperature of 0 and of no tokens. Later versions append
 *		fields; `size` says which ones you know.
 *   Texts	with a length of 0 go to their NUL; NULL: unknown, and not written.
 *   Content	is written whole, whatever its size, unless a switch hides it: see
 *		spanring_hidden().
 *
 * Nothing is allocated. What the attributes mean is said in <spanring/semconv.h>. */
#ifndef SPANRING_GENAI_H
#define SPANRING_GENAI_H

#include <spanring.h>

#include <math.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* ---- kinds of steps ---------------------------------------------------------- */

/* OpenInference's kinds of spans. */
enum spanring_step {
	SPANRING_STEP_LLM = 1,
	SPANRING_STEP_AGENT = 2,
	SPANRING_STEP_CHAIN = 3,
	SPANRING_STEP_TOOL = 4,
	SPANRING_STEP_EMBEDDING = 5,
	SPANRING_STEP_RETRIEVER = 6,
	SPANRING_STEP_RERANKER = 7,
	SPANRING_STEP_GUARDRAIL = 8,
	SPANRING_STEP_EVALUATOR = 9,
	SPANRING_STEP_PROMPT = 10,
};

/* "LLM", "AGENT", ...; NULL for what is none of them. */
const char *spanring_step_name(enum spanring_step step);

/* A span of that kind (openinference.span.kind), current until its end; it is ended by
 * spanring_step_end(). */
int spanring_step_begin(struct spanring_span *ret_span, const char *name,
			enum spanring_step step, const struct spanring_start_options *start);

/* Ends any span with OK. Of the root of a run it ends the span alone, and the run goes on
 * in other modules. */
int spanring_step_end(struct spanring_span *span);

/* Ends any span as failed, and with the root of a run the run: the exception is recorded, as
 * spanring_record_exception() does it, and the status is ERROR. `type` is a word
 * ("TimeoutError", "429"); `message` may be NULL. */
int spanring_fail(struct spanring_span *span, const char *type, const char *message);

/* A module's span, "<ns>.module.<module>", a CHAIN; ended by spanring_step_end(), or by
 * spanring_end() if there is nothing to be said of it. */
int spanring_module_begin(struct spanring_span *ret_span, const char *ns, const char *module,
			  const struct spanring_start_options *start);

/* Runs are begun by spanring_run_begin(), whose `goal` makes the root an AGENT with
 * `user_goal`, and ended by spanring_run_end_with(): spanring.h. */

/* ---- tokens -------------------------------------------------------------------- */

/* What a call has used; -1 unknown. Written are those that are known. */
struct spanring_usage {
	int64_t input_tokens;	       /* of the whole prompt */
	int64_t output_tokens;	       /* of the whole answer */
	int64_t cache_read_tokens;     /* of the prompt, read from a cache */
	int64_t cache_creation_tokens; /* of the prompt, written to a cache */
	int64_t reasoning_tokens;      /* of the answer, not shown in it */
	int64_t reserved[3];	       /* -1 */
};

static inline struct spanring_usage spanring_usage_unknown_(void)
{
	struct spanring_usage usage;

	usage.input_tokens = usage.output_tokens = -1;
	usage.cache_read_tokens = usage.cache_creation_tokens = -1;
	usage.reasoning_tokens = -1;
	usage.reserved[0] = usage.reserved[1] = usage.reserved[2] = -1;
	return usage;
}
#define SPANRING_USAGE_INIT spanring_usage_unknown_()

/* Sets gen_ai.usage.*: on a call, a turn, or any span that stands for some. */
int spanring_set_usage(struct spanring_span *span, const struct spanring_usage *usage);

/* Reads the counts out of a vendor's answer, a whole JSON text of Gemini
 * (usageMetadata), OpenAI (usage, of chat completions and of responses) or Anthropic
 * (usage), or of who answers in one of these forms. What is counted apart there is added
 * up, so that the five numbers mean the same for all: Anthropic's prompt without its
 * cached part, Gemini's thoughts and tool prompts.
 *
 * What the answer does not say is left as it was, so the events of a stream can be given
 * one after the other; a later count replaces an earlier one. Nothing is allocated, and
 * any bytes may be given: deeper than 64 arrays and objects is refused.
 *
 * Returns 1, or 0 when the answer says nothing of tokens.
 * -EBADMSG	not a whole JSON text; *usage is unchanged. */
int spanring_usage_from_json(struct spanring_usage *usage, const char *json, size_t length);

/* ---- calls of models ------------------------------------------------------------- */

struct spanring_message {
	const char *role; /* "user", "assistant", "system", "tool"; NULL: of who speaks there */
	const char *text;
	size_t text_length;
};

struct spanring_llm_request {
	size_t size;
	const struct spanring_start_options *start; /* kind: else CLIENT */
	const char *name;      /* of the span; else "<operation> <model>" */
	const char *operation; /* else "chat" */
	double temperature;    /* NaN unknown; 0 is 0 */
	double top_p;	       /* NaN unknown */
	int64_t max_tokens;    /* -1 unknown */
	int64_t seed;	       /* INT64_MIN unknown */

	/* The prompt, as a text (input.value) or as messages (gen_ai.input.messages, one
	 * attribute however many they are), and the instructions that stand beside them
	 * (gen_ai.system_instructions). */
	const char *input;
	size_t input_length;
	const struct spanring_message *messages;
	size_t message_count;
	const char *instructions;
	size_t instructions_length;
};

static inline struct spanring_llm_request spanring_llm_request_unknown_(void)
{
	struct spanring_llm_request request;

	memset(&request, 0, sizeof request);
	request.size = sizeof request;
	request.temperature = request.top_p = (double)NAN;
	request.max_tokens = -1;
	request.seed = INT64_MIN;
	return request;
}
#define SPANRING_LLM_REQUEST_INIT spanring_llm_request_unknown_()

/* Where some pipelines cut the text of an answer, and to what. */
#define SPANRING_TEXT_MAX 8192
#define SPANRING_TEXT_KEPT 8000

struct spanring_llm_response {
	size_t size;
	const char *text; /* gen_ai.response.content, verbatim */
	size_t text_length;
	const char *model; /* that answered; not written unless said */
	const char *id;
	const char *const *finish_reasons; /* "stop", "length", ... */
	size_t finish_reason_count;
	struct spanring_usage usage;

	/* A text of more characters than text_max (SPANRING_TEXT_MAX) is cut to its first
	 * text_kept (0: SPANRING_TEXT_KEPT, or text_max where that is less) and
	 * "...[truncated]", and the span says so: gen_ai.response.truncated,
	 * agento.response.truncated_reason and agento.response.length, the characters
	 * there were. 0: never. */
	uint32_t text_max;
	uint32_t text_kept;

	/* The answer as messages, beside its text or instead of it: gen_ai.output.messages, one
	 * for each finish reason. They are not cut. */
	const struct spanring_message *messages;
	size_t message_count;
};

static inline struct spanring_llm_response spanring_llm_response_unknown_(void)
{
	struct spanring_llm_response response;

	memset(&response, 0, sizeof response);
	response.size = sizeof response;
	response.usage = spanring_usage_unknown_();
	return response;
}
#define SPANRING_LLM_RESPONSE_INIT spanring_llm_response_unknown_()

/* Begins the span of one call: an LLM (an EMBEDDING, where the operation is "embeddings"),
 * with gen_ai.system as you give it, gen_ai.provider.name as spanring_provider_name() has
 * it, gen_ai.operation.name and gen_ai.request.*. `request` may be NULL, and so may vendor
 * and model, which are not written then. */
int spanring_llm_begin(struct spanring_span *ret_call, const char *vendor, const char *model,
		       const struct spanring_llm_request *request);

/* Ends it with what came back; `response` may be NULL. */
int spanring_llm_end(struct spanring_span *call, const struct spanring_llm_response *response);

/* The name that OpenTelemetry has for a vendor: "gcp.gemini" for "gemini", "gcp.vertex_ai"
 * for "vertex_ai", "x_ai" for "xai", ...; an unknown vendor is called what it is called.
 * SPANRING_GENAI_NAMES=old or =new has the helpers write gen_ai.system alone, or
 * gen_ai.provider.name alone; both are written without it. */
const char *spanring_provider_name(const char *vendor);

/* ---- agents, turns, tools ----------------------------------------------------------- */

struct spanring_agent_options {
	size_t size;
	const struct spanring_start_options *start;
	const char *vendor; /* gen_ai.system, gen_ai.provider.name */
	const char *model;  /* gen_ai.request.model */
	const char *agent;  /* gen_ai.agent.name */
	const char *input;  /* the question: input.value */
	size_t input_length;
	/* Where the agent is all there is: its span is the root of a run that begins with
	 * it and ends with it, as spanring_run_begin() has it with these options, whose
	 * `start` is not used. */
	const struct spanring_run_options *run;
};

#define SPANRING_AGENT_OPTIONS_INIT SPANRING_SIZED_(spanring_agent_options)

/* An agent at work: "agent.run <runner>", an AGENT with agent.runner. */
int spanring_agent_begin(struct spanring_span *ret_agent, const char *runner,
			 const struct spanring_agent_options *options);

/* Ends it, and its run if it began one. The answer is output.value, and agent.final_response
 * of an agent with a `run`; it and `usage` may be NULL. */
int spanring_agent_end(struct spanring_span *agent, const char *answer, size_t length,
		       const struct spanring_usage *usage);

/* One turn of it: "agent.turn", a CHAIN with turn.index. */
int spanring_turn_begin(struct spanring_span *ret_turn, int64_t index,
			const struct spanring_start_options *start);

/* Ends it with the tokens of its calls; `usage` may be NULL. */
int spanring_turn_end(struct spanring_span *turn, const struct spanring_usage *usage);

struct spanring_tool_options {
	size_t size;
	const struct spanring_start_options *start;
	const char *server;	 /* tool.server: which of several has the tool */
	const char *type;	 /* gen_ai.tool.type; else "function" */
	const char *description; /* gen_ai.tool.description */
	const char *call_id;	 /* gen_ai.tool.call.id, which the model chose */
	const char *arguments;	 /* gen_ai.tool.call.arguments, JSON */
	size_t arguments_length;
};

#define SPANRING_TOOL_OPTIONS_INIT SPANRING_SIZED_(spanring_tool_options)

/* A call of a tool: "tool.call", a TOOL with tool.name and gen_ai.tool.name. */
int spanring_tool_begin(struct spanring_span *ret_call, const char *tool,
			const struct spanring_tool_options *options);

/* Ends it with what it answered (gen_ai.tool.call.result), or NULL. */
int spanring_tool_end(struct spanring_span *call, const char *result, size_t length);

/* ---- trying again --------------------------------------------------------------------- */

/* One span around all attempts, one for each:
 *
 *	spanring_retry_begin(&retry, "ask_gemini", 3, NULL);
 *	while (spanring_attempt_begin(&retry)) {
 *		r = ask(...);
 *		if (r == 0) {
 *			spanring_attempt_end(&retry);
 *		} else {
 *			spanring_attempt_fail(&retry, "429", "quota exceeded");
 *			spanring_retry_sleep(&retry, NULL);
 *		}
 *	}
 *	spanring_retry_end(&retry);
 *
 * It counts the same whether tracing is on or off. The members may be read. */
struct spanring_retry {
	struct spanring_span span;    /* of all attempts */
	struct spanring_span attempt; /* the one that was begun last */
	uint32_t attempts_max;
	uint32_t attempts; /* begun */
	bool succeeded;
	bool open; /* the last one has not ended */
};

/* Begins the span around, a CHAIN with retry.max_attempts (0 is taken as 1). */
int spanring_retry_begin(struct spanring_retry *ret_retry, const char *name,
			 uint32_t attempts_max, const struct spanring_start_options *start);

/* Begins the next attempt, "attempt_0" and so on with retry.attempt: true, or false when
 * one has succeeded or all were made. An attempt that nobody ended is ended without a
 * status. */
bool spanring_attempt_begin(struct spanring_retry *retry);

/* It succeeded. */
int spanring_attempt_end(struct spanring_retry *retry);

/* It failed; error.type is on it. */
int spanring_attempt_fail(struct spanring_retry *retry, const char *type, const char *message);

/* Ends the span around: OK when an attempt succeeded; else ERROR, "All retry attempts
 * failed" or, where the loop was left earlier, "Given up after 1 of 3 attempts". */
int spanring_retry_end(struct spanring_retry *retry);

/* How long to wait between attempts: base, twice that, four times, ... and a random part,
 * but never more than the most. Without options 1 s, 1 s and 60 s. */
struct spanring_backoff {
	size_t size;
	uint32_t base_ms;
	uint32_t jitter_ms;
	uint32_t most_ms;
};

static inline struct spanring_backoff spanring_backoff_usual_(void)
{
	struct spanring_backoff backoff;

	backoff.size = sizeof backoff;
	backoff.base_ms = backoff.jitter_ms = 1000;
	backoff.most_ms = 60000;
	return backoff;
}
#define SPANRING_BACKOFF_INIT spanring_backoff_usual_()

/* min(most, base * 2^attempt + jitter * random / 2^32): nothing but its arguments counts.
 * `attempt` is the number of the one that failed, from 0. */
uint32_t spanring_backoff_ms(const struct spanring_backoff *backoff, uint32_t attempt,
			     uint32_t random);

/* Sleeps so long before the next attempt, with a random number of its own; after the last
 * attempt, and after one that succeeded, not at all. The sleep is no span, and, as any
 * sleep, a point where the thread may be cancelled.
 * -EINTR: a signal came; the attempt may be made at once, or not at all. */
int spanring_retry_sleep(const struct spanring_retry *retry,
			 const struct spanring_backoff *backoff);

/* ---- content ----------------------------------------------------------------------------- */

/* What is hidden. A hidden text is written as "__REDACTED__", under its key, so that one
 * sees that there was one. Nothing is hidden unless spanring_init() was told so, by `hide` of
 * its options or by a variable (true, 1, yes and on are alike, in any case):
 *
 *   OPENINFERENCE_HIDE_INPUTS		all below of inputs
 *   OPENINFERENCE_HIDE_OUTPUTS		all below of outputs
 *   OPENINFERENCE_HIDE_INPUT_MESSAGES	what models are sent
 *   OPENINFERENCE_HIDE_OUTPUT_MESSAGES	what models answer
 *   OPENINFERENCE_HIDE_INPUT_TEXT	the texts of what models are sent; who speaks stays
 *   OPENINFERENCE_HIDE_OUTPUT_TEXT	the texts of what models answer
 *   OPENINFERENCE_HIDE_PROMPTS		as INPUT_MESSAGES
 *   OPENINFERENCE_HIDE_CHOICES		as OUTPUT_MESSAGES
 *   OPENINFERENCE_HIDE_EMBEDDINGS_TEXT	what models are sent for embeddings
 *   OPENINFERENCE_HIDE_LLM_INVOCATION_PARAMETERS  temperature and so on
 *   OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT  false, no_content or event_only
 *		(we write no log events): both INPUTS and OUTPUTS
 *
 * Inputs are user_goal, input.value, a model's messages and instructions, and a tool's
 * arguments; outputs are agent.final_response, expected_response, output.value,
 * gen_ai.response.content and a tool's result. Attributes of your own are not looked
 * at; spanring_set_input() and spanring_set_output() are for yours. */
#define SPANRING_HIDDEN_INPUTS 0x1u
#define SPANRING_HIDDEN_OUTPUTS 0x2u
#define SPANRING_HIDDEN_INPUT_MESSAGES 0x4u
#define SPANRING_HIDDEN_OUTPUT_MESSAGES 0x8u
#define SPANRING_HIDDEN_INPUT_TEXT 0x10u
#define SPANRING_HIDDEN_OUTPUT_TEXT 0x20u
#define SPANRING_HIDDEN_EMBEDDINGS_TEXT 0x40u
#define SPANRING_HIDDEN_PARAMETERS 0x80u

#define SPANRING_REDACTED "__REDACTED__"

/* The SPANRING_HIDDEN_ bits of this process. Async-signal-safe. */
unsigned spanring_hidden(void);

/* Sets input.value or output.value, unless it is hidden. */
int spanring_set_input(struct spanring_span *span, const char *text, size_t length);
int spanring_set_output(struct spanring_span *span, const char *text, size_t length);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
