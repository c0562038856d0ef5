#include "steps.h"

#include <math.h>

int step_prepare(struct step *step, PyObject *const *arguments)
{
	step->span = span_new();
	values_init(&step->texts);
	return start_prepare(&step->start, arguments, true) < 0 || !step->span ? -1 : 0;
}

PyObject *step_finish(struct step *step, int r)
{
	if (r == 0 && !spanring_tracing)
		start_stand_in(&step->start, step->span);
	if (r == 0)
		(void)spanring_detach(&step->span->span); /* current elsewhere */
	values_release(&step->texts);
	start_release(&step->start);
	if (r < 0)
		Py_CLEAR(step->span);
	return (PyObject *)step->span;
}

int take_text(struct step *step, PyObject *object, const char **ret_text)
{
	return values_closed_text(&step->texts, object, ret_text);
}

int take_content(struct values *texts, PyObject *object, const char **ret_text,
		 size_t *ret_length)
{
	struct text text;

	*ret_text = NULL;
	*ret_length = 0;
	if (!object || object == Py_None)
		return 0;
	if (values_text(texts, object, &text) < 0)
		return -1;
	*ret_text = text.at;
	*ret_length = text.length;
	return 0;
}

void take_int(PyObject *object, int64_t *number)
{
	int overflow = 0;
	long long value;

	if (!object || object == Py_None)
		return;
	value = PyLong_Check(object) ? PyLong_AsLongLongAndOverflow(object, &overflow) : 0;
	if (PyLong_Check(object) && !overflow) {
		*number = value;
		return;
	}
	value_counters.dropped++;
	values_warn(TROUBLE_ARGUMENT, "a number is no integer of 64 bits", object);
}

void take_double(PyObject *object, double *number)
{
	double value;

	if (!object || object == Py_None)
		return;
	value = PyFloat_Check(object) || PyLong_Check(object) ? PyFloat_AsDouble(object)
							      : (double)NAN;
	if (!isnan(value) && !PyErr_Occurred()) {
		*number = value;
		return;
	}
	PyErr_Clear();
	value_counters.dropped++;
	values_warn(TROUBLE_ARGUMENT, "a number is no float", object);
}

void take_usage(PyObject *object, struct spanring_usage *ret_usage)
{
	int64_t *const counts[] = {&ret_usage->input_tokens, &ret_usage->output_tokens,
				   &ret_usage->cache_read_tokens,
				   &ret_usage->cache_creation_tokens,
				   &ret_usage->reasoning_tokens};

	*ret_usage = SPANRING_USAGE_INIT;
	if (!object || !PyTuple_Check(object) || PyTuple_Size(object) != 5)
		return;
	for (Py_ssize_t i = 0; i < 5; i++)
		take_int(PyTuple_GetItem(object, i), counts[i]);
}

struct spanring_span *step_handle(PyObject *span)
{
	if (span_check(span))
		return &((struct span_object *)span)->span;
	PyErr_SetString(PyExc_TypeError, "this takes a spanring.Span");
	return NULL;
}
