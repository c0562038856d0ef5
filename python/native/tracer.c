/* The type spanring.Tracer: an instrumentation scope, by its number. Valid
 * before configure() and after fork, so it may be made when a module is loaded. */
#include "native.h"

struct tracer_object {
	PyObject_HEAD uint32_t scope;
};

static PyTypeObject *tracer_type;

static struct signature start_signature = {
	"start_span", {"name", START_NAMES, NULL}, 1, 1, {NULL}};

/* ---- the parent ----------------------------------------------------------------- */

static int has_trace(const struct spanring_span *span)
{
	static const uint8_t none[16];

	return memcmp(span->trace_id, none, sizeof none) != 0;
}

static int take_given(struct start *start, PyObject *given)
{
	int r;

	if (span_check(given)) {
		start->options.parent = &((struct span_object *)given)->span;
		return 0;
	}
	r = place_from(given, &start->remote);
	if (r < 0)
		return -1;
	start->is_remote = r;
	if (r) {
		start->options.remote_parent = &start->remote;
	} else {
		value_counters.dropped++;
		values_warn(TROUBLE_ARGUMENT, "a parent names no span", given);
	}
	return 0;
}

/* A current span that was started while tracing was off knows no trace, and the one this
 * process was started in counts; but the span that is none, made current, is a wish. */
static int take_parent(struct start *start, PyObject *given)
{
	if (given && given != Py_None)
		return take_given(start, given);
	start->current = current_span();
	if (!start->current)
		return PyErr_Occurred() ? -1 : 0;
	if (has_trace(&start->current->span))
		start->options.parent = &start->current->span;
	else if ((PyObject *)start->current == span_invalid())
		start->options.root = true;
	return 0;
}

/* ---- the start ------------------------------------------------------------------ */

/* OpenTelemetry's enumeration has names in common with ours, not numbers. */
static enum spanring_kind kind_of(PyObject *kind)
{
	long number = -1;

	if (!kind || kind == Py_None)
		return SPANRING_KIND_UNSPECIFIED;
	if (PyLong_Check(kind))
		number = PyLong_AsLong(kind);
	PyErr_Clear();
	if (number < 0 || number > SPANRING_KIND_CONSUMER) {
		value_counters.dropped++;
		values_warn(TROUBLE_ARGUMENT, "a kind is no spanring.SpanKind", kind);
		return SPANRING_KIND_UNSPECIFIED;
	}
	return (enum spanring_kind)number;
}

/* The ids that the span has in another tracer. 0, or -1 with an exception. */
static int take_place(struct start *start, PyObject *given)
{
	int r = given && given != Py_None ? place_from(given, &start->place) : 0;

	if (r > 0) {
		start->options.trace_id = start->place.trace_id;
		start->options.span_id = start->place.span_id;
	}
	return r < 0 ? -1 : 0;
}

/* What may run code of the caller's comes first. */
static int take_attributes(struct start *start, PyObject *const *arguments, bool copies)
{
	struct spanring_start_options *options = &start->options;

	if (take_place(start, arguments[START_PLACE]) < 0)
		return -1;
	options->kind = kind_of(arguments[START_KIND]);
	options->time_unix_ns = argument_time(arguments[START_TIME]);
	if (arguments[START_LINKS] &&
	    links_from(&start->links, &start->link_values, arguments[START_LINKS]) < 0)
		return -1;
	options->links = start->links.links;
	options->link_count = start->links.count;
	if ((copies ? values_add_copy : values_add_all)(&start->values,
							arguments[START_ATTRIBUTES]) < 0)
		return -1;
	options->attributes = start->values.attributes;
	options->attribute_count = start->values.count;
	return 0;
}

int start_prepare(struct start *start, PyObject *const *arguments, bool copies)
{
	int root;

	memset(&start->options, 0, sizeof start->options);
	start->options.size = sizeof start->options;
	start->current = NULL;
	start->is_remote = 0;
	memset(&start->links, 0, sizeof start->links);
	values_init(&start->values);
	values_init(&start->link_values);
	root = argument_flag(arguments[START_ROOT], 0);
	if (root < 0 || take_parent(start, arguments[START_PARENT]) < 0)
		return -1;
	start->options.root |= root > 0;
	return spanring_tracing ? take_attributes(start, arguments, copies) : 0;
}

void start_release(struct start *start)
{
	links_release(&start->links);
	values_release(&start->link_values);
	values_release(&start->values);
	Py_XDECREF(start->current);
}

void start_stand_in(const struct start *start, struct span_object *span)
{
	if (start->options.parent) {
		span->span = *start->options.parent;
		span->span.epoch = 0;
		span->span.level = 0;
	} else if (start->is_remote) {
		(void)spanring_span_from_context(&span->span, &start->remote); /* is valid */
	}
}

static int start_named(struct span_object *self, uint32_t scope, const struct text *name,
		       PyObject *const *arguments)
{
	struct start start;
	int r = start_prepare(&start, arguments, false);

	if (r == 0 && spanring_tracing) {
		start.options.scope = scope;
		/* What is refused is counted by the library, and the span stands for
		 * its parent. */
		(void)spanring_span_start(&self->span, name->at, name->length, &start.options);
	} else if (r == 0) {
		start_stand_in(&start, self);
	}
	start_release(&start);
	return r;
}

PyObject *tracer_start(uint32_t scope, PyObject *name, PyObject *const *arguments)
{
	struct span_object *self = span_new();
	struct values values;
	struct text text;
	int r;

	if (!self)
		return NULL;
	values_init(&values);
	r = values_text(&values, name, &text);
	if (r == 0)
		r = start_named(self, scope, &text, arguments);
	values_release(&values);
	if (r < 0)
		Py_CLEAR(self);
	return (PyObject *)self;
}

static PyObject *tracer_start_span(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
				   PyObject *names)
{
	PyObject *given[1 + START_PARAMETERS];

	if (signature_bind(&start_signature, arguments, count, names, given) < 0)
		return NULL;
	return tracer_start(((struct tracer_object *)self)->scope, given[0], given + 1);
}

/* ---- the type ------------------------------------------------------------------- */

static PyObject *tracer_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
	static char *parameters[] = {"scope", NULL};
	struct tracer_object *self;
	unsigned int scope = 0;

	if (!PyArg_ParseTupleAndKeywords(arguments, names, "|I", parameters, &scope))
		return NULL;
	self = PyObject_New(struct tracer_object, type);
	if (self)
		self->scope = scope;
	return (PyObject *)self;
}

static void tracer_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_Free(self);
	Py_DECREF(type);
}

static PyObject *tracer_enter(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
			      PyObject *names)
{
	return current_start(((struct tracer_object *)self)->scope, arguments, count, names);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef tracer_methods[] = {
	{"start_span", FAST(tracer_start_span), METH_FASTCALL | METH_KEYWORDS,
	 "start_span(name, *, parent=None, kind=SpanKind.INTERNAL, attributes=None, "
	 "links=None, "
	 "start_time=None, root=False)\n--\n\n"
	 "Starts a span. It is not made current. `parent` is a Span or a SpanContext; without "
	 "one "
	 "it is the current span, else the place this process was started in."},
	{"start_as_current_span", FAST(tracer_enter), METH_FASTCALL | METH_KEYWORDS,
	 "start_as_current_span(name, *, parent=None, kind=SpanKind.INTERNAL, attributes=None, "
	 "links=None, start_time=None, root=False, place=None, record_exception=True, "
	 "set_status_on_exception=True, end_on_exit=True)\n--\n\n"
	 "A context manager, and a decorator: a span that is current within."},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot tracer_slots[] = {
	{Py_tp_new, tracer_new},
	{Py_tp_dealloc, tracer_dealloc},
	{Py_tp_methods, tracer_methods},
	{Py_tp_doc,
	 "Starts spans of one instrumentation scope. Made by spanring.get_tracer()."},
	{0, NULL},
};

static PyType_Spec tracer_spec = {
	.name = "spanring.Tracer",
	.basicsize = sizeof(struct tracer_object),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = tracer_slots,
};

int tracer_add_type(PyObject *module)
{
	if (signature_init(&start_signature) < 0)
		return -1;
	tracer_type = (PyTypeObject *)PyType_FromSpec(&tracer_spec);
	if (!tracer_type)
		return -1;
	return module_add(module, "Tracer", (PyObject *)tracer_type);
}
