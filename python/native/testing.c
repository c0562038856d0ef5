/* The sink of <spanring/testing.h>: what was recorded, as Python's objects. */
#include "native.h"

#include <spanring/testing.h>

static PyObject *value_of(const struct spanring_attribute *attribute);

/* ---- values --------------------------------------------------------------------- */

static PyObject *text_of(const char *text, size_t length)
{
	return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "replace");
}

static PyObject *element_of(const struct spanring_attribute *array, size_t at)
{
	switch (array->type) {
	case SPANRING_TYPE_STRINGS:
		return array->value.strings[at] ? text_of(array->value.strings[at],
							  strlen(array->value.strings[at]))
						: Py_NewRef(Py_None);
	case SPANRING_TYPE_BOOLS:
		return PyBool_FromLong(array->value.booleans[at]);
	case SPANRING_TYPE_INTS:
		return PyLong_FromLongLong(array->value.integers[at]);
	case SPANRING_TYPE_DOUBLES:
		return PyFloat_FromDouble(array->value.reals[at]);
	default:
		return value_of(&array->value.attributes[at]);
	}
}

static PyObject *list_of(const struct spanring_attribute *array)
{
	PyObject *list = PyList_New(0), *element;

	for (size_t i = 0; list && i < array->length; i++) {
		element = element_of(array, i);
		if (!element || PyList_Append(list, element) < 0)
			Py_CLEAR(list);
		Py_XDECREF(element);
	}
	return list;
}

static PyObject *dict_of(const struct spanring_attribute *attributes, size_t count)
{
	PyObject *dict = PyDict_New(), *key, *value;

	for (size_t i = 0; dict && i < count; i++) {
		key = text_of(attributes[i].key, attributes[i].key_length);
		value = value_of(&attributes[i]);
		if (!key || !value || PyDict_SetItem(dict, key, value) < 0)
			Py_CLEAR(dict);
		Py_XDECREF(key);
		Py_XDECREF(value);
	}
	return dict;
}

static PyObject *value_of(const struct spanring_attribute *attribute)
{
	switch (attribute->type) {
	case SPANRING_TYPE_STRING:
		return text_of(attribute->value.string, attribute->length);
	case SPANRING_TYPE_BOOL:
		return PyBool_FromLong(attribute->value.boolean);
	case SPANRING_TYPE_INT:
		return PyLong_FromLongLong(attribute->value.integer);
	case SPANRING_TYPE_DOUBLE:
		return PyFloat_FromDouble(attribute->value.real);
	case SPANRING_TYPE_BYTES:
		return PyBytes_FromStringAndSize(attribute->value.at,
						 (Py_ssize_t)attribute->length);
	case SPANRING_TYPE_MAP:
		return dict_of(attribute->value.attributes, attribute->length);
	case SPANRING_TYPE_EMPTY:
		return Py_NewRef(Py_None);
	default:
		return list_of(attribute);
	}
}

/* ---- spans ---------------------------------------------------------------------- */

static PyObject *whole_text(const char *text)
{
	return text_of(text ? text : "", text ? strlen(text) : 0);
}

/* (name, time, attributes) */
static PyObject *events_of(const struct spanring_test_span *span)
{
	PyObject *list = PyList_New(0), *entry;

	for (size_t i = 0; list && i < span->event_count; i++) {
		const struct spanring_test_event *event = &span->events[i];

		entry = Py_BuildValue("(NKN)", whole_text(event->name),
				      (unsigned long long)event->time_unix_ns,
				      dict_of(event->attributes, event->attribute_count));
		if (!entry || PyList_Append(list, entry) < 0)
			Py_CLEAR(list);
		Py_XDECREF(entry);
	}
	return list;
}

/* (context, attributes) */
static PyObject *links_of(const struct spanring_test_span *span)
{
	PyObject *list = PyList_New(0), *entry;

	for (size_t i = 0; list && i < span->link_count; i++) {
		const struct spanring_test_link *link = &span->links[i];

		entry = Py_BuildValue("(NN)", place_new(&link->context),
				      dict_of(link->attributes, link->attribute_count));
		if (!entry || PyList_Append(list, entry) < 0)
			Py_CLEAR(list);
		Py_XDECREF(entry);
	}
	return list;
}

static PyObject *place_of(const struct spanring_test_span *span)
{
	struct spanring_context context;
	size_t length = span->tracestate ? strlen(span->tracestate) : 0;

	memset(&context, 0, sizeof context);
	memcpy(context.trace_id, span->trace_id, sizeof context.trace_id);
	memcpy(context.span_id, span->span_id, sizeof context.span_id);
	context.trace_flags = span->trace_flags;
	if (length <= SPANRING_TRACESTATE_MAX) {
		context.tracestate_length = (uint16_t)length;
		memcpy(context.tracestate, span->tracestate ? span->tracestate : "", length);
	}
	return place_new(&context);
}

static unsigned long long id_of(const uint8_t id[8])
{
	unsigned long long number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | id[i];
	return number;
}

/* As a dict by the names of spanring.testing.RecordedSpan; the parent by its number in
 * the list, or -1. */
static PyObject *span_of(const struct spanring_test_spans *spans,
			 const struct spanring_test_span *span)
{
	return Py_BuildValue(
		"{s:N,s:N,s:K,s:n,s:i,s:i,s:N,s:O,s:K,s:K,s:N,s:N,s:N,s:I,s:I,s:I,s:N,s:N,s:N}",
		"name", whole_text(span->name), "context", place_of(span), "parent_span_id",
		id_of(span->parent_span_id), "parent",
		span->parent ? (Py_ssize_t)(span->parent - spans->spans) : (Py_ssize_t)-1,
		"kind", (int)span->kind, "status", (int)span->status, "status_message",
		whole_text(span->status_message), "ended", span->ended ? Py_True : Py_False,
		"start_time", (unsigned long long)span->start_unix_ns, "end_time",
		(unsigned long long)span->end_unix_ns, "attributes",
		dict_of(span->attributes, span->attribute_count), "events", events_of(span),
		"links", links_of(span), "dropped_attributes", span->dropped_attributes,
		"dropped_events", span->dropped_events, "dropped_links", span->dropped_links,
		"scope", whole_text(span->scope), "scope_version",
		whole_text(span->scope_version), "resource",
		dict_of(span->resource, span->resource_count));
}

/* ---- the sink ------------------------------------------------------------------- */

static PyObject *testing_begin(PyObject *module, PyObject *arguments, PyObject *names)
{
	int r = library_begin(arguments, names, spanring_test_begin);

	(void)module;
	return PyErr_Occurred() ? NULL : PyLong_FromLong(r);
}

static PyObject *testing_end(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	Py_BEGIN_ALLOW_THREADS spanring_test_end();
	Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *testing_directory(PyObject *module, PyObject *unused)
{
	const char *directory = spanring_test_directory();

	(void)module;
	(void)unused;
	return directory ? PyUnicode_DecodeFSDefault(directory) : Py_NewRef(Py_None);
}

static struct spanring_test_spans *snapshot(void)
{
	struct spanring_test_spans *spans;

	Py_BEGIN_ALLOW_THREADS spans = spanring_test_snapshot();
	Py_END_ALLOW_THREADS if (!spans) PyErr_SetString(
		PyExc_RuntimeError,
		"nothing is recorded here: use it within spanring.testing.sink()");
	return spans;
}

/* (list of spans, refused calls) */
static PyObject *testing_snapshot(PyObject *module, PyObject *unused)
{
	struct spanring_test_spans *spans = snapshot();
	PyObject *list = spans ? PyList_New(0) : NULL, *span, *both = NULL;

	(void)module;
	(void)unused;
	for (size_t i = 0; list && i < spans->count; i++) {
		span = span_of(spans, &spans->spans[i]);
		if (!span || PyList_Append(list, span) < 0)
			Py_CLEAR(list);
		Py_XDECREF(span);
	}
	if (list)
		both = Py_BuildValue("(NI)", list, spans->refused);
	spanring_test_free(spans);
	return both;
}

static PyObject *testing_text(PyObject *module, PyObject *names_only)
{
	int names = PyObject_IsTrue(names_only);
	struct spanring_test_spans *spans = names < 0 ? NULL : snapshot();
	char *text = spans ? spanring_test_text(spans, names ? SPANRING_TEST_NAMES : 0) : NULL;
	PyObject *made = NULL;

	(void)module;
	if (text)
		made = text_of(text, strlen(text));
	else if (!PyErr_Occurred())
		PyErr_NoMemory();
	free(text);
	spanring_test_free(spans);
	return made;
}

PyMethodDef testing_methods[] = {
	{"test_begin", (PyCFunction)(void (*)(void))testing_begin, METH_VARARGS | METH_KEYWORDS,
	 NULL},
	{"test_end", testing_end, METH_NOARGS, NULL},
	{"test_directory", testing_directory, METH_NOARGS, NULL},
	{"test_snapshot", testing_snapshot, METH_NOARGS, NULL},
	{"test_text", testing_text, METH_O, NULL},
	{NULL, NULL, 0, NULL},
};
