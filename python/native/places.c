/* Contexts: a span's place in a trace, in Python's form and in the library's. */
#include "native.h"

/* A member that is a whole number, as `size` bytes, most significant first.
 * 1, or 0 for anything else. */
static int take_id(PyObject *object, const char *member, uint8_t *ret_id, Py_ssize_t size)
{
	PyObject *number = PyObject_GetAttrString(object, member), *bytes = NULL;
	Py_ssize_t length = 0;
	char *at = NULL;
	int r;

	if (number && PyLong_Check(number))
		bytes = PyObject_CallMethod(number, "to_bytes", "ns", size, "big");
	r = bytes && PyBytes_AsStringAndSize(bytes, &at, &length) == 0 && length == size;
	if (r)
		memcpy(ret_id, at, (size_t)size);
	Py_XDECREF(bytes);
	Py_XDECREF(number);
	return r;
}

static void take_state(PyObject *state, struct spanring_context *context)
{
	PyObject *header = NULL;
	const char *text = NULL;
	Py_ssize_t length = 0;

	if (PyUnicode_Check(state))
		header = Py_NewRef(state);
	else if (PyObject_HasAttrString(state, "to_header"))
		header = PyObject_CallMethod(state, "to_header", NULL);
	if (header && PyUnicode_Check(header))
		text = PyUnicode_AsUTF8AndSize(header, &length);
	if (text && length <= SPANRING_TRACESTATE_MAX) {
		memcpy(context->tracestate, text, (size_t)length);
		context->tracestate_length = (uint16_t)length;
	}
	Py_XDECREF(header);
}

static void take_rest(PyObject *object, struct spanring_context *context)
{
	PyObject *flags = PyObject_GetAttrString(object, "trace_flags");
	PyObject *remote = PyObject_GetAttrString(object, "is_remote");
	PyObject *state = PyObject_GetAttrString(object, "trace_state");

	if (flags && PyLong_Check(flags))
		context->trace_flags = (uint8_t)PyLong_AsLong(flags) & 0x03u;
	context->is_remote = remote && PyObject_IsTrue(remote) > 0;
	if (state && state != Py_None)
		take_state(state, context);
	Py_XDECREF(flags);
	Py_XDECREF(remote);
	Py_XDECREF(state);
}

/* Exceptions of the members' own: a failure of theirs is no context. */
static int no_worse(int r)
{
	if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception))
		return -1;
	PyErr_Clear();
	return r;
}

int place_from(PyObject *object, struct spanring_context *ret_context)
{
	PyObject *inner = NULL;
	int r;

	if (span_check(object))
		return spanring_span_context(&((struct span_object *)object)->span,
					     ret_context) == 0;
	memset(ret_context, 0, sizeof *ret_context);
	/* Another library's span. */
	if (PyObject_HasAttrString(object, "get_span_context")) {
		inner = PyObject_CallMethod(object, "get_span_context", NULL);
		object = inner;
	}
	r = object && take_id(object, "trace_id", ret_context->trace_id, 16) &&
	    take_id(object, "span_id", ret_context->span_id, 8);
	if (r)
		take_rest(object, ret_context);
	Py_XDECREF(inner);
	return no_worse(r && spanring_context_is_valid(ret_context));
}

/* ---- to Python ------------------------------------------------------------------ */

static PyObject *id_number(const uint8_t *id, size_t size)
{
	char text[33];

	for (size_t i = 0; i < size; i++)
		PyOS_snprintf(text + 2 * i, 3, "%02x", id[i]);
	return PyLong_FromString(text, NULL, 16);
}

PyObject *place_new(const struct spanring_context *context)
{
	PyObject *trace = id_number(context->trace_id, sizeof context->trace_id);
	PyObject *span = id_number(context->span_id, sizeof context->span_id);
	PyObject *made = NULL;

	if (trace && span)
		made = PyObject_CallFunction(hooks.span_context, "OOis#O", trace, span,
					     (int)context->trace_flags, context->tracestate,
					     (Py_ssize_t)context->tracestate_length,
					     context->is_remote ? Py_True : Py_False);
	Py_XDECREF(trace);
	Py_XDECREF(span);
	return made;
}

/* ---- links ---------------------------------------------------------------------- */

static int add_link_attributes(struct spanring_link *link, struct values *values,
			       PyObject *attributes)
{
	size_t first = values->count;

	if (values_add_copy(values, attributes) < 0)
		return -1;
	link->attribute_count = values->count - first;
	/* Where they are is said when all are there: they may still move. */
	link->attributes = NULL;
	return 0;
}

static int add_link(struct links *links, struct values *values, PyObject *object)
{
	struct spanring_context *context = &links->contexts[links->count];
	PyObject *place = NULL, *attributes = NULL;
	int r;

	if (!span_check(object) && PyObject_HasAttrString(object, "context")) {
		place = PyObject_GetAttrString(object, "context");
		attributes = PyObject_GetAttrString(object, "attributes");
		PyErr_Clear();
	}
	r = place_from(place ? place : object, context);
	if (r == 0) {
		memset(context, 0, sizeof *context); /* refused by the library, counted */
		values_warn(TROUBLE_ARGUMENT, "a link names no span", object);
	}
	links->links[links->count].context = context;
	if (r >= 0)
		r = add_link_attributes(&links->links[links->count], values, attributes);
	links->count++;
	Py_XDECREF(place);
	Py_XDECREF(attributes);
	return r;
}

/* The links' attributes lie behind each other, the last ones last. */
static void place_attributes(struct links *links, const struct values *values)
{
	size_t first = 0;

	for (size_t i = 0; i < links->count; i++) {
		links->links[i].attributes = values->attributes + first;
		first += links->links[i].attribute_count;
	}
}

int links_from(struct links *ret_links, struct values *values, PyObject *sequence)
{
	PyObject *tuple;
	size_t count;
	int r = 0;

	memset(ret_links, 0, sizeof *ret_links);
	if (!sequence || sequence == Py_None)
		return 0;
	tuple = PySequence_Tuple(sequence);
	if (!tuple) {
		value_counters.dropped++;
		return no_worse(0);
	}
	count = (size_t)PyTuple_Size(tuple);
	ret_links->links = PyMem_Calloc(count + 1, sizeof ret_links->links[0]);
	ret_links->contexts = PyMem_Calloc(count + 1, sizeof ret_links->contexts[0]);
	if (!ret_links->links || !ret_links->contexts)
		count = 0;
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_link(ret_links, values, PyTuple_GetItem(tuple, (Py_ssize_t)i));
	Py_DECREF(tuple);
	place_attributes(ret_links, values);
	return r;
}

void links_release(struct links *links)
{
	PyMem_Free(links->links);
	PyMem_Free(links->contexts);
}
