/* native.h - what the files of spanring._native share.
 *
 * The extension keeps to the limited API of CPython 3.10, so one file serves all
 * versions from 3.9 on: of what 3.10 added it uses names alone that 3.9 has
 * already, with the same meaning, and 3.9 changes no more. libspanring's objects
 * are linked into it with hidden names: another libspanring in the process is
 * another library, with a ring of its own.
 *
 * Everything here runs with the GIL held, in the main interpreter (module.c
 * refuses others), so counters and caches are plain statics. What is recorded
 * never raises: a value that makes no sense is converted or dropped, and counted.
 * Exceptions that are no `Exception` (KeyboardInterrupt in a __str__ of the
 * caller's) pass through. */
#ifndef PYTHON_NATIVE_H
#define PYTHON_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <patchlevel.h>
/* The headers of 3.9 hide what its library has: there the file is for 3.9 alone. */
#if PY_VERSION_HEX >= 0x030a0000
#define Py_LIMITED_API 0x030a0000
#endif
#include <Python.h>

#include <spanring.h>

#ifdef Py_GIL_DISABLED
#error "spanring does not support free-threaded builds of CPython yet"
#endif

#if PY_VERSION_HEX < 0x030a0000
static inline PyObject *Py_NewRef(PyObject *object)
{
	Py_INCREF(object);
	return object;
}

static inline PyObject *Py_XNewRef(PyObject *object)
{
	Py_XINCREF(object);
	return object;
}
#endif

/* PyModule_AddObjectRef(), which 3.9 does not have. */
static inline int module_add(PyObject *module, const char *name, PyObject *object)
{
	Py_INCREF(object);
	if (PyModule_AddObject(module, name, object) == 0)
		return 0;
	Py_DECREF(object);
	return -1;
}

/* ---- arguments.c: the parameters of a call -------------------------------------- */

#define PARAMETERS_MAX 20

/* A function's parameters by name, in order; `names` ends with NULL. */
struct signature {
	const char *function;
	const char *names[PARAMETERS_MAX + 1];
	int required;
	int positional; /* as many may be given without their name */
	PyObject *interned[PARAMETERS_MAX];
};

/* Interns the names. 0 or -1 with an exception. */
int signature_init(struct signature *signature);

/* Borrowed values by parameter; NULL where nothing was given. 0 or -1 with a
 * TypeError. */
int signature_bind(const struct signature *signature, PyObject *const *arguments,
		   Py_ssize_t count, PyObject *names, PyObject **ret_values);

/* Nanoseconds; 0 (now) for NULL, None and what is no time, which is counted. */
uint64_t argument_time(PyObject *value);

/* Whether a flag was given; without one, `otherwise`. -1 with an exception. */
int argument_flag(PyObject *value, int otherwise);

/* ---- values.c: Python's values as attributes ------------------------------------ */

/* What became of values, for state(). */
struct value_counters {
	unsigned long long converted; /* of a type that has no attribute: as text */
	unsigned long long dropped;   /* not even that */
	unsigned long long none;      /* None, which is no value */
	unsigned long long repaired;  /* texts with lone surrogates */
};
extern struct value_counters value_counters;

#define VALUES_FIXED 16

/* Attributes that borrow from Python's objects, on the stack of the call. */
struct values {
	struct spanring_attribute *attributes;
	size_t count, room;
	struct spanring_attribute fixed[VALUES_FIXED];
	PyObject *kept; /* a list of what was made on the way */
	struct values_chunk *chunks;
	unsigned budget; /* of nested values */
};

void values_init(struct values *values);
void values_release(struct values *values);

/* All of these: 0, or -1 with an exception that is no `Exception`. The mapping may be NULL
 * or None: nothing. values_add_all() borrows from it where its values are simple, so none of
 * the caller's code may run before the library has them: it comes last. values_add_copy()
 * may come earlier. */
int values_add(struct values *values, PyObject *key, PyObject *value);
int values_add_all(struct values *values, PyObject *mapping);
int values_add_copy(struct values *values, PyObject *mapping);

/* The UTF-8 of a text, or of what str() makes of something else. On failure the
 * empty text, counted. */
struct text {
	const char *at;
	size_t length;
};
int values_text(struct values *values, PyObject *object, struct text *ret_text);
/* For a parameter that ends with NUL: one inside becomes U+FFFD. NULL for NULL and None. */
int values_closed_text(struct values *values, PyObject *object, const char **ret_text);

/* A warning, once per process and kind of trouble. Never raises. */
enum trouble {
	TROUBLE_CONVERTED,
	TROUBLE_DROPPED,
	TROUBLE_ARGUMENT,
	TROUBLE_COUNT,
};
void values_warn(enum trouble trouble, const char *what, PyObject *object);

/* ---- span.c --------------------------------------------------------------------- */

struct span_object {
	PyObject_HEAD struct spanring_span span;
};
extern PyTypeObject *span_type;

int span_add_type(PyObject *module);
struct span_object *span_new(void); /* zeroed */
PyObject *span_invalid(void);	    /* borrowed: the span that is none */

static inline int span_check(PyObject *object)
{
	return Py_TYPE(object) == span_type;
}

/* The event, and with `failed` error.type and the status ERROR as well. */
int span_record_exception(struct span_object *self, PyObject *exception, PyObject *attributes,
			  uint64_t time_unix_ns, int failed);
/* Without the event. */
int span_set_failed(struct span_object *self, PyObject *exception);

/* ---- places.c: contexts --------------------------------------------------------- */

/* From a Span, or anything that has the members of a SpanContext. 1: it names a
 * span; 0: it does not; -1 with an exception that is no `Exception`. */
int place_from(PyObject *object, struct spanring_context *ret_context);

/* A new spanring.SpanContext. */
PyObject *place_new(const struct spanring_context *context);

/* Links: Spans, SpanContexts, or what has a `context` and `attributes`. */
struct links {
	struct spanring_link *links;
	struct spanring_context *contexts;
	size_t count;
};
/* `values` are for the links alone. */
int links_from(struct links *ret_links, struct values *values, PyObject *sequence);
void links_release(struct links *links);

/* ---- current.c: the current span ------------------------------------------------ */

int current_add_types(PyObject *module);

/* start_as_current_span() of a tracer; use_span() and current_span() of the module. */
PyObject *current_start(uint32_t scope, PyObject *const *arguments, Py_ssize_t count,
			PyObject *names);
PyObject *current_use(PyObject *module, PyObject *const *arguments, Py_ssize_t count,
		      PyObject *names);
PyObject *current_get(PyObject *module, PyObject *unused);

/* keep_current_span(get, set, reset): where the current span is kept from now on.
 * They do what the context variable's methods do: get() returns a Span, the place of
 * another library's span, or None; set(span) a token; reset(token) puts back. */
PyObject *current_keep(PyObject *module, PyObject *arguments);

/* A new reference to the context's span, or NULL: there is none (without an
 * exception), or an exception. */
struct span_object *current_span(void);

/* ---- tracer.c ------------------------------------------------------------------- */

/* Parameters of a start that every call has which begins a span, in this order. */
enum start_parameter {
	START_PARENT,
	START_KIND,
	START_ATTRIBUTES,
	START_LINKS,
	START_TIME,
	START_ROOT,
	START_PLACE,
	START_PARAMETERS,
};
#define START_NAMES "parent", "kind", "attributes", "links", "start_time", "root", "place"

/* What the library is told, and what it borrows from meanwhile. */
struct start {
	struct spanring_start_options options;
	struct span_object *current; /* a reference: the parent, where none was named */
	struct spanring_context remote;
	struct spanring_context place; /* the ids it is to have */
	struct values values;
	struct values link_values;
	struct links links;
	int is_remote;
};

/* `arguments` by start_parameter, NULL where not given. It comes last, as values_add_all()
 * has it, unless it is to copy the attributes. 0, or -1 with an exception; in either case
 * start_release() follows. */
int start_prepare(struct start *start, PyObject *const *arguments, bool copies);
void start_release(struct start *start);

/* While nothing is recorded a context that came from elsewhere is passed on. */
void start_stand_in(const struct start *start, struct span_object *span);

int tracer_add_type(PyObject *module);
/* A new span object. */
PyObject *tracer_start(uint32_t scope, PyObject *name, PyObject *const *arguments);

/* ---- runs.c --------------------------------------------------------------------- */

extern PyMethodDef run_methods[];
int runs_init(void);
/* Parameters of a run that beginning one has, in this order. */
enum run_parameter {
	RUN_GOAL,
	RUN_CONTEXT_FILE,
	RUN_JOIN,
	RUN_PARAMETERS,
};
#define RUN_NAMES "goal", "context_file", "join"
int run_take(struct spanring_run_options *run, struct values *values,
	     PyObject *const *arguments);

/* ---- genai.c, testing.c --------------------------------------------------------- */

extern PyMethodDef genai_methods[];
int genai_init(void);

extern PyMethodDef testing_methods[];

/* ---- propagate.c, library.c ----------------------------------------------------- */

extern PyMethodDef propagate_methods[];
extern PyMethodDef library_methods[];
/* spanring_init(), or what has its options, with those given by name. Its result, or -1
 * with an exception. */
int library_begin(PyObject *arguments, PyObject *names,
		  int (*begin)(const struct spanring_options *options));
int library_init(void);
int propagate_init(void);

/* ---- hooks that the package sets ------------------------------------------------ */

struct hooks {
	PyObject *span_context; /* the class spanring.SpanContext */
	PyObject *describe;	/* an exception as (type, message, stack trace) */
	PyObject *decorate;	/* a function in a span of its own at each call */
	PyObject *mapping;	/* collections.abc.Mapping */
	PyObject *sequence;	/* collections.abc.Sequence, Set */
	PyObject *enumeration;	/* enum.Enum */
};
extern struct hooks hooks;

#endif
