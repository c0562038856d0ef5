#include "native.h"

int signature_init(struct signature *signature)
{
	for (int i = 0; signature->names[i]; i++) {
		signature->interned[i] = PyUnicode_InternFromString(signature->names[i]);
		if (!signature->interned[i])
			return -1;
	}
	return 0;
}

/* The parameter of a name: nearly always the very object, as both are interned. */
static int find(const struct signature *signature, PyObject *name)
{
	for (int i = 0; signature->names[i]; i++)
		if (signature->interned[i] == name)
			return i;
	for (int i = 0; signature->names[i]; i++)
		if (PyUnicode_CompareWithASCIIString(name, signature->names[i]) == 0)
			return i;
	return -1;
}

static int bind_named(const struct signature *signature, PyObject *const *arguments,
		      PyObject *names, PyObject **values)
{
	Py_ssize_t count = PyTuple_Size(names);

	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *name = PyTuple_GetItem(names, i);
		int at = find(signature, name);

		if (at < 0) {
			PyErr_Format(PyExc_TypeError,
				     "%s() got an unexpected keyword argument '%U'",
				     signature->function, name);
			return -1;
		}
		if (values[at]) {
			PyErr_Format(PyExc_TypeError,
				     "%s() got multiple values for argument '%U'",
				     signature->function, name);
			return -1;
		}
		values[at] = arguments[i];
	}
	return 0;
}

int signature_bind(const struct signature *signature, PyObject *const *arguments,
		   Py_ssize_t count, PyObject *names, PyObject **ret_values)
{
	int i;

	if (count > signature->positional) {
		PyErr_Format(PyExc_TypeError,
			     "%s() takes at most %d positional arguments (%zd given)",
			     signature->function, signature->positional, count);
		return -1;
	}
	for (i = 0; i < count; i++)
		ret_values[i] = arguments[i];
	for (; signature->names[i]; i++)
		ret_values[i] = NULL;
	if (names && bind_named(signature, arguments + count, names, ret_values) < 0)
		return -1;
	for (i = 0; i < signature->required; i++) {
		if (ret_values[i])
			continue;
		PyErr_Format(PyExc_TypeError, "%s() misses the argument '%s'",
			     signature->function, signature->names[i]);
		return -1;
	}
	return 0;
}

uint64_t argument_time(PyObject *value)
{
	unsigned long long time;

	if (!value || value == Py_None)
		return 0;
	if (PyLong_Check(value)) {
		time = PyLong_AsUnsignedLongLong(value);
		if (time != (unsigned long long)-1 || !PyErr_Occurred())
			return time;
		PyErr_Clear();
	}
	value_counters.dropped++;
	values_warn(TROUBLE_ARGUMENT, "a time is not whole nanoseconds", value);
	return 0;
}

int argument_flag(PyObject *value, int otherwise)
{
	return value ? PyObject_IsTrue(value) : otherwise;
}
