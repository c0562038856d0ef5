/* What the helpers of <spanring/genai.h> share. */
#ifndef LIBCLIENT_GENAI_H
#define LIBCLIENT_GENAI_H

#include "begin.h"
#include "content.h"
#include "spanring/semconv.h"

/* openinference.span.kind. */
static inline void genai_add_step(struct begin *begin, enum spanring_step step)
{
	begin_add_text(begin, SPANRING_ATTR_OPENINFERENCE_SPAN_KIND, spanring_step_name(step));
}

/* gen_ai.system, gen_ai.provider.name and gen_ai.request.model, as far as they are known. */
void genai_add_model(struct begin *begin, const char *vendor, const char *model);

/* A text, or that it is hidden by any of `bits`. */
static inline void genai_add_content(struct begin *begin, const char *key, const char *text,
				     size_t length, unsigned bits)
{
	if (text)
		begin_add(begin, content_text(key, text, length, bits));
}

/* The same on a span that has begun. */
int genai_set_content(struct spanring_span *span, const char *key, const char *text,
		      size_t length, unsigned bits);

/* gen_ai.usage.* into `attributes`, at most GENAI_USAGE_MAX; returns how many. */
#define GENAI_USAGE_MAX 5u
size_t genai_usage(const struct spanring_usage *usage, struct spanring_attribute *attributes);

/* Ends a span with OK unless it was told an ERROR. `r` is what came before: the first error is
 * returned. */
int genai_end(struct spanring_span *span, int r);

/* The same, and its run, if it began one. */
int genai_end_run(struct spanring_span *span, int r);

/* gen_ai.input.messages and gen_ai.output.messages, if there are any: each message a map of its
 * role, its one part and why it ended. Hidden as the switches say. */
int genai_set_input_messages(struct spanring_span *span,
			     const struct spanring_llm_request *request);
int genai_set_output_messages(struct spanring_span *span,
			      const struct spanring_llm_response *response);

/* What the calls that end a step have to say, without the end: for bindings, whose blocks
 * end later than the answer is known, and must not lose it meanwhile. */
int genai_respond(struct spanring_span *call, const struct spanring_llm_response *response);
int genai_answer(struct spanring_span *agent, const char *answer, size_t length);
int genai_result(struct spanring_span *call, const char *result, size_t length);

/* How many characters the answer has, if it is to be cut; else 0. */
uint64_t genai_answer_over(const struct spanring_llm_response *response);

/* gen_ai.response.content, cut, and what is said then. */
int genai_set_cut_answer(struct spanring_span *span,
			 const struct spanring_llm_response *response, uint64_t count);

#endif
