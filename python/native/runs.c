/* Runs. Their root is made current by contextvars, as every span is. */
#include "native.h"

static struct signature begin_signature = {
	"run_begin", {"name", RUN_NAMES, START_NAMES, NULL}, 1, 2, {NULL}};

static struct signature end_signature = {
	"run_end", {"span", "final_response", "expected_response", NULL}, 1, 3, {NULL}};

int run_take(struct spanring_run_options *run, struct values *values,
	     PyObject *const *arguments)
{
	int join = argument_flag(arguments[RUN_JOIN], 0);

	if (join < 0 || values_closed_text(values, arguments[RUN_GOAL], &run->goal) < 0 ||
	    values_closed_text(values, arguments[RUN_CONTEXT_FILE], &run->context_file) < 0)
		return -1;
	run->join = join;
	return 0;
}

static int begin(struct span_object *self, PyObject *const *given)
{
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	struct start start;
	struct values texts;
	const char *name;
	int r = start_prepare(&start, given + 1 + RUN_PARAMETERS, true);

	values_init(&texts);
	if (r == 0)
		r = values_closed_text(&texts, given[0], &name);
	if (r == 0)
		r = run_take(&run, &texts, given + 1);
	if (r == 0) {
		run.start = &start.options;
		/* Refused: counted by the library. */
		(void)spanring_run_begin(&self->span, name ? name : "", &run);
		(void)spanring_detach(&self->span); /* current elsewhere */
	}
	values_release(&texts);
	start_release(&start);
	return r;
}

static PyObject *run_begin(PyObject *module, PyObject *const *arguments, Py_ssize_t count,
			   PyObject *names)
{
	PyObject *given[1 + RUN_PARAMETERS + START_PARAMETERS];
	struct span_object *self;

	(void)module;
	if (signature_bind(&begin_signature, arguments, count, names, given) < 0)
		return NULL;
	self = span_new();
	if (self && begin(self, given) < 0)
		Py_CLEAR(self);
	return (PyObject *)self;
}

static PyObject *run_end(PyObject *module, PyObject *const *arguments, Py_ssize_t count,
			 PyObject *names)
{
	const char *final_response, *expected_response;
	struct values texts;
	PyObject *given[3];
	int r;

	(void)module;
	if (signature_bind(&end_signature, arguments, count, names, given) < 0)
		return NULL;
	if (!span_check(given[0])) {
		PyErr_SetString(PyExc_TypeError, "run_end() takes the span of run_begin()");
		return NULL;
	}
	values_init(&texts);
	r = values_closed_text(&texts, given[1], &final_response);
	if (r == 0)
		r = values_closed_text(&texts, given[2], &expected_response);
	if (r == 0)
		(void)spanring_run_end_with(&((struct span_object *)given[0])->span,
					    final_response, expected_response);
	values_release(&texts);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

PyMethodDef run_methods[] = {
	{"run_begin", FAST(run_begin), METH_FASTCALL | METH_KEYWORDS, NULL},
	{"run_end", FAST(run_end), METH_FASTCALL | METH_KEYWORDS, NULL},
	{NULL, NULL, 0, NULL},
};

int runs_init(void)
{
	return signature_init(&begin_signature) < 0 || signature_init(&end_signature) < 0 ? -1
											  : 0;
}
