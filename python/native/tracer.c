/* The type spanring.Tracer: an instrumentation scope, by its number. Valid
 * before configure() and after fork, so it may be made when a module is loaded. */
#include "native.h"

struct tracer_object {
	PyObject_HEAD uint32_t scope;
};

static PyTypeObject *tracer_type;

static struct signature start_signature = {
	"start_span",
	{"name", "parent", "kind", "attributes", "links", "start_time", "root", "place", NULL},
	1,
	1,
	{NULL}};

/* ---- the parent ------------------------------------------------------------------ */

/* Whoever it is, it stays alive as long as `current` does. */
struct parent {
	struct span_object *current; /* a reference */
	const struct spanring_span *span;
	struct spanring_context remote;
	int is_remote;
};

static int has_trace(const struct spanring_span *span)
{
	static const uint8_t none[16];

	return memcmp(span->trace_id, none, sizeof none) != 0;
}

static int find_given(struct parent *parent, PyObject *given)
{
	int r;

	if (span_check(given)) {
		parent->span = &((struct span_object *)given)->span;
		return 0;
	}
	r = place_from(given, &parent->remote);
	if (r < 0)
		return -1;
	parent->is_remote = r;
	if (!r) {
		value_counters.dropped++;
		values_warn(TROUBLE_ARGUMENT, "a parent names no span", given);
	}
	return 0;
}

/* A current span that was started while tracing was off knows no trace, and the
 * one this process was started in counts. */
static int find_parent(struct parent *parent, PyObject *given)
{
	parent->current = NULL;
	parent->span = NULL;
	parent->is_remote = 0;
	if (given && given != Py_None)
		return find_given(parent, given);
	parent->current = current_span();
	if (!parent->current)
		return PyErr_Occurred() ? -1 : 0;
	if (has_trace(&parent->current->span))
		parent->span = &parent->current->span;
	return 0;
}

/* ---- the start -------------------------------------------------------------------- */

/* OpenTelemetry's enumeration has names in common with ours, not numbers. */
enum spanring_kind kind_of(PyObject *kind)
{
	long number = -1;

	if (!kind || kind == Py_None)
		return SPANRING_KIND_INTERNAL;
	if (PyLong_Check(kind))
		number = PyLong_AsLong(kind);
	PyErr_Clear();
	if (number < 0 || number > SPANRING_KIND_CONSUMER) {
		value_counters.dropped++;
		values_warn(TROUBLE_ARGUMENT, "a kind is no spanring.SpanKind", kind);
		return SPANRING_KIND_INTERNAL;
	}
	return (enum spanring_kind)number;
}

/* The ids that the span has in another tracer. 0, or -1 with an exception. */
static int take_place(PyObject *given, struct spanring_context *place,
		      struct spanring_start_options *options)
{
	int r = given && given != Py_None ? place_from(given, place) : 0;

	if (r > 0) {
		options->trace_id = place->trace_id;
		options->span_id = place->span_id;
	}
	return r < 0 ? -1 : 0;
}

/* What is refused is counted by the library, and the span stands for its parent. */
static int start_with(struct span_object *self, uint32_t scope, const struct parent *parent,
		      PyObject *const *arguments)
{
	struct spanring_start_options options = SPANRING_START_OPTIONS_INIT;
	struct links links = {NULL, NULL, 0};
	struct spanring_context place;
	struct values values;
	struct text name;
	int r, root = argument_flag(arguments[START_ROOT], 0);

	if (root < 0 || take_place(arguments[START_PLACE], &place, &options) < 0)
		return -1;
	values_init(&values);
	r = values_text(&values, arguments[START_NAME], &name);
	if (r == 0)
		r = values_add_all(&values, arguments[START_ATTRIBUTES]);
	options.attribute_count = values.count;
	if (r == 0 && arguments[START_LINKS])
		r = links_from(&links, &values, arguments[START_LINKS]);
	if (r == 0) {
		options.kind = kind_of(arguments[START_KIND]);
		options.scope = scope;
		options.parent = parent->span;
		options.remote_parent = parent->is_remote ? &parent->remote : NULL;
		options.root = root;
		options.time_unix_ns = argument_time(arguments[START_TIME]);
		options.attributes = values.attributes;
		options.links = links.links;
		options.link_count = links.count;
		(void)spanring_span_start(&self->span, name.at, name.length, &options);
	}
	links_release(&links);
	values_release(&values);
	return r;
}

/* While nothing is recorded a context that came from elsewhere is passed on. */
static void stand_in(struct span_object *self, const struct parent *parent)
{
	if (parent->span) {
		self->span = *parent->span;
		self->span.epoch = 0;
		self->span.level = 0;
	} else if (parent->is_remote) {
		(void)spanring_span_from_context(&self->span, &parent->remote); /* is valid */
	}
}

PyObject *tracer_start(uint32_t scope, PyObject *const *arguments)
{
	struct span_object *self;
	struct parent parent;
	int r;

	if (find_parent(&parent, arguments[START_PARENT]) < 0)
		return NULL;
	self = span_new();
	if (self) {
		r = 0;
		if (spanring_tracing)
			r = start_with(self, scope, &parent, arguments);
		else
			stand_in(self, &parent);
		if (r < 0)
			Py_CLEAR(self);
	}
	Py_XDECREF(parent.current);
	return (PyObject *)self;
}

static PyObject *tracer_start_span(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
				   PyObject *names)
{
	PyObject *given[START_PARAMETERS];

	if (signature_bind(&start_signature, arguments, count, names, given) < 0)
		return NULL;
	return tracer_start(((struct tracer_object *)self)->scope, given);
}

/* ---- the type ------------------------------------------------------------------------ */

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
