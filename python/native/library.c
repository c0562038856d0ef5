/* The library's life, runs, and what it says about itself. */
#include "native.h"

#include "client.h"

#include <errno.h>

/* ---- what goes wrong in the library ---------------------------------------------------- */

/* The last thing it told, for state(). Written by a thread that may be without the
 * GIL, so it must not touch Python; a text torn by two at once is no worse than
 * either. */
static char last_message[256];

static void note_message(int error, const char *message, void *user)
{
	(void)user;
	if (error)
		PyOS_snprintf(last_message, sizeof last_message, "%s: %s", message,
			      strerror(error));
	else
		PyOS_snprintf(last_message, sizeof last_message, "%s", message);
}

/* ---- configure --------------------------------------------------------------------------- */

static PyObject *library_init_call(PyObject *module, PyObject *arguments, PyObject *names)
{
	static char *parameters[] = {"service_name",
				     "service_version",
				     "service_namespace",
				     "service_instance_id",
				     "deployment_environment",
				     "module",
				     "module_key",
				     "resource",
				     "schema_url",
				     "directory",
				     "ring_bytes_max",
				     "wait_ms",
				     "flags",
				     NULL};
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	unsigned long long ring_bytes_max = 0;
	unsigned int wait_ms = 0, flags = 0;
	PyObject *resource = NULL;
	struct values values;
	int r;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(
		    arguments, names, "|$zzzzzzzOzzKII", parameters, &options.service_name,
		    &options.service_version, &options.service_namespace,
		    &options.service_instance_id, &options.deployment_environment,
		    &options.module, &options.module_key, &resource,
		    &options.resource_schema_url, &options.directory, &ring_bytes_max, &wait_ms,
		    &flags))
		return NULL;
	values_init(&values);
	if (values_add_all(&values, resource) < 0) {
		values_release(&values);
		return NULL;
	}
	options.resource = values.attributes;
	options.resource_count = values.count;
	options.ring_bytes_max = ring_bytes_max;
	options.wait_ms = wait_ms;
	options.flags = flags;
	r = spanring_init(&options);
	values_release(&values);
	return PyLong_FromLong(r);
}

static PyObject *library_shutdown(PyObject *module, PyObject *unused)
{
	int r;

	(void)module;
	(void)unused;
	Py_BEGIN_ALLOW_THREADS r = spanring_shutdown();
	Py_END_ALLOW_THREADS return PyLong_FromLong(r);
}

static PyObject *library_flush(PyObject *module, PyObject *timeout_ms)
{
	unsigned long timeout = PyLong_AsUnsignedLong(timeout_ms);
	int r;

	(void)module;
	if (timeout == (unsigned long)-1 && PyErr_Occurred())
		return NULL;
	Py_BEGIN_ALLOW_THREADS r =
		spanring_flush(timeout > UINT32_MAX ? UINT32_MAX : (uint32_t)timeout);
	Py_END_ALLOW_THREADS return PyLong_FromLong(r);
}

static PyObject *library_state(PyObject *module, PyObject *unused)
{
	struct spanring_report report = SPANRING_REPORT_INIT;

	(void)module;
	(void)unused;
	(void)spanring_state(&report);
	return Py_BuildValue(
		"{s:O,s:i,s:s,s:i,s:O,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:K,s:K,s:K,"
		"s:K}",
		"on", report.on ? Py_True : Py_False, "reason", (int)report.reason, "text",
		spanring_reason_text(report.reason), "error", report.error, "agent",
		report.agent ? Py_True : Py_False, "path", report.path, "message", last_message,
		"refused_ring_full", report.refused_ring_full, "refused_too_large",
		report.refused_too_large, "refused_no_memory", report.refused_no_memory,
		"refused_reentrant", report.refused_reentrant, "refused_inherited",
		report.refused_inherited, "refused_invalid", report.refused_invalid,
		"refused_limit", report.refused_limit, "ends_lost", report.ends_lost, "waited",
		report.waited, "values_converted", value_counters.converted, "values_dropped",
		value_counters.dropped, "values_none", value_counters.none, "texts_repaired",
		value_counters.repaired);
}

static PyObject *library_scope_new(PyObject *module, PyObject *arguments)
{
	const char *name, *version = NULL, *schema_url = NULL;
	PyObject *attributes = NULL;
	struct values values;
	int r;

	(void)module;
	if (!PyArg_ParseTuple(arguments, "s|zzO", &name, &version, &schema_url, &attributes))
		return NULL;
	values_init(&values);
	r = values_add_all(&values, attributes);
	if (r == 0)
		r = spanring_scope_new_with(name, version, schema_url, values.attributes,
					    values.count);
	else
		r = -EINVAL;
	values_release(&values);
	return PyErr_Occurred() ? NULL : PyLong_FromLong(r);
}

/* ---- ends of the process --------------------------------------------------------------------
 */

/* What exit() leaves behind in the ring, for a process that ends without it. */
static PyObject *library_say_exit(PyObject *module, PyObject *status)
{
	long code = PyLong_AsLong(status);

	(void)module;
	if (code == -1 && PyErr_Occurred())
		return NULL;
	return PyLong_FromLong(
		client_say_process_end(WIRE_PROCESS_EXIT, (int)((unsigned long)code & 0xffu)));
}

static PyObject *library_install_sigterm(PyObject *module, PyObject *exit_0)
{
	int wanted = PyObject_IsTrue(exit_0);

	(void)module;
	if (wanted < 0)
		return NULL;
	return PyLong_FromLong(spanring_install_sigterm(wanted ? SPANRING_SIGTERM_EXIT_0 : 0));
}

/* ---- runs
 * -------------------------------------------------------------------------------------- */

enum run_parameter {
	RUN_NAME,
	RUN_GOAL,
	RUN_ATTRIBUTES,
	RUN_KIND,
	RUN_TIME,
	RUN_CONTEXT_FILE,
	RUN_JOIN,
	RUN_SCOPE,
	RUN_PARAMETERS,
};

static struct signature run_signature = {"run_begin",
					 {"name", "goal", "attributes", "kind", "start_time",
					  "context_file", "join", "scope", NULL},
					 1,
					 1,
					 {NULL}};

/* A text for a parameter that ends with NUL: a NUL inside would cut it, and becomes
 * U+FFFD. NULL for None. -1 with an exception. */
static int closed_text(struct values *values, PyObject *object, const char **ret_text)
{
	PyObject *other = NULL, *null = NULL, *sign = NULL;
	struct text text;
	int r;

	*ret_text = NULL;
	if (!object || object == Py_None)
		return 0;
	r = values_text(values, object, &text);
	if (r < 0 || strlen(text.at) == text.length) {
		*ret_text = text.at;
		return r;
	}
	null = PyUnicode_FromStringAndSize("", 1);
	sign = PyUnicode_FromString("\xef\xbf\xbd");
	if (null && sign && PyUnicode_Check(object))
		other = PyUnicode_Replace(object, null, sign, -1);
	Py_XDECREF(null);
	Py_XDECREF(sign);
	PyErr_Clear();
	value_counters.repaired++;
	r = values_text(values, other ? other : object, &text);
	if (other && r == 0 && !values->kept)
		values->kept = PyList_New(0);
	if (other && r == 0 && (!values->kept || PyList_Append(values->kept, other) < 0))
		r = -1;
	Py_XDECREF(other);
	*ret_text = text.at;
	return r;
}

static int begin_run(struct span_object *self, struct values *values, const char *name,
		     PyObject *const *given)
{
	struct spanring_start_options start = SPANRING_START_OPTIONS_INIT;
	struct spanring_run_options run = SPANRING_RUN_OPTIONS_INIT;
	int join = argument_flag(given[RUN_JOIN], 0);

	if (join < 0 || closed_text(values, given[RUN_GOAL], &run.goal) < 0 ||
	    closed_text(values, given[RUN_CONTEXT_FILE], &run.context_file) < 0 ||
	    values_add_all(values, given[RUN_ATTRIBUTES]) < 0)
		return -1;
	start.kind = kind_of(given[RUN_KIND]);
	start.time_unix_ns = argument_time(given[RUN_TIME]);
	if (given[RUN_SCOPE])
		start.scope = (uint32_t)PyLong_AsUnsignedLong(given[RUN_SCOPE]);
	run.start = &start;
	run.attributes = values->attributes;
	run.attribute_count = values->count;
	run.join = join;
	/* Refused: counted by the library. */
	(void)spanring_run_begin(&self->span, name, &run);
	/* Current by contextvars, not by the library's stack. */
	(void)spanring_detach(&self->span);
	return PyErr_Occurred() ? -1 : 0;
}

static PyObject *library_run_begin(PyObject *module, PyObject *const *arguments,
				   Py_ssize_t count, PyObject *names)
{
	PyObject *given[RUN_PARAMETERS];
	struct span_object *self;
	struct values values;
	const char *name;

	(void)module;
	if (signature_bind(&run_signature, arguments, count, names, given) < 0)
		return NULL;
	self = span_new();
	if (!self)
		return NULL;
	values_init(&values);
	if (closed_text(&values, given[RUN_NAME], &name) < 0 ||
	    begin_run(self, &values, name, given) < 0)
		Py_CLEAR(self);
	values_release(&values);
	return (PyObject *)self;
}

static struct signature run_end_signature = {
	"run_end", {"span", "final_response", "expected_response", NULL}, 1, 3, {NULL}};

static PyObject *library_run_end(PyObject *module, PyObject *const *arguments, Py_ssize_t count,
				 PyObject *names)
{
	const char *final_response, *expected_response;
	struct values values;
	PyObject *given[3];
	int r;

	(void)module;
	if (signature_bind(&run_end_signature, arguments, count, names, given) < 0)
		return NULL;
	if (!span_check(given[0])) {
		PyErr_SetString(PyExc_TypeError, "run_end() takes the span of run_begin()");
		return NULL;
	}
	values_init(&values);
	r = closed_text(&values, given[1], &final_response);
	if (r == 0)
		r = closed_text(&values, given[2], &expected_response);
	if (r == 0)
		(void)spanring_run_end_with(&((struct span_object *)given[0])->span,
					    final_response, expected_response);
	values_release(&values);
	return r < 0 ? NULL : Py_NewRef(Py_None);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

PyMethodDef library_methods[] = {
	{"init", FAST(library_init_call), METH_VARARGS | METH_KEYWORDS, NULL},
	{"shutdown", library_shutdown, METH_NOARGS, NULL},
	{"flush", library_flush, METH_O, NULL},
	{"state", library_state, METH_NOARGS, NULL},
	{"scope_new", library_scope_new, METH_VARARGS, NULL},
	{"say_exit", library_say_exit, METH_O, NULL},
	{"install_sigterm", library_install_sigterm, METH_O, NULL},
	{"run_begin", FAST(library_run_begin), METH_FASTCALL | METH_KEYWORDS, NULL},
	{"run_end", FAST(library_run_end), METH_FASTCALL | METH_KEYWORDS, NULL},
	{"current_span", current_get, METH_NOARGS,
	 "current_span()\n--\n\nThe current span, or one that records nothing."},
	{"keep_current_span", current_keep, METH_VARARGS, NULL},
	{"use_span", FAST(current_use), METH_FASTCALL | METH_KEYWORDS,
	 "use_span(span, end_on_exit=False, record_exception=True, "
	 "set_status_on_exception=True)\n--\n\n"
	 "A context manager that makes a Span, or the place a SpanContext names, current."},
	{NULL, NULL, 0, NULL},
};

int library_init(void)
{
	spanring_set_error_handler(note_message, NULL);
	return signature_init(&run_signature) < 0 || signature_init(&run_end_signature) < 0 ? -1
											    : 0;
}
