/* Calls of language models. */
#include "genai.h"

#include "spanring/semconv.h"

#define NAME_MAX_BYTES 256u
#define EMBEDDINGS "embeddings"

/* "chat gemini-1.5-pro", unless the caller has a name. Returns its length. */
static size_t span_name(const struct spanring_llm_request *request, const char *operation,
			const char *model, char buffer[NAME_MAX_BYTES], const char **ret_name)
{
	size_t length = strlen(operation), more = model ? strlen(model) + 1 : 0;

	if (request->name) {
		*ret_name = request->name;
		return strlen(request->name);
	}
	*ret_name = operation;
	if (!more || length >= NAME_MAX_BYTES)
		return length;
	if (more > NAME_MAX_BYTES - length)
		more = NAME_MAX_BYTES - length;
	memcpy(buffer, operation, length);
	buffer[length] = ' ';
	if (more > 1)
		memcpy(buffer + length + 1, model, more - 1);
	*ret_name = buffer;
	return length + more;
}

static void add_parameters(struct begin *begin, const struct spanring_llm_request *request)
{
	bool none = isnan(request->temperature) && isnan(request->top_p) &&
		    request->max_tokens < 0 && request->seed == INT64_MIN;

	if (none)
		return;
	if (content_hidden & SPANRING_HIDDEN_PARAMETERS) {
		begin_add_text(begin, SPANRING_ATTR_LLM_INVOCATION_PARAMETERS,
			       SPANRING_REDACTED);
		return;
	}
	if (!isnan(request->temperature))
		begin_add(begin, spanring_double(SPANRING_ATTR_GEN_AI_REQUEST_TEMPERATURE,
						 request->temperature));
	if (!isnan(request->top_p))
		begin_add(begin,
			  spanring_double(SPANRING_ATTR_GEN_AI_REQUEST_TOP_P, request->top_p));
	if (request->max_tokens >= 0)
		begin_add(begin, spanring_int(SPANRING_ATTR_GEN_AI_REQUEST_MAX_TOKENS,
					      request->max_tokens));
	if (request->seed != INT64_MIN)
		begin_add(begin,
			  spanring_int(SPANRING_ATTR_GEN_AI_REQUEST_SEED, request->seed));
}

/* The instructions as the one part of an array of parts; they live in the caller's frame
 * until the span has begun. */
struct instructions {
	struct spanring_attribute text[2];
	struct spanring_attribute part;
};

static void add_instructions(struct begin *begin, struct instructions *instructions,
			     const struct spanring_llm_request *request)
{
	static const char key[] = SPANRING_ATTR_GEN_AI_SYSTEM_INSTRUCTIONS;

	if (!request->instructions)
		return;
	if (content_hidden & (SPANRING_HIDDEN_INPUTS | SPANRING_HIDDEN_INPUT_MESSAGES)) {
		begin_add_text(begin, key, SPANRING_REDACTED);
		return;
	}
	instructions->text[0] = spanring_string("type", "text");
	instructions->text[1] = content_text("content", request->instructions,
					     request->instructions_length, CONTENT_MODEL_INPUT);
	instructions->part = spanring_map("", instructions->text, 2);
	begin_add(begin, spanring_values(key, &instructions->part, 1));
}

int spanring_llm_begin(struct spanring_span *ret_call, const char *vendor, const char *model,
		       const struct spanring_llm_request *request)
{
	struct spanring_llm_request known = SPANRING_LLM_REQUEST_INIT;
	unsigned hides = CONTENT_MODEL_INPUT;
	struct instructions instructions;
	const char *operation, *name;
	char buffer[NAME_MAX_BYTES];
	struct begin begin;
	bool embeds;
	size_t length;
	int r, s;

	if (!spanring_tracing)
		return spanring_start(ret_call, "", NULL);
	if (request)
		memcpy(&known, request, begin_known_size(request->size, sizeof known));
	operation = known.operation ? known.operation : "chat";
	embeds = strcmp(operation, EMBEDDINGS) == 0;
	if (embeds)
		hides |= SPANRING_HIDDEN_EMBEDDINGS_TEXT;
	length = span_name(&known, operation, model, buffer, &name);
	begin_init(&begin, known.start, SPANRING_KIND_CLIENT);
	genai_add_step(&begin, embeds ? SPANRING_STEP_EMBEDDING : SPANRING_STEP_LLM);
	genai_add_model(&begin, vendor, model);
	add_parameters(&begin, &known);
	begin_add_text(&begin, SPANRING_ATTR_GEN_AI_OPERATION_NAME, operation);
	genai_add_content(&begin, SPANRING_ATTR_INPUT_VALUE, known.input, known.input_length,
			  hides);
	add_instructions(&begin, &instructions, &known);
	r = begin_start(&begin, ret_call, name, length);
	s = genai_set_input_messages(ret_call, &known);
	return r < 0 ? r : s;
}

int genai_respond(struct spanring_span *call, const struct spanring_llm_response *response)
{
	struct spanring_llm_response known = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_attribute attributes[GENAI_USAGE_MAX + 4];
	uint64_t over = 0;
	size_t count;
	int r, s = 0;

	if (!response || !call->epoch)
		return 0;
	memcpy(&known, response, begin_known_size(response->size, sizeof known));
	count = genai_usage(&known.usage, attributes);
	if (known.model)
		attributes[count++] =
			spanring_string(SPANRING_ATTR_GEN_AI_RESPONSE_MODEL, known.model);
	if (known.id)
		attributes[count++] =
			spanring_string(SPANRING_ATTR_GEN_AI_RESPONSE_ID, known.id);
	if (known.finish_reasons)
		attributes[count++] =
			spanring_strings(SPANRING_ATTR_GEN_AI_RESPONSE_FINISH_REASONS,
					 known.finish_reasons, known.finish_reason_count);
	if (known.text)
		over = genai_answer_over(&known);
	if (known.text && !over)
		attributes[count++] =
			content_text(SPANRING_ATTR_GEN_AI_RESPONSE_CONTENT, known.text,
				     known.text_length, CONTENT_MODEL_OUTPUT);
	r = spanring_set_attributes(call, attributes, count);
	if (over)
		s = genai_set_cut_answer(call, &known, over);
	r = r < 0 ? r : s;
	s = genai_set_output_messages(call, &known);
	return r < 0 ? r : s;
}

int spanring_llm_end(struct spanring_span *call, const struct spanring_llm_response *response)
{
	return genai_end(call, genai_respond(call, response));
}
