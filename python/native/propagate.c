/* Contexts and baggage on their way to other processes: headers, environment,
 * files. The rules are the library's; a carrier is read and written by Python. */
#include "native.h"

#include <spanring/propagation.h>

#include <errno.h>

static struct signature inject_signature = {"inject", {"span", "baggage", NULL}, 0, 2, {NULL}};
static struct signature write_signature = {
	"context_to_file", {"span", "path", NULL}, 0, 2, {NULL}};
static struct signature baggage_set_signature = {
	"set", {"header", "name", "value", "metadata", NULL}, 3, 4, {NULL}};

/* A text without NULs, borrowed; NULL for None, or with an exception. */
static const char *c_text(PyObject *text)
{
	const char *at;
	Py_ssize_t length;

	if (!text || text == Py_None)
		return NULL;
	at = PyUnicode_AsUTF8AndSize(text, &length);
	if (at && strlen(at) != (size_t)length) {
		PyErr_SetString(PyExc_ValueError, "a text with a NUL in it");
		return NULL;
	}
	return at;
}

/* What came from elsewhere may be no UTF-8. */
static PyObject *foreign_text(const char *text, size_t length)
{
	return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "replace");
}

/* ---- which span ----------------------------------------------------------------- */

/* The span that is passed on: the one given, else the current one, else none, which
 * the library takes as the context this process was started in. 0, or -1 with an
 * exception. */
static int choose_span(PyObject *given, struct spanring_span *ret_span,
		       const struct spanring_span **ret_chosen)
{
	static const uint8_t none[16];
	struct spanring_context context;
	struct span_object *current;
	int r;

	*ret_chosen = NULL;
	if (given && given != Py_None) {
		r = place_from(given, &context);
		if (r < 0)
			return -1;
		memset(ret_span, 0, sizeof *ret_span);
		if (r)
			(void)spanring_span_from_context(ret_span, &context); /* is valid */
		*ret_chosen = ret_span;
		return 0;
	}
	current = current_span();
	if (!current)
		return PyErr_Occurred() ? -1 : 0;
	*ret_span = current->span;
	Py_DECREF(current);
	if (memcmp(ret_span->trace_id, none, sizeof none) != 0)
		*ret_chosen = ret_span;
	return 0;
}

/* 1, 0: there is none, -1 with an exception. */
static int choose_context(PyObject *given, struct spanring_context *ret_context)
{
	const struct spanring_span *chosen;
	struct spanring_span span;

	if (choose_span(given, &span, &chosen) < 0)
		return -1;
	if (chosen)
		return spanring_span_context(chosen, ret_context) == 0;
	return spanring_current_context(ret_context) == 0;
}

/* ---- headers -------------------------------------------------------------------- */

static void add_header(void *carrier, const char *name, const char *value)
{
	PyObject *pair = Py_BuildValue("(ss)", name, value);

	if (!pair || PyList_Append(carrier, pair) < 0)
		PyErr_Clear(); /* no memory: a header fewer */
	Py_XDECREF(pair);
}

static PyObject *propagate_inject(PyObject *module, PyObject *const *arguments,
				  Py_ssize_t count, PyObject *names)
{
	const struct spanring_baggage *before = NULL;
	const struct spanring_span *chosen;
	struct spanring_baggage baggage;
	struct spanring_span span;
	PyObject *given[2], *list;
	const char *header;

	(void)module;
	if (signature_bind(&inject_signature, arguments, count, names, given) < 0 ||
	    choose_span(given[0], &span, &chosen) < 0)
		return NULL;
	header = c_text(given[1]);
	if (PyErr_Occurred())
		return NULL;
	list = PyList_New(0);
	if (!list)
		return NULL;
	if (header) {
		(void)spanring_baggage_parse(header, strlen(header), &baggage);
		before = spanring_baggage_attach(&baggage);
	}
	(void)spanring_inject(chosen, add_header, list); /* without a context: baggage alone */
	if (header)
		(void)spanring_baggage_attach(before);
	return list;
}

static const char *get_header(void *carrier, const char *name)
{
	PyObject *value = PyDict_GetItemString(carrier, name);
	const char *text = value && PyUnicode_Check(value) ? c_text(value) : NULL;

	PyErr_Clear();
	return text;
}

/* (context or None, the header of the baggage). */
static PyObject *propagate_extract(PyObject *module, PyObject *headers)
{
	struct spanring_baggage baggage;
	struct spanring_context context;
	PyObject *place;

	(void)module;
	if (!PyDict_Check(headers)) {
		PyErr_SetString(PyExc_TypeError, "extract() takes a dict of lower-case names");
		return NULL;
	}
	if (spanring_extract(get_header, headers, &context, &baggage) == 0)
		place = place_new(&context);
	else
		place = Py_NewRef(Py_None);
	return place ? Py_BuildValue("(NN)", place, foreign_text(baggage.text, baggage.length))
		     : NULL;
}

/* ---- contexts as texts and files ------------------------------------------------ */

static PyObject *place_or_none(int r, const struct spanring_context *context)
{
	return r < 0 ? Py_NewRef(Py_None) : place_new(context);
}

static PyObject *propagate_parse(PyObject *module, PyObject *arguments)
{
	const char *traceparent, *tracestate = NULL;
	struct spanring_context context;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "s|z", &traceparent, &tracestate))
		return NULL;
	return place_or_none(spanring_context_parse(traceparent, tracestate, &context),
			     &context);
}

static PyObject *propagate_format(PyObject *module, PyObject *span)
{
	char text[SPANRING_TRACEPARENT_SIZE];
	struct spanring_context context;
	int r = choose_context(span, &context);

	(void)module;
	if (r < 0)
		return NULL;
	if (r == 0 || spanring_context_format(&context, text) < 0)
		Py_RETURN_NONE;
	return PyUnicode_FromString(text);
}

static PyObject *propagate_from_environment(PyObject *module, PyObject *unused)
{
	struct spanring_context context;

	(void)module;
	(void)unused;
	return place_or_none(spanring_context_from_environment(&context), &context);
}

static PyObject *propagate_from_file(PyObject *module, PyObject *arguments)
{
	struct spanring_context context;
	const char *path = NULL;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "|z", &path))
		return NULL;
	return place_or_none(spanring_context_from_file(path, &context), &context);
}

/* 0, or a negative errno. */
static PyObject *propagate_to_file(PyObject *module, PyObject *const *arguments,
				   Py_ssize_t count, PyObject *names)
{
	struct spanring_context context;
	PyObject *given[2];
	const char *path;
	int r;

	(void)module;
	if (signature_bind(&write_signature, arguments, count, names, given) < 0)
		return NULL;
	r = choose_context(given[0], &context);
	path = c_text(given[1]);
	if (r < 0 || PyErr_Occurred())
		return NULL;
	return PyLong_FromLong(r ? spanring_context_to_file(&context, path) : -ENOENT);
}

/* ---- baggage, as the text of its header ----------------------------------------- */

static int read_baggage(PyObject *header, struct spanring_baggage *ret_baggage)
{
	const char *text = c_text(header);

	if (PyErr_Occurred())
		return -1;
	(void)spanring_baggage_parse(text ? text : "", text ? strlen(text) : 0, ret_baggage);
	return 0;
}

/* (name, value, metadata) of each member. */
static PyObject *propagate_baggage_members(PyObject *module, PyObject *header)
{
	struct spanring_baggage_member member = {.next = 0};
	char value[SPANRING_BAGGAGE_MAX + 1];
	struct spanring_baggage baggage;
	PyObject *list, *entry;

	(void)module;
	if (read_baggage(header, &baggage) < 0)
		return NULL;
	list = PyList_New(0);
	while (list && spanring_baggage_next(&baggage, &member) == 1) {
		if (spanring_baggage_decode(member.value, member.value_length, value,
					    sizeof value) < 0)
			continue;
		entry = Py_BuildValue("(NNN)", foreign_text(member.name, member.name_length),
				      foreign_text(value, strlen(value)),
				      foreign_text(member.metadata ? member.metadata : "",
						   member.metadata_length));
		if (!entry || PyList_Append(list, entry) < 0)
			Py_CLEAR(list);
		Py_XDECREF(entry);
	}
	return list;
}

/* The new header, or None: the member makes no sense, or does not fit. */
static PyObject *propagate_baggage_set(PyObject *module, PyObject *const *arguments,
				       Py_ssize_t count, PyObject *names)
{
	const char *name, *value, *metadata;
	struct spanring_baggage baggage;
	PyObject *given[4];

	(void)module;
	if (signature_bind(&baggage_set_signature, arguments, count, names, given) < 0 ||
	    read_baggage(given[0], &baggage) < 0)
		return NULL;
	name = c_text(given[1]);
	value = PyErr_Occurred() ? NULL : c_text(given[2]);
	metadata = PyErr_Occurred() ? NULL : c_text(given[3]);
	if (PyErr_Occurred())
		return NULL;
	if (!name || !value || spanring_baggage_set(&baggage, name, value, metadata) < 0)
		Py_RETURN_NONE;
	return foreign_text(baggage.text, baggage.length);
}

static PyObject *propagate_baggage_remove(PyObject *module, PyObject *arguments)
{
	struct spanring_baggage baggage;
	PyObject *header;
	const char *name;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "Os", &header, &name) ||
	    read_baggage(header, &baggage) < 0)
		return NULL;
	(void)spanring_baggage_remove(&baggage, name); /* -ENOENT: it is as wished */
	return foreign_text(baggage.text, baggage.length);
}

/* What this process was started with. */
static PyObject *propagate_baggage_inherited(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	return foreign_text(spanring_baggage_current()->text,
			    spanring_baggage_current()->length);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))
#define FAST_NAMED (METH_FASTCALL | METH_KEYWORDS)

PyMethodDef propagate_methods[] = {
	{"inject", FAST(propagate_inject), FAST_NAMED, NULL},
	{"extract", propagate_extract, METH_O, NULL},
	{"context_parse", propagate_parse, METH_VARARGS, NULL},
	{"context_format", propagate_format, METH_O, NULL},
	{"context_from_environment", propagate_from_environment, METH_NOARGS, NULL},
	{"context_from_file", propagate_from_file, METH_VARARGS, NULL},
	{"context_to_file", FAST(propagate_to_file), FAST_NAMED, NULL},
	{"baggage_members", propagate_baggage_members, METH_O, NULL},
	{"baggage_set", FAST(propagate_baggage_set), FAST_NAMED, NULL},
	{"baggage_remove", propagate_baggage_remove, METH_VARARGS, NULL},
	{"baggage_inherited", propagate_baggage_inherited, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};

int propagate_init(void)
{
	return signature_init(&inject_signature) < 0 || signature_init(&write_signature) < 0 ||
			       signature_init(&baggage_set_signature) < 0
		       ? -1
		       : 0;
}
