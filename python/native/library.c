/* The library's life, and what it says about itself. */
#include "native.h"

#include "client.h"

#include <errno.h>

/* ---- what goes wrong in the library --------------------------------------------- */

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

/* ---- configure ------------------------------------------------------------------ */

int library_begin(PyObject *arguments, PyObject *names,
		  int (*begin)(const struct spanring_options *options))
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
				     "hide",
				     NULL};
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	unsigned long long ring_bytes_max = 0;
	unsigned int wait_ms = 0, flags = 0, hide = 0;
	PyObject *resource = NULL;
	struct values values;
	int r;

	if (!PyArg_ParseTupleAndKeywords(
		    arguments, names, "|$zzzzzzzOzzKIII", parameters, &options.service_name,
		    &options.service_version, &options.service_namespace,
		    &options.service_instance_id, &options.deployment_environment,
		    &options.module, &options.module_key, &resource,
		    &options.resource_schema_url, &options.directory, &ring_bytes_max, &wait_ms,
		    &flags, &hide))
		return -1;
	values_init(&values);
	r = values_add_all(&values, resource);
	options.resource = values.attributes;
	options.resource_count = values.count;
	options.ring_bytes_max = ring_bytes_max;
	options.wait_ms = wait_ms;
	options.flags = flags;
	options.hide = hide;
	if (r == 0)
		r = begin(&options);
	values_release(&values);
	return r;
}

static PyObject *library_init_call(PyObject *module, PyObject *arguments, PyObject *names)
{
	int r = library_begin(arguments, names, spanring_init);

	(void)module;
	return PyErr_Occurred() ? NULL : PyLong_FromLong(r);
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
		"{s:O,s:i,s:s,s:i,s:O,s:N,s:N,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:K,s:K,s:K,"
		"s:K}",
		"on", report.on ? Py_True : Py_False, "reason", (int)report.reason, "text",
		spanring_reason_text(report.reason), "error", report.error, "agent",
		report.agent ? Py_True : Py_False, "path",
		PyUnicode_DecodeFSDefault(report.path), "message",
		PyUnicode_DecodeUTF8(last_message, (Py_ssize_t)strlen(last_message), "replace"),
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

/* ---- ends of the process -------------------------------------------------------- */

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

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

PyMethodDef library_methods[] = {
	{"init", FAST(library_init_call), METH_VARARGS | METH_KEYWORDS, NULL},
	{"shutdown", library_shutdown, METH_NOARGS, NULL},
	{"flush", library_flush, METH_O, NULL},
	{"state", library_state, METH_NOARGS, NULL},
	{"scope_new", library_scope_new, METH_VARARGS, NULL},
	{"say_exit", library_say_exit, METH_O, NULL},
	{"install_sigterm", library_install_sigterm, METH_O, NULL},
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
	return 0;
}
