/* The type spanring.Span: a handle of 32 bytes. What it is told lies in the ring
 * before the call returns; that a span is forgotten, or its object collected,
 * ends nothing, as in C. */
#include "native.h"

PyTypeObject *span_type;

struct span_object *span_new(void)
{
	struct span_object *self = PyObject_New(struct span_object, span_type);

	if (self)
		memset(&self->span, 0, sizeof self->span);
	return self;
}

static void span_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_Free(self);
	Py_DECREF(type);
}

PyObject *span_invalid(void)
{
	static PyObject *invalid;

	if (!invalid)
		invalid = (PyObject *)span_new();
	return invalid;
}

static struct spanring_span *handle(PyObject *self)
{
	return &((struct span_object *)self)->span;
}

/* ---- attributes ----------------------------------------------------------------- */

static struct signature set_attribute_signature = {
	"set_attribute", {"key", "value", NULL}, 2, 2, {NULL}};

/* The two types that most attributes have, without a detour. 1: something else. */
static int set_quickly(struct spanring_span *span, PyObject *key, PyObject *value)
{
	Py_ssize_t key_length, length;
	const char *key_at, *at;
	long long number;
	int overflow;

	if (!PyUnicode_Check(key))
		return 1;
	key_at = PyUnicode_AsUTF8AndSize(key, &key_length);
	if (!key_at) {
		PyErr_Clear();
		return 1;
	}
	if (PyLong_CheckExact(value)) {
		number = PyLong_AsLongLongAndOverflow(value, &overflow);
		if (overflow)
			return 1;
		(void)spanring_span_int(span, key_at, (size_t)key_length, number);
		return 0;
	}
	if (!PyUnicode_Check(value) || PyUnicode_GetLength(value) > 4096)
		return 1;
	at = PyUnicode_AsUTF8AndSize(value, &length);
	if (!at) {
		PyErr_Clear();
		return 1;
	}
	/* What is refused is counted by the library, here as everywhere below. */
	(void)spanring_span_string(span, key_at, (size_t)key_length, at, (size_t)length);
	return 0;
}

static PyObject *span_set_attribute(PyObject *self, PyObject *const *arguments,
				    Py_ssize_t count, PyObject *names)
{
	PyObject *given[2];
	struct values values;
	int r;

	if (signature_bind(&set_attribute_signature, arguments, count, names, given) < 0)
		return NULL;
	if (!handle(self)->epoch || set_quickly(handle(self), given[0], given[1]) == 0)
		Py_RETURN_NONE;
	values_init(&values);
	r = values_add(&values, given[0], given[1]);
	if (r == 0)
		(void)spanring_set_attributes(handle(self), values.attributes, values.count);
	values_release(&values);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *span_set_attributes(PyObject *self, PyObject *attributes)
{
	struct values values;
	int r;

	if (!handle(self)->epoch)
		Py_RETURN_NONE;
	values_init(&values);
	r = values_add_all(&values, attributes);
	if (r == 0)
		(void)spanring_set_attributes(handle(self), values.attributes, values.count);
	values_release(&values);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- events, links -------------------------------------------------------------- */

static struct signature add_event_signature = {
	"add_event", {"name", "attributes", "timestamp", NULL}, 1, 3, {NULL}};

static PyObject *span_add_event(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
				PyObject *names)
{
	struct values values;
	PyObject *given[3];
	struct text name;
	uint64_t time;
	int r;

	if (signature_bind(&add_event_signature, arguments, count, names, given) < 0)
		return NULL;
	if (!handle(self)->epoch)
		Py_RETURN_NONE;
	time = argument_time(given[2]);
	values_init(&values);
	r = values_text(&values, given[0], &name);
	if (r == 0)
		r = values_add_all(&values, given[1]);
	if (r == 0)
		(void)spanring_span_event(handle(self), name.at, name.length, time,
					  values.attributes, values.count);
	values_release(&values);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

static struct signature add_link_signature = {
	"add_link", {"context", "attributes", NULL}, 1, 2, {NULL}};

static PyObject *span_add_link(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
			       PyObject *names)
{
	struct spanring_context context;
	struct spanring_link link = {.context = &context};
	struct values values;
	PyObject *given[2];
	int r;

	if (signature_bind(&add_link_signature, arguments, count, names, given) < 0)
		return NULL;
	if (!handle(self)->epoch)
		Py_RETURN_NONE;
	values_init(&values);
	r = place_from(given[0], &context);
	if (r == 0)
		memset(&context, 0, sizeof context); /* refused there, and counted */
	if (r >= 0)
		r = values_add_all(&values, given[1]);
	if (r == 0) {
		link.attributes = values.attributes;
		link.attribute_count = values.count;
		(void)spanring_span_link(handle(self), &link);
	}
	values_release(&values);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- exceptions ----------------------------------------------------------------- */

/* (type, message, stack trace), or NULL without an exception. */
static PyObject *describe(PyObject *exception)
{
	PyObject *texts;

	if (!hooks.describe)
		return NULL;
	texts = PyObject_CallFunctionObjArgs(hooks.describe, exception, NULL);
	if (!texts || !PyTuple_Check(texts) || PyTuple_Size(texts) != 3) {
		PyErr_Clear();
		Py_CLEAR(texts);
	}
	return texts;
}

static void write_failure(struct spanring_span *span, const struct text *type,
			  const struct text *message)
{
	(void)spanring_span_string(span, "error.type", 10, type->at, type->length);
	(void)spanring_span_status(span, SPANRING_STATUS_ERROR, message->at, message->length);
}

static int write_exception(struct spanring_span *span, PyObject *texts, PyObject *attributes,
			   uint64_t time_unix_ns, int failed)
{
	static const char *const keys[] = {"exception.type", "exception.message",
					   "exception.stacktrace"};
	struct values values;
	struct text text[3];
	int r = 0;

	values_init(&values);
	for (int i = 0; i < 3 && r == 0; i++) {
		r = values_text(&values, PyTuple_GetItem(texts, i), &text[i]);
		if (r == 0)
			values.attributes[values.count++] =
				spanring_string_n(keys[i], text[i].at, text[i].length);
	}
	if (r == 0)
		r = values_add_all(&values, attributes);
	if (r == 0)
		(void)spanring_span_event(span, "exception", 9, time_unix_ns, values.attributes,
					  values.count);
	if (r == 0 && failed)
		write_failure(span, &text[0], &text[1]);
	values_release(&values);
	return r;
}

int span_record_exception(struct span_object *self, PyObject *exception, PyObject *attributes,
			  uint64_t time_unix_ns, int failed)
{
	PyObject *texts;
	int r;

	if (!self->span.epoch)
		return 0;
	texts = describe(exception);
	if (!texts) {
		value_counters.dropped++;
		return 0;
	}
	r = write_exception(&self->span, texts, attributes, time_unix_ns, failed);
	Py_DECREF(texts);
	return r;
}

int span_set_failed(struct span_object *self, PyObject *exception)
{
	PyObject *texts = self->span.epoch ? describe(exception) : NULL;
	struct text type, message;
	struct values values;
	int r;

	if (!texts)
		return 0;
	values_init(&values);
	r = values_text(&values, PyTuple_GetItem(texts, 0), &type);
	if (r == 0)
		r = values_text(&values, PyTuple_GetItem(texts, 1), &message);
	if (r == 0)
		write_failure(&self->span, &type, &message);
	values_release(&values);
	Py_DECREF(texts);
	return r;
}

static struct signature record_exception_signature = {
	"record_exception",
	{"exception", "attributes", "timestamp", "escaped", NULL},
	1,
	4,
	{NULL}};

static PyObject *span_record(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
			     PyObject *names)
{
	PyObject *given[4];

	if (signature_bind(&record_exception_signature, arguments, count, names, given) < 0 ||
	    span_record_exception((struct span_object *)self, given[0], given[1],
				  argument_time(given[2]), 0) < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* ---- name, status, end ---------------------------------------------------------- */

static PyObject *span_update_name(PyObject *self, PyObject *name)
{
	struct values values;
	struct text text;
	int r;

	if (!handle(self)->epoch)
		Py_RETURN_NONE;
	values_init(&values);
	r = values_text(&values, name, &text);
	if (r == 0)
		(void)spanring_span_name(handle(self), text.at, text.length);
	values_release(&values);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

static struct signature set_status_signature = {
	"set_status", {"status", "description", NULL}, 1, 2, {NULL}};

/* A number, or an enumeration of such, as OpenTelemetry's StatusCode is. What is
 * none is a number out of range: refused by the library, and counted. */
static enum spanring_status status_of(PyObject *object)
{
	PyObject *value = PyLong_Check(object) ? Py_NewRef(object)
					       : PyObject_GetAttrString(object, "value");
	long status = value && PyLong_Check(value) ? PyLong_AsLong(value) : -1;

	Py_XDECREF(value);
	PyErr_Clear();
	if (status < 0 || status > SPANRING_STATUS_ERROR)
		status = SPANRING_STATUS_ERROR + 1;
	return (enum spanring_status)status;
}

static PyObject *span_set_status(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
				 PyObject *names)
{
	struct text description = {NULL, 0};
	struct values values;
	PyObject *given[2];
	int r = 0;

	if (signature_bind(&set_status_signature, arguments, count, names, given) < 0)
		return NULL;
	if (!handle(self)->epoch)
		Py_RETURN_NONE;
	values_init(&values);
	if (given[1] && given[1] != Py_None)
		r = values_text(&values, given[1], &description);
	if (r == 0)
		(void)spanring_span_status(handle(self), status_of(given[0]), description.at,
					   description.length);
	values_release(&values);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

static struct signature end_signature = {"end", {"end_time", NULL}, 0, 1, {NULL}};

static PyObject *span_end(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
			  PyObject *names)
{
	PyObject *given[1];

	if (signature_bind(&end_signature, arguments, count, names, given) < 0)
		return NULL;
	(void)spanring_end_at(handle(self), argument_time(given[0]));
	Py_RETURN_NONE;
}

static PyObject *span_enter(PyObject *self, PyObject *unused)
{
	(void)unused;
	return Py_NewRef(self);
}

static PyObject *span_exit(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
	int r = 0;

	if (count >= 2 && arguments[1] != Py_None &&
	    PyObject_IsInstance(arguments[1], PyExc_Exception) > 0)
		r = span_record_exception((struct span_object *)self, arguments[1], NULL, 0, 1);
	(void)spanring_end(handle(self));
	return r < 0 ? NULL : Py_NewRef(Py_False);
}

/* ---- what it is ----------------------------------------------------------------- */

static PyObject *span_is_recording(PyObject *self, PyObject *unused)
{
	(void)unused;
	return PyBool_FromLong(spanring_is_recording(handle(self)));
}

static PyObject *span_get_span_context(PyObject *self, PyObject *unused)
{
	struct spanring_context context;

	(void)unused;
	if (spanring_span_context(handle(self), &context) < 0)
		memset(&context, 0, sizeof context);
	return place_new(&context);
}

static PyObject *span_trace_id_hex(PyObject *self, void *unused)
{
	char text[SPANRING_TRACE_ID_SIZE];

	(void)unused;
	spanring_trace_id_hex(handle(self), text);
	return PyUnicode_FromString(text);
}

static PyObject *span_span_id_hex(PyObject *self, void *unused)
{
	char text[SPANRING_SPAN_ID_SIZE];

	(void)unused;
	spanring_span_id_hex(handle(self), text);
	return PyUnicode_FromString(text);
}

static PyObject *span_repr(PyObject *self)
{
	char trace[SPANRING_TRACE_ID_SIZE], span[SPANRING_SPAN_ID_SIZE];

	spanring_trace_id_hex(handle(self), trace);
	spanring_span_id_hex(handle(self), span);
	return PyUnicode_FromFormat("<spanring.Span %s of trace %s%s>", span, trace,
				    spanring_is_recording(handle(self)) ? ""
									: ", not recording");
}

/* ---- the type ------------------------------------------------------------------- */

#define FAST(function) ((PyCFunction)(void (*)(void))(function))
#define FAST_NAMED (METH_FASTCALL | METH_KEYWORDS)

static PyMethodDef span_methods[] = {
	{"set_attribute", FAST(span_set_attribute), FAST_NAMED,
	 "set_attribute(key, value)\n--\n\nSets one attribute."},
	{"set_attributes", span_set_attributes, METH_O,
	 "set_attributes(attributes)\n--\n\nSets all of a mapping."},
	{"add_event", FAST(span_add_event), FAST_NAMED,
	 "add_event(name, attributes=None, timestamp=None)\n--\n\n"
	 "Something that happened, now or at a time in nanoseconds."},
	{"add_link", FAST(span_add_link), FAST_NAMED,
	 "add_link(context, attributes=None)\n--\n\nA relation to another span."},
	{"set_status", FAST(span_set_status), FAST_NAMED,
	 "set_status(status, description=None)\n--\n\nOK is final; UNSET is ignored."},
	{"update_name", span_update_name, METH_O, "update_name(name)\n--\n\nAnother name."},
	{"record_exception", FAST(span_record), FAST_NAMED,
	 "record_exception(exception, attributes=None, timestamp=None, escaped=False)\n--\n\n"
	 "An event `exception` with its stack trace; the status stays as it is."},
	{"end", FAST(span_end), FAST_NAMED,
	 "end(end_time=None)\n--\n\nEnds the span; later calls do nothing."},
	{"is_recording", span_is_recording, METH_NOARGS,
	 "is_recording()\n--\n\nWhether calls are recorded."},
	{"get_span_context", span_get_span_context, METH_NOARGS,
	 "get_span_context()\n--\n\nThe span's place, as a SpanContext."},
	{"__enter__", span_enter, METH_NOARGS, NULL},
	{"__exit__", FAST(span_exit), METH_FASTCALL, NULL},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef span_members[] = {
	{"trace_id_hex", span_trace_id_hex, NULL, "The trace id for log lines: 32 digits.",
	 NULL},
	{"span_id_hex", span_span_id_hex, NULL, "The span id for log lines: 16 digits.", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyObject *span_not_made(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
	(void)type;
	(void)arguments;
	(void)names;
	PyErr_SetString(PyExc_TypeError,
			"spans are made by spanring.get_tracer().start_span()");
	return NULL;
}

static PyType_Slot span_slots[] = {
	{Py_tp_dealloc, span_dealloc},
	{Py_tp_methods, span_methods},
	{Py_tp_getset, span_members},
	{Py_tp_repr, span_repr},
	{Py_tp_new, span_not_made},
	{Py_tp_doc,
	 "A span. Made by Tracer.start_span(). As a context manager it ends itself, and "
	 "says ERROR when an exception leaves the block; it does not become current."},
	{0, NULL},
};

static PyType_Spec span_spec = {
	.name = "spanring.Span",
	.basicsize = sizeof(struct span_object),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = span_slots,
};

int span_add_type(PyObject *module)
{
	struct signature *signatures[] = {&set_attribute_signature, &add_event_signature,
					  &add_link_signature,	    &record_exception_signature,
					  &set_status_signature,    &end_signature};

	for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++)
		if (signature_init(signatures[i]) < 0)
			return -1;
	span_type = (PyTypeObject *)PyType_FromSpec(&span_spec);
	if (!span_type)
		return -1;
	return module_add(module, "Span", (PyObject *)span_type);
}
