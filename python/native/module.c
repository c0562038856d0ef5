/* spanring._native: the library as Python sees it. The package spanring around
 * it is what programs use. */
#include "steps.h"

struct hooks hooks;

static int set_hook(PyObject *object, const char *name, PyObject **hook)
{
	PyObject *value = PyDict_GetItemString(object, name), *before = *hook;

	if (!value)
		return -1;
	*hook = Py_NewRef(value);
	Py_XDECREF(before);
	return 0;
}

/* What the package lends: called once, while it is imported. */
static PyObject *module_lend(PyObject *module, PyObject *given)
{
	(void)module;
	if (!PyDict_Check(given) || set_hook(given, "span_context", &hooks.span_context) < 0 ||
	    set_hook(given, "describe", &hooks.describe) < 0 ||
	    set_hook(given, "decorate", &hooks.decorate) < 0 ||
	    set_hook(given, "mapping", &hooks.mapping) < 0 ||
	    set_hook(given, "sequence", &hooks.sequence) < 0 ||
	    set_hook(given, "enumeration", &hooks.enumeration) < 0) {
		PyErr_SetString(PyExc_TypeError, "lend() takes a dict of all the hooks");
		return NULL;
	}
	Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
	{"lend", module_lend, METH_O, NULL},
	{NULL, NULL, 0, NULL},
};

/* One ring and one current span per process: two interpreters would share them
 * without a lock they have in common. */
static int refuse_other_interpreters(void)
{
	if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0)
		return 0;
	PyErr_SetString(PyExc_ImportError,
			"spanring works in the main interpreter only; trace this "
			"subinterpreter's work from there, or run it in a process of its own");
	return -1;
}

static int module_fill(PyObject *module)
{
	if (refuse_other_interpreters() < 0 || span_add_type(module) < 0 ||
	    tracer_add_type(module) < 0 || current_add_types(module) < 0 ||
	    library_init() < 0 || runs_init() < 0 || genai_init() < 0 || propagate_init() < 0 ||
	    !span_invalid())
		return -1;
	if (PyModule_AddFunctions(module, module_methods) < 0 ||
	    PyModule_AddFunctions(module, library_methods) < 0 ||
	    PyModule_AddFunctions(module, propagate_methods) < 0 ||
	    PyModule_AddFunctions(module, run_methods) < 0 ||
	    PyModule_AddFunctions(module, genai_methods) < 0 ||
	    PyModule_AddFunctions(module, genai_llm_methods) < 0 ||
	    PyModule_AddFunctions(module, testing_methods) < 0 ||
	    PyModule_AddStringConstant(module, "version", spanring_version()) < 0)
		return -1;
	return module_add(module, "INVALID_SPAN", span_invalid());
}

static PyModuleDef_Slot module_slots[] = {
	{Py_mod_exec, (void *)module_fill},
	{0, NULL},
};

static struct PyModuleDef module_definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "spanring._native",
	.m_doc = "libspanring, for the package spanring.",
	.m_size = 0,
	.m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC PyInit__native(void)
{
	return PyModuleDef_Init(&module_definition);
}
