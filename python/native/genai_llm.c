/* Calls of models, as <spanring/genai.h> has them. */
#include "steps.h"

/* libclient's own: answers without an end. */
#include "genai.h"

enum llm_parameter {
	LLM_VENDOR,
	LLM_MODEL,
	LLM_NAME,
	LLM_OPERATION,
	LLM_TEMPERATURE,
	LLM_TOP_P,
	LLM_MAX_TOKENS,
	LLM_SEED,
	LLM_INPUT,
	LLM_MESSAGES,
	LLM_INSTRUCTIONS,
	LLM_START,
};

static struct signature llm_signature = {"llm_begin",
					 {"vendor", "model", "name", "operation", "temperature",
					  "top_p", "max_tokens", "seed", "input", "messages",
					  "instructions", START_NAMES, NULL},
					 2,
					 2,
					 {NULL}};

/* A list of (role, text), which the caller made. NULL with an exception, or where there
 * is none; freed by PyMem_Free(). */
static struct spanring_message *take_messages(struct values *texts, PyObject *list,
					      size_t *ret_count)
{
	size_t count = list && PyList_Check(list) ? (size_t)PyList_Size(list) : 0;
	struct spanring_message *messages;
	const char *role, *text;
	PyObject *pair;

	*ret_count = 0;
	if (!list || list == Py_None)
		return NULL;
	messages = PyMem_Calloc(count + 1, sizeof *messages);
	for (size_t i = 0; messages && i < count; i++) {
		pair = PyList_GetItem(list, (Py_ssize_t)i);
		if (!pair || !PyTuple_Check(pair) || PyTuple_Size(pair) != 2)
			continue;
		if (values_closed_text(texts, PyTuple_GetItem(pair, 0), &role) < 0 ||
		    take_content(texts, PyTuple_GetItem(pair, 1), &text,
				 &messages[i].text_length) < 0) {
			PyMem_Free(messages);
			return NULL;
		}
		messages[i].role = role;
		messages[i].text = text;
	}
	*ret_count = messages ? count : 0;
	return messages;
}

static int take_request(struct step *step, struct spanring_llm_request *request,
			PyObject *const *given)
{
	take_double(given[LLM_TEMPERATURE], &request->temperature);
	take_double(given[LLM_TOP_P], &request->top_p);
	take_int(given[LLM_MAX_TOKENS], &request->max_tokens);
	take_int(given[LLM_SEED], &request->seed);
	request->start = &step->start.options;
	if (take_text(step, given[LLM_NAME], &request->name) < 0 ||
	    take_text(step, given[LLM_OPERATION], &request->operation) < 0 ||
	    take_content(&step->texts, given[LLM_INPUT], &request->input,
			 &request->input_length) < 0 ||
	    take_content(&step->texts, given[LLM_INSTRUCTIONS], &request->instructions,
			 &request->instructions_length) < 0)
		return -1;
	request->messages =
		take_messages(&step->texts, given[LLM_MESSAGES], &request->message_count);
	return PyErr_Occurred() ? -1 : 0;
}

static PyObject *genai_llm_begin(PyObject *module, PyObject *const *arguments, Py_ssize_t count,
				 PyObject *names)
{
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	PyObject *given[LLM_START + START_PARAMETERS];
	const char *vendor, *model;
	struct step step;
	int r;

	(void)module;
	if (signature_bind(&llm_signature, arguments, count, names, given) < 0)
		return NULL;
	r = step_prepare(&step, given + LLM_START);
	if (r == 0)
		r = take_text(&step, given[LLM_VENDOR], &vendor);
	if (r == 0)
		r = take_text(&step, given[LLM_MODEL], &model);
	if (r == 0)
		r = take_request(&step, &request, given);
	if (r == 0)
		(void)spanring_llm_begin(&step.span->span, vendor, model, &request);
	PyMem_Free((void *)(uintptr_t)request.messages);
	return step_finish(&step, r);
}

enum response_parameter {
	RESPONSE_SPAN,
	RESPONSE_TEXT,
	RESPONSE_MODEL,
	RESPONSE_ID,
	RESPONSE_FINISH_REASONS,
	RESPONSE_USAGE,
	RESPONSE_TEXT_MAX,
	RESPONSE_TEXT_KEPT,
	RESPONSE_PARAMETERS,
};

static struct signature respond_signature = {"llm_respond",
					     {"span", "text", "model", "id", "finish_reasons",
					      "usage", "text_max", "text_kept", NULL},
					     1,
					     1,
					     {NULL}};

#define FINISH_REASONS_MAX 64

/* A tuple of texts, which the caller made; more than anybody has are cut. */
static int take_reasons(struct values *texts, PyObject *tuple, const char **reasons,
			struct spanring_llm_response *response)
{
	Py_ssize_t count = tuple && PyTuple_Check(tuple) ? PyTuple_Size(tuple) : -1;

	if (count < 0)
		return 0;
	if (count > FINISH_REASONS_MAX) {
		value_counters.dropped += (unsigned long long)(count - FINISH_REASONS_MAX);
		count = FINISH_REASONS_MAX;
	}
	for (Py_ssize_t i = 0; i < count; i++)
		if (values_closed_text(texts, PyTuple_GetItem(tuple, i), &reasons[i]) < 0)
			return -1;
	response->finish_reasons = reasons;
	response->finish_reason_count = (size_t)count;
	return 0;
}

static int take_response(struct values *texts, struct spanring_llm_response *response,
			 const char **reasons, PyObject *const *given)
{
	int64_t text_max = 0, text_kept = 0;

	take_int(given[RESPONSE_TEXT_MAX], &text_max);
	take_int(given[RESPONSE_TEXT_KEPT], &text_kept);
	response->text_max = text_max < 0 || text_max > UINT32_MAX ? 0 : (uint32_t)text_max;
	response->text_kept = text_kept < 0 || text_kept > UINT32_MAX ? 0 : (uint32_t)text_kept;
	take_usage(given[RESPONSE_USAGE], &response->usage);
	if (take_content(texts, given[RESPONSE_TEXT], &response->text, &response->text_length) <
		    0 ||
	    values_closed_text(texts, given[RESPONSE_MODEL], &response->model) < 0 ||
	    values_closed_text(texts, given[RESPONSE_ID], &response->id) < 0)
		return -1;
	return take_reasons(texts, given[RESPONSE_FINISH_REASONS], reasons, response);
}

static PyObject *genai_llm_respond(PyObject *module, PyObject *const *arguments,
				   Py_ssize_t count, PyObject *names)
{
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	const char *reasons[FINISH_REASONS_MAX];
	PyObject *given[RESPONSE_PARAMETERS];
	struct spanring_span *span;
	struct values texts;
	int r;

	(void)module;
	if (signature_bind(&respond_signature, arguments, count, names, given) < 0)
		return NULL;
	span = step_handle(given[RESPONSE_SPAN]);
	if (!span)
		return NULL;
	values_init(&texts);
	r = take_response(&texts, &response, reasons, given);
	if (r == 0)
		(void)genai_respond(span, &response); /* counted there */
	values_release(&texts);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

PyMethodDef genai_llm_methods[] = {
	{"llm_begin", FAST(genai_llm_begin), METH_FASTCALL | METH_KEYWORDS, NULL},
	{"llm_respond", FAST(genai_llm_respond), METH_FASTCALL | METH_KEYWORDS, NULL},
	{NULL, NULL, 0, NULL},
};

int genai_llm_init(void)
{
	return signature_init(&llm_signature) < 0 || signature_init(&respond_signature) < 0 ? -1
											    : 0;
}
