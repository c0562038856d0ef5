/* The current span, in a contextvars.ContextVar: it follows await, tasks and
 * whatever copies contexts. The library's own stack of current spans, which is
 * a thread's, is not used: at an await it would stay behind. */
#include "native.h"

/* ContextVar has no place in the limited API, so its methods are called. */
static PyObject *variable, *get_method, *set_method, *reset_method;

static PyTypeObject *current_type;

static struct span_object *span_for(PyObject *object);

struct span_object *current_span(void)
{
	PyObject *current = PyObject_CallFunctionObjArgs(get_method, NULL);
	struct span_object *span;

	if (!current || span_check(current))
		return (struct span_object *)current;
	/* None: nobody has set one here. Else the place of a span that is not ours. */
	span = current == Py_None ? NULL : span_for(current);
	Py_DECREF(current);
	return span;
}

static void replace(PyObject **method, PyObject *with)
{
	PyObject *before = *method;

	*method = Py_NewRef(with);
	Py_XDECREF(before);
}

/* Another keeper of the current span, for spanring.otel. A span that is current
 * already keeps the token of the keeper before, so the new reset() must know it. */
PyObject *current_keep(PyObject *module, PyObject *arguments)
{
	PyObject *get, *set, *reset;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "OOO", &get, &set, &reset))
		return NULL;
	replace(&get_method, get);
	replace(&set_method, set);
	replace(&reset_method, reset);
	Py_RETURN_NONE;
}

/* ---- the context manager -------------------------------------------------------- */

enum flag {
	FLAG_STARTS = 1,     /* a span of its own, at each entry */
	FLAG_RECORDS = 2,    /* exceptions, as events */
	FLAG_SETS_ERROR = 4, /* because of them */
	FLAG_ENDS = 8,	     /* the span, when the block is left */
};

struct current_object {
	PyObject_HEAD uint32_t scope;
	unsigned flags;
	PyObject *name;
	PyObject *arguments[START_PARAMETERS]; /* references, or NULL */
	struct span_object *span;	       /* while entered, or the one to use */
	PyObject *token;		       /* while entered */
};

static struct signature enter_signature = {"start_as_current_span",
					   {"name", START_NAMES, "record_exception",
					    "set_status_on_exception", "end_on_exit", NULL},
					   1,
					   1,
					   {NULL}};

static struct signature use_signature = {
	"use_span",
	{"span", "end_on_exit", "record_exception", "set_status_on_exception", NULL},
	1,
	4,
	{NULL}};

static struct current_object *current_new(uint32_t scope, unsigned flags)
{
	struct current_object *self = PyObject_New(struct current_object, current_type);

	if (!self)
		return NULL;
	memset((char *)self + sizeof(PyObject), 0, sizeof *self - sizeof(PyObject));
	self->scope = scope;
	self->flags = flags;
	return self;
}

static void current_dealloc(PyObject *object)
{
	struct current_object *self = (struct current_object *)object;
	PyTypeObject *type = Py_TYPE(object);

	for (int i = 0; i < START_PARAMETERS; i++)
		Py_XDECREF(self->arguments[i]);
	Py_XDECREF(self->name);
	Py_XDECREF(self->span);
	Py_XDECREF(self->token);
	PyObject_Free(object);
	Py_DECREF(type);
}

/* -1 with an exception. */
static int flags_of(PyObject *record, PyObject *set, PyObject *end, int ends)
{
	int records = argument_flag(record, 1), sets = argument_flag(set, 1);

	ends = argument_flag(end, ends);
	if (records < 0 || sets < 0 || ends < 0)
		return -1;
	return (records ? FLAG_RECORDS : 0) | (sets ? FLAG_SETS_ERROR : 0) |
	       (ends ? FLAG_ENDS : 0);
}

static void take_arguments(struct current_object *self, PyObject *name,
			   PyObject *const *arguments)
{
	self->name = Py_XNewRef(name);
	for (int i = 0; i < START_PARAMETERS; i++)
		self->arguments[i] = Py_XNewRef(arguments[i]);
}

PyObject *current_start(uint32_t scope, PyObject *const *arguments, Py_ssize_t count,
			PyObject *names)
{
	PyObject *given[PARAMETERS_MAX];
	struct current_object *self;
	int flags;

	if (signature_bind(&enter_signature, arguments, count, names, given) < 0)
		return NULL;
	flags = flags_of(given[1 + START_PARAMETERS], given[2 + START_PARAMETERS],
			 given[3 + START_PARAMETERS], 1);
	if (flags < 0)
		return NULL;
	self = current_new(scope, (unsigned)flags | FLAG_STARTS);
	if (self)
		take_arguments(self, given[0], given + 1);
	return (PyObject *)self;
}

/* The span behind one of spanring.otel's, which has it as `native`; or NULL. */
static PyObject *span_behind(PyObject *object)
{
	PyObject *native = PyObject_GetAttrString(object, "native");

	if (native && span_check(native))
		return native;
	Py_XDECREF(native);
	PyErr_Clear();
	return NULL;
}

/* A Span as it is, anything else as a place that is not ours to write to. */
static struct span_object *span_for(PyObject *object)
{
	struct spanring_context context;
	struct span_object *span;
	int r;

	if (span_check(object))
		return (struct span_object *)Py_NewRef(object);
	span = (struct span_object *)span_behind(object);
	if (span)
		return span;
	r = place_from(object, &context);
	if (r < 0)
		return NULL;
	span = span_new();
	if (span && r)
		(void)spanring_span_from_context(&span->span, &context); /* is valid */
	return span;
}

PyObject *current_use(PyObject *module, PyObject *const *arguments, Py_ssize_t count,
		      PyObject *names)
{
	struct current_object *self;
	struct span_object *span;
	PyObject *given[4];
	int flags;

	(void)module;
	if (signature_bind(&use_signature, arguments, count, names, given) < 0)
		return NULL;
	flags = flags_of(given[2], given[3], given[1], 0);
	span = flags < 0 ? NULL : span_for(given[0]);
	if (!span)
		return NULL;
	self = current_new(0, (unsigned)flags);
	if (!self) {
		Py_DECREF(span);
		return NULL;
	}
	self->span = span;
	return (PyObject *)self;
}

static PyObject *current_enter(PyObject *object, PyObject *unused)
{
	struct current_object *self = (struct current_object *)object;
	struct span_object *before;

	(void)unused;
	if (self->token) {
		PyErr_SetString(PyExc_RuntimeError, "this span's block is entered already");
		return NULL;
	}
	if (self->flags & FLAG_STARTS) {
		before = self->span;
		self->span = (struct span_object *)tracer_start(self->scope, self->name,
								self->arguments);
		Py_XDECREF(before);
		if (!self->span)
			return NULL;
	}
	self->token = PyObject_CallFunctionObjArgs(set_method, (PyObject *)self->span, NULL);
	return self->token ? Py_NewRef((PyObject *)self->span) : NULL;
}

/* In the context it was set in; a generator may be closed in another one. */
static void leave(struct current_object *self)
{
	PyObject *token = self->token, *r;

	self->token = NULL;
	if (!token)
		return;
	r = PyObject_CallFunctionObjArgs(reset_method, token, NULL);
	if (!r)
		PyErr_Clear();
	Py_XDECREF(r);
	Py_DECREF(token);
}

static int note_exception(struct current_object *self, PyObject *exception)
{
	int sets = (self->flags & FLAG_SETS_ERROR) != 0;

	if (exception == Py_None || !(self->flags & (FLAG_RECORDS | FLAG_SETS_ERROR)) ||
	    PyObject_IsInstance(exception, PyExc_Exception) <= 0)
		return 0;
	if (self->flags & FLAG_RECORDS)
		return span_record_exception(self->span, exception, NULL, 0, sets);
	return span_set_failed(self->span, exception);
}

static PyObject *current_exit(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
	struct current_object *self = (struct current_object *)object;
	int r = 0;

	if (!self->span)
		Py_RETURN_FALSE;
	leave(self);
	if (count >= 2)
		r = note_exception(self, arguments[1]);
	if (self->flags & FLAG_ENDS)
		(void)spanring_end(&self->span->span);
	return r < 0 ? NULL : Py_NewRef(Py_False);
}

/* The same once more, for the next call of a decorated function. */
static PyObject *current_again(PyObject *object, PyObject *unused)
{
	struct current_object *self = (struct current_object *)object, *next;

	(void)unused;
	next = current_new(self->scope, self->flags);
	if (!next)
		return NULL;
	take_arguments(next, self->name, self->arguments);
	if (!(self->flags & FLAG_STARTS))
		next->span = (struct span_object *)Py_XNewRef((PyObject *)self->span);
	return (PyObject *)next;
}

static PyObject *current_call(PyObject *object, PyObject *arguments, PyObject *names)
{
	PyObject *function;

	if (names && PyDict_Size(names)) {
		PyErr_SetString(PyExc_TypeError, "a span decorates one function");
		return NULL;
	}
	if (!PyArg_ParseTuple(arguments, "O", &function))
		return NULL;
	return PyObject_CallFunctionObjArgs(hooks.decorate, object, function, NULL);
}

/* ---- functions and types -------------------------------------------------------- */

PyObject *current_get(PyObject *module, PyObject *unused)
{
	struct span_object *span = current_span();

	(void)module;
	(void)unused;
	if (span)
		return (PyObject *)span;
	if (PyErr_Occurred())
		return NULL;
	return Py_XNewRef(span_invalid());
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

/* The span of its next entry alone, for who makes it current by pieces. */
static PyObject *current_start_alone(PyObject *object, PyObject *unused)
{
	struct current_object *self = (struct current_object *)object;

	(void)unused;
	if (self->flags & FLAG_STARTS)
		return tracer_start(self->scope, self->name, self->arguments);
	return Py_XNewRef((PyObject *)self->span);
}

static PyMethodDef current_methods[] = {
	{"__enter__", current_enter, METH_NOARGS, NULL},
	{"__exit__", FAST(current_exit), METH_FASTCALL, NULL},
	{"again", current_again, METH_NOARGS,
	 "again()\n--\n\nThe same once more, not entered."},
	{"start", current_start_alone, METH_NOARGS,
	 "start()\n--\n\nThe span, started and not made current."},
	{NULL, NULL, 0, NULL},
};

static PyObject *current_not_made(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
	(void)type;
	(void)arguments;
	(void)names;
	PyErr_SetString(PyExc_TypeError,
			"made by Tracer.start_as_current_span() and spanring.use_span()");
	return NULL;
}

static PyType_Slot current_slots[] = {
	{Py_tp_new, current_not_made},
	{Py_tp_dealloc, current_dealloc},
	{Py_tp_methods, current_methods},
	{Py_tp_call, current_call},
	{Py_tp_doc, "A span that is current within a block; also a decorator."},
	{0, NULL},
};

static PyType_Spec current_spec = {
	.name = "spanring.CurrentSpan",
	.basicsize = sizeof(struct current_object),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = current_slots,
};

static int make_variable(PyObject *module)
{
	PyObject *contextvars = PyImport_ImportModule("contextvars"), *type = NULL;
	PyObject *arguments = Py_BuildValue("(s)", "spanring_current_span");
	PyObject *defaults = Py_BuildValue("{s:O}", "default", Py_None);

	if (contextvars)
		type = PyObject_GetAttrString(contextvars, "ContextVar");
	if (type && arguments && defaults)
		variable = PyObject_Call(type, arguments, defaults);
	Py_XDECREF(contextvars);
	Py_XDECREF(type);
	Py_XDECREF(arguments);
	Py_XDECREF(defaults);
	if (!variable)
		return -1;
	get_method = PyObject_GetAttrString(variable, "get");
	set_method = PyObject_GetAttrString(variable, "set");
	reset_method = PyObject_GetAttrString(variable, "reset");
	if (!get_method || !set_method || !reset_method)
		return -1;
	return module_add(module, "current_variable", variable);
}

int current_add_types(PyObject *module)
{
	if (signature_init(&enter_signature) < 0 || signature_init(&use_signature) < 0 ||
	    make_variable(module) < 0)
		return -1;
	current_type = (PyTypeObject *)PyType_FromSpec(&current_spec);
	if (!current_type)
		return -1;
	return module_add(module, "CurrentSpan", (PyObject *)current_type);
}
