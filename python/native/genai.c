/* The helpers of <spanring/genai.h>: what a step is called and what it says is the
 * library's, so that a step in Python reads as one in C. What begins one is made current
 * by contextvars, and what it says is written when it is said, not at its end. */
#include "steps.h"

/* libclient's own: answers without an end. */
#include "genai.h"

#define FAST(function) ((PyCFunction)(void (*)(void))(function))
#define FAST_NAMED (METH_FASTCALL | METH_KEYWORDS)

/* ---- steps of any kind ---------------------------------------------------------- */

static struct signature step_signature = {
	"step_begin", {"name", "step", START_NAMES, NULL}, 2, 2, {NULL}};

static PyObject *genai_step_begin(PyObject *module, PyObject *const *arguments,
				  Py_ssize_t count, PyObject *names)
{
	PyObject *given[2 + START_PARAMETERS];
	const char *name;
	struct step step;
	long kind;
	int r;

	(void)module;
	if (signature_bind(&step_signature, arguments, count, names, given) < 0)
		return NULL;
	kind = PyLong_AsLong(given[1]);
	if (kind == -1 && PyErr_Occurred())
		return NULL;
	r = step_prepare(&step, given + 2);
	if (r == 0)
		r = take_text(&step, given[0], &name);
	if (r == 0)
		(void)spanring_step_begin(&step.span->span, name ? name : "",
					  (enum spanring_step)kind, &step.start.options);
	return step_finish(&step, r);
}

static struct signature module_signature = {
	"module_begin", {"ns", "module", START_NAMES, NULL}, 2, 2, {NULL}};

static PyObject *genai_module_begin(PyObject *module, PyObject *const *arguments,
				    Py_ssize_t count, PyObject *names)
{
	PyObject *given[2 + START_PARAMETERS];
	const char *ns, *name;
	struct step step;
	int r;

	(void)module;
	if (signature_bind(&module_signature, arguments, count, names, given) < 0)
		return NULL;
	r = step_prepare(&step, given + 2);
	if (r == 0)
		r = take_text(&step, given[0], &ns);
	if (r == 0)
		r = take_text(&step, given[1], &name);
	if (r == 0)
		(void)spanring_module_begin(&step.span->span, ns, name ? name : "",
					    &step.start.options);
	return step_finish(&step, r);
}

/* OK unless it was told an ERROR. */
static PyObject *genai_step_end(PyObject *module, PyObject *span)
{
	struct spanring_span *self = step_handle(span);

	(void)module;
	if (!self)
		return NULL;
	(void)spanring_step_end(self); /* counted there */
	Py_RETURN_NONE;
}

/* And its run, if it began one. */
static PyObject *genai_agent_end(PyObject *module, PyObject *span)
{
	struct spanring_span *self = step_handle(span);

	(void)module;
	if (!self)
		return NULL;
	(void)spanring_agent_end(self, NULL, 0, NULL); /* counted there */
	Py_RETURN_NONE;
}

/* ---- agents, turns, tools ------------------------------------------------------- */

enum agent_parameter {
	AGENT_RUNNER,
	AGENT_VENDOR,
	AGENT_MODEL,
	AGENT_NAME,
	AGENT_INPUT,
	AGENT_RUN,
	AGENT_RUN_OPTIONS,
	AGENT_START = AGENT_RUN_OPTIONS + RUN_PARAMETERS,
};

static struct signature agent_signature = {
	"agent_begin",
	{"runner", "vendor", "model", "agent", "input", "run", RUN_NAMES, START_NAMES, NULL},
	1,
	1,
	{NULL}};

static int take_agent(struct step *step, struct spanring_agent_options *options,
		      struct spanring_run_options *run, PyObject *const *given)
{
	int begins = argument_flag(given[AGENT_RUN], 0);

	options->start = &step->start.options;
	options->run = begins > 0 ? run : NULL;
	if (begins < 0 || take_text(step, given[AGENT_VENDOR], &options->vendor) < 0 ||
	    take_text(step, given[AGENT_MODEL], &options->model) < 0 ||
	    take_text(step, given[AGENT_NAME], &options->agent) < 0 ||
	    take_content(&step->texts, given[AGENT_INPUT], &options->input,
			 &options->input_length) < 0)
		return -1;
	return run_take(run, &step->texts, given + AGENT_RUN_OPTIONS);
}

static PyObject *genai_agent_begin(PyObject *module, PyObject *const *arguments,
				   Py_ssize_t count, PyObject *names)
{
	struct spanring_agent_options options = SPANRING_AGENT_OPTIONS_INIT;
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	PyObject *given[AGENT_START + START_PARAMETERS];
	const char *runner;
	struct step step;
	int r;

	(void)module;
	if (signature_bind(&agent_signature, arguments, count, names, given) < 0)
		return NULL;
	r = step_prepare(&step, given + AGENT_START);
	if (r == 0)
		r = take_text(&step, given[AGENT_RUNNER], &runner);
	if (r == 0)
		r = take_agent(&step, &options, &run, given);
	if (r == 0)
		(void)spanring_agent_begin(&step.span->span, runner, &options);
	return step_finish(&step, r);
}

static struct signature turn_signature = {
	"turn_begin", {"index", START_NAMES, NULL}, 1, 1, {NULL}};

static PyObject *genai_turn_begin(PyObject *module, PyObject *const *arguments,
				  Py_ssize_t count, PyObject *names)
{
	PyObject *given[1 + START_PARAMETERS];
	struct step step;
	int64_t index = 0;
	int r;

	(void)module;
	if (signature_bind(&turn_signature, arguments, count, names, given) < 0)
		return NULL;
	take_int(given[0], &index);
	r = step_prepare(&step, given + 1);
	if (r == 0)
		(void)spanring_turn_begin(&step.span->span, index, &step.start.options);
	return step_finish(&step, r);
}

enum tool_parameter {
	TOOL_NAME,
	TOOL_SERVER,
	TOOL_TYPE,
	TOOL_DESCRIPTION,
	TOOL_CALL_ID,
	TOOL_ARGUMENTS,
	TOOL_START,
};

static struct signature tool_signature = {
	"tool_begin",
	{"tool", "server", "type", "description", "call_id", "arguments", START_NAMES, NULL},
	1,
	1,
	{NULL}};

static PyObject *genai_tool_begin(PyObject *module, PyObject *const *arguments,
				  Py_ssize_t count, PyObject *names)
{
	struct spanring_tool_options options = SPANRING_TOOL_OPTIONS_INIT;
	const char **const texts[] = {&options.server, &options.type, &options.description,
				      &options.call_id};
	PyObject *given[TOOL_START + START_PARAMETERS];
	const char *tool;
	struct step step;
	int r;

	(void)module;
	if (signature_bind(&tool_signature, arguments, count, names, given) < 0)
		return NULL;
	r = step_prepare(&step, given + TOOL_START);
	options.start = &step.start.options;
	if (r == 0)
		r = take_text(&step, given[TOOL_NAME], &tool);
	for (int i = 0; r == 0 && i < 4; i++)
		r = take_text(&step, given[TOOL_SERVER + i], texts[i]);
	if (r == 0)
		r = take_content(&step.texts, given[TOOL_ARGUMENTS], &options.arguments,
				 &options.arguments_length);
	if (r == 0)
		(void)spanring_tool_begin(&step.span->span, tool, &options);
	return step_finish(&step, r);
}

/* ---- what is said of them ------------------------------------------------------- */

typedef int say(struct spanring_span *span, const char *text, size_t length);

/* (span, text) */
static PyObject *say_text(PyObject *arguments, say *function)
{
	struct spanring_span *handle_of;
	PyObject *span, *text;
	struct values texts;
	size_t length;
	const char *at;
	int r;

	if (!PyArg_ParseTuple(arguments, "OO", &span, &text))
		return NULL;
	handle_of = step_handle(span);
	if (!handle_of)
		return NULL;
	values_init(&texts);
	r = take_content(&texts, text, &at, &length);
	if (r == 0)
		(void)function(handle_of, at, length); /* counted there */
	values_release(&texts);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *genai_agent_respond(PyObject *module, PyObject *arguments)
{
	(void)module;
	return say_text(arguments, genai_answer);
}

static PyObject *genai_tool_respond(PyObject *module, PyObject *arguments)
{
	(void)module;
	return say_text(arguments, genai_result);
}

static PyObject *genai_set_input(PyObject *module, PyObject *arguments)
{
	(void)module;
	return say_text(arguments, spanring_set_input);
}

static PyObject *genai_set_output(PyObject *module, PyObject *arguments)
{
	(void)module;
	return say_text(arguments, spanring_set_output);
}

static PyObject *genai_set_usage(PyObject *module, PyObject *arguments)
{
	struct spanring_usage usage;
	struct spanring_span *self;
	PyObject *span, *counts;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "OO", &span, &counts))
		return NULL;
	self = step_handle(span);
	if (!self)
		return NULL;
	take_usage(counts, &usage);
	(void)spanring_set_usage(self, &usage); /* counted there */
	Py_RETURN_NONE;
}

/* ---- what is known -------------------------------------------------------------- */

static PyObject *count_or_none(int64_t count)
{
	return count < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(count);
}

/* (usage before, JSON as bytes): the usage after, or None where the JSON is none. */
static PyObject *genai_usage_from_json(PyObject *module, PyObject *arguments)
{
	struct spanring_usage usage;
	PyObject *before;
	const char *json;
	Py_ssize_t length;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "Oy#", &before, &json, &length))
		return NULL;
	take_usage(before, &usage);
	if (spanring_usage_from_json(&usage, json, (size_t)length) < 0)
		Py_RETURN_NONE;
	return Py_BuildValue("(NNNNN)", count_or_none(usage.input_tokens),
			     count_or_none(usage.output_tokens),
			     count_or_none(usage.cache_read_tokens),
			     count_or_none(usage.cache_creation_tokens),
			     count_or_none(usage.reasoning_tokens));
}

static PyObject *genai_provider_name(PyObject *module, PyObject *arguments)
{
	const char *vendor;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "s", &vendor))
		return NULL;
	return PyUnicode_FromString(spanring_provider_name(vendor));
}

static PyObject *genai_step_name(PyObject *module, PyObject *arguments)
{
	const char *name;
	int step;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "i", &step))
		return NULL;
	name = spanring_step_name((enum spanring_step)step);
	return name ? PyUnicode_FromString(name) : Py_NewRef(Py_None);
}

static PyObject *genai_hidden(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	return PyLong_FromUnsignedLong(spanring_hidden());
}

static PyObject *genai_backoff_ms(PyObject *module, PyObject *arguments)
{
	struct spanring_backoff backoff = SPANRING_BACKOFF_INIT;
	unsigned int attempt, random;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "IIIII", &backoff.base_ms, &backoff.jitter_ms,
			      &backoff.most_ms, &attempt, &random))
		return NULL;
	return PyLong_FromUnsignedLong(spanring_backoff_ms(&backoff, attempt, random));
}

PyMethodDef genai_methods[] = {
	{"step_begin", FAST(genai_step_begin), FAST_NAMED, NULL},
	{"module_begin", FAST(genai_module_begin), FAST_NAMED, NULL},
	{"step_end", genai_step_end, METH_O, NULL},
	{"agent_begin", FAST(genai_agent_begin), FAST_NAMED, NULL},
	{"agent_end", genai_agent_end, METH_O, NULL},
	{"agent_respond", genai_agent_respond, METH_VARARGS, NULL},
	{"turn_begin", FAST(genai_turn_begin), FAST_NAMED, NULL},
	{"tool_begin", FAST(genai_tool_begin), FAST_NAMED, NULL},
	{"tool_respond", genai_tool_respond, METH_VARARGS, NULL},
	{"set_input", genai_set_input, METH_VARARGS, NULL},
	{"set_output", genai_set_output, METH_VARARGS, NULL},
	{"set_usage", genai_set_usage, METH_VARARGS, NULL},
	{"usage_from_json", genai_usage_from_json, METH_VARARGS, NULL},
	{"provider_name", genai_provider_name, METH_VARARGS, NULL},
	{"step_name", genai_step_name, METH_VARARGS, NULL},
	{"hidden", genai_hidden, METH_NOARGS, NULL},
	{"backoff_ms", genai_backoff_ms, METH_VARARGS, NULL},
	{NULL, NULL, 0, NULL},
};

int genai_init(void)
{
	struct signature *signatures[] = {&step_signature, &module_signature, &agent_signature,
					  &turn_signature, &tool_signature};

	for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++)
		if (signature_init(signatures[i]) < 0)
			return -1;
	return genai_llm_init();
}
