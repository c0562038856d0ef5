/* Python's values as attributes. Simple ones are borrowed where they lie. Whoever
 * calls code of the caller's on the way (a __str__, a Mapping) works on copies of
 * the containers, so that what is borrowed stays. */
#include "native.h"

/* Above it a text is encoded anew, so that the caller's string does not keep a
 * second form of itself for the rest of its life. */
#define TEXT_CACHED_MAX 65536

/* Arrays and maps within each other; the library takes 60. */
#define DEPTH_MAX 50

/* Nested values of one call: a list that holds itself twice ends here. */
#define NESTED_MAX 100000u

/* No such type: the library refuses the attribute, and counts it on the span. */
#define TYPE_NONE ((enum spanring_type)0xff)

struct value_counters value_counters;

struct values_chunk {
	struct values_chunk *next;
	struct spanring_attribute attributes[];
};

void values_init(struct values *values)
{
	values->attributes = values->fixed;
	values->count = 0;
	values->room = VALUES_FIXED;
	values->kept = NULL;
	values->chunks = NULL;
	values->budget = NESTED_MAX;
}

void values_release(struct values *values)
{
	struct values_chunk *next;

	for (struct values_chunk *chunk = values->chunks; chunk; chunk = next) {
		next = chunk->next;
		PyMem_Free(chunk);
	}
	if (values->attributes != values->fixed)
		PyMem_Free(values->attributes);
	Py_XDECREF(values->kept);
}

/* Takes the reference. 0 or -1 with an exception. */
static int keep(struct values *values, PyObject *object)
{
	int r;

	if (!object)
		return -1;
	if (!values->kept)
		values->kept = PyList_New(0);
	r = values->kept ? PyList_Append(values->kept, object) : -1;
	Py_DECREF(object);
	return r;
}

/* What the caller's code raised: 0 when it is a failure of that value alone. */
static int swallow(void)
{
	if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception))
		return -1;
	PyErr_Clear();
	return 0;
}

void values_warn(enum trouble trouble, const char *what, PyObject *object)
{
	static unsigned char told[TROUBLE_COUNT];
	PyObject *name;

	if (told[trouble])
		return;
	told[trouble] = 1;
	name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
	if (!name || PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
				      "spanring: %s (type %S); further ones are counted in "
				      "spanring.state()",
				      what, name) < 0)
		PyErr_Clear(); /* warnings that are errors are not the caller's */
	Py_XDECREF(name);
}

/* ---- texts ---------------------------------------------------------------------- */

/* The encoding of a lone surrogate becomes U+FFFD, which is as long. `bytes` is
 * new and nobody else's yet. */
static void repair(char *at, Py_ssize_t length)
{
	for (Py_ssize_t i = 0; i + 2 < length; i++) {
		if ((unsigned char)at[i] != 0xed || (unsigned char)at[i + 1] < 0xa0)
			continue;
		memcpy(at + i, "\xef\xbf\xbd", 3);
		i += 2;
	}
}

static int encode(struct values *values, PyObject *text, struct text *ret_text)
{
	PyObject *bytes = PyUnicode_AsUTF8String(text);
	Py_ssize_t length;
	char *at;

	if (!bytes && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
		PyErr_Clear();
		bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
		if (bytes && PyBytes_AsStringAndSize(bytes, &at, &length) == 0)
			repair(at, length);
		value_counters.repaired++;
	}
	if (keep(values, bytes) < 0 || PyBytes_AsStringAndSize(bytes, &at, &length) < 0)
		return -1;
	ret_text->at = at;
	ret_text->length = (size_t)length;
	return 0;
}

/* Runs none of the caller's code. 0 or -1 with an exception. */
static int borrow_text(struct values *values, PyObject *text, struct text *ret_text)
{
	Py_ssize_t length;

	if (PyUnicode_GetLength(text) <= TEXT_CACHED_MAX) {
		ret_text->at = PyUnicode_AsUTF8AndSize(text, &length);
		ret_text->length = (size_t)length;
		if (ret_text->at)
			return 0;
		PyErr_Clear();
	}
	return encode(values, text, ret_text);
}

/* str(object), or an integer too long for that in hexadecimal. */
static PyObject *as_text(PyObject *object)
{
	PyObject *text = PyObject_Str(object);

	if (!text && PyLong_Check(object) && PyErr_ExceptionMatches(PyExc_ValueError)) {
		PyErr_Clear();
		text = PyNumber_ToBase(object, 16);
	}
	return text;
}

int values_text(struct values *values, PyObject *object, struct text *ret_text)
{
	PyObject *text;

	if (PyUnicode_Check(object) && borrow_text(values, object, ret_text) == 0)
		return 0;
	PyErr_Clear();
	text = as_text(object);
	if (text && keep(values, text) == 0 && borrow_text(values, text, ret_text) == 0) {
		value_counters.converted++;
		values_warn(TROUBLE_CONVERTED, "what should be a text was made one by str()",
			    object);
		return 0;
	}
	if (swallow() < 0)
		return -1;
	value_counters.dropped++;
	values_warn(TROUBLE_DROPPED, "what should be a text is none and was left out", object);
	ret_text->at = "";
	ret_text->length = 0;
	return 0;
}

/* A NUL would cut it. */
static PyObject *without_nuls(PyObject *text)
{
	PyObject *null = PyUnicode_FromStringAndSize("", 1);
	PyObject *sign = PyUnicode_FromString("\xef\xbf\xbd");
	PyObject *made = NULL;

	if (null && sign && PyUnicode_Check(text))
		made = PyUnicode_Replace(text, null, sign, -1);
	Py_XDECREF(null);
	Py_XDECREF(sign);
	return made;
}

int values_closed_text(struct values *values, PyObject *object, const char **ret_text)
{
	PyObject *made;
	struct text text;

	*ret_text = NULL;
	if (!object || object == Py_None)
		return 0;
	if (values_text(values, object, &text) < 0)
		return -1;
	if (strlen(text.at) != text.length) {
		value_counters.repaired++;
		made = without_nuls(object);
		/* Of what is no text, and was made one, the first part remains. */
		if (keep(values, made) < 0)
			PyErr_Clear();
		else if (values_text(values, made, &text) < 0)
			return -1;
	}
	*ret_text = text.at;
	return 0;
}

/* ---- values --------------------------------------------------------------------- */

static int convert(struct values *values, struct spanring_attribute *into, PyObject *value,
		   int depth);

static int convert_text(struct values *values, struct spanring_attribute *into, PyObject *text)
{
	struct text borrowed;

	if (borrow_text(values, text, &borrowed) < 0)
		return -1;
	into->type = SPANRING_TYPE_STRING;
	into->value.string = borrowed.at;
	into->length = borrowed.length;
	return 0;
}

static void convert_bytes(struct spanring_attribute *into, PyObject *bytes)
{
	Py_ssize_t length = 0;
	char *at = NULL;

	(void)PyBytes_AsStringAndSize(bytes, &at, &length); /* bytes: cannot fail */
	into->type = SPANRING_TYPE_BYTES;
	into->value.at = at;
	into->length = (size_t)length;
}

/* The types that are attributes already. Runs none of the caller's code.
 * 1: it is none of them. */
static int convert_simple(struct values *values, struct spanring_attribute *into,
			  PyObject *value)
{
	int overflow;

	if (PyUnicode_Check(value)) {
		if (convert_text(values, into, value) == 0)
			return 0;
		PyErr_Clear();
		return 1;
	}
	if (value == Py_True || value == Py_False) {
		into->type = SPANRING_TYPE_BOOL;
		into->value.boolean = value == Py_True;
		return 0;
	}
	if (PyLong_Check(value)) {
		into->type = SPANRING_TYPE_INT;
		into->value.integer = PyLong_AsLongLongAndOverflow(value, &overflow);
		return overflow != 0;
	}
	if (PyFloat_Check(value)) {
		into->type = SPANRING_TYPE_DOUBLE;
		into->value.real = PyFloat_AsDouble(value);
		return 0;
	}
	if (PyBytes_Check(value)) {
		convert_bytes(into, value);
		return 0;
	}
	return 1;
}

/* As the library would refuse it. */
static int drop(struct spanring_attribute *into, PyObject *value, int depth)
{
	into->type = depth ? SPANRING_TYPE_EMPTY : TYPE_NONE;
	value_counters.dropped++;
	values_warn(TROUBLE_DROPPED, "a value cannot be an attribute and was dropped", value);
	return 0;
}

static struct spanring_attribute *take_nested(struct values *values, size_t count)
{
	struct values_chunk *chunk;

	if (count > values->budget)
		return NULL;
	values->budget -= (unsigned)count;
	chunk = PyMem_Calloc(1, sizeof *chunk + count * sizeof chunk->attributes[0]);
	if (!chunk)
		return NULL;
	chunk->next = values->chunks;
	values->chunks = chunk;
	return chunk->attributes;
}

/* `tuple` is kept by the caller. */
static int convert_elements(struct values *values, struct spanring_attribute *into,
			    PyObject *tuple, int depth)
{
	size_t count = (size_t)PyTuple_Size(tuple);
	struct spanring_attribute *elements = take_nested(values, count);

	if (!elements)
		return drop(into, tuple, depth);
	into->type = SPANRING_TYPE_VALUES;
	into->value.attributes = elements;
	into->length = count;
	for (size_t i = 0; i < count; i++)
		if (convert(values, &elements[i], PyTuple_GetItem(tuple, (Py_ssize_t)i),
			    depth + 1) < 0)
			return -1;
	return 0;
}

/* `copy` is a dict that is ours, and kept. */
static int convert_members(struct values *values, struct spanring_attribute *into,
			   PyObject *copy, int depth)
{
	size_t count = (size_t)PyDict_Size(copy), i = 0;
	struct spanring_attribute *members = take_nested(values, count);
	PyObject *key, *value;
	Py_ssize_t at = 0;
	struct text text;

	if (!members)
		return drop(into, copy, depth);
	while (i < count && PyDict_Next(copy, &at, &key, &value)) {
		if (values_text(values, key, &text) < 0)
			return -1;
		members[i].key = text.at;
		members[i].key_length = text.length;
		if (convert(values, &members[i++], value, depth + 1) < 0)
			return -1;
	}
	into->type = SPANRING_TYPE_MAP;
	into->value.attributes = members;
	into->length = i;
	return 0;
}

static int as_string(struct values *values, struct spanring_attribute *into, PyObject *value,
		     int depth)
{
	PyObject *text = as_text(value);

	if (text && keep(values, text) == 0 && convert_text(values, into, text) == 0) {
		value_counters.converted++;
		values_warn(TROUBLE_CONVERTED,
			    "a value that cannot be an attribute was made a string", value);
		return 0;
	}
	return swallow() < 0 ? -1 : drop(into, value, depth);
}

/* A list that is made anew, or a new form of the value, is converted instead. */
static int convert_made(struct values *values, struct spanring_attribute *into, PyObject *value,
			PyObject *made, int depth)
{
	if (keep(values, made) < 0)
		return swallow() < 0 ? -1 : as_string(values, into, value, depth);
	if (PyTuple_Check(made))
		return convert_elements(values, into, made, depth);
	if (PyDict_Check(made))
		return convert_members(values, into, made, depth);
	return convert(values, into, made, depth + 1);
}

static PyObject *dict_of(PyObject *mapping)
{
	PyObject *copy = PyDict_New();

	if (copy && PyDict_Update(copy, mapping) < 0)
		Py_CLEAR(copy);
	return copy;
}

/* Arrays and scalars of numpy and its like know their own form in Python. */
static int is_array(PyObject *value)
{
	return PyObject_HasAttrString(value, "dtype") &&
	       PyObject_HasAttrString(value, "tolist");
}

/* What is made of a value that is no attribute: a new reference, NULL with an
 * exception, or without: nothing better than str(). */
static PyObject *make_of(PyObject *value)
{
	if (PyList_Check(value) || PyTuple_Check(value) || PyAnySet_Check(value))
		return PySequence_Tuple(value);
	if (PyDict_Check(value))
		return PyDict_Copy(value);
	if (PyByteArray_Check(value) || PyMemoryView_Check(value))
		return PyBytes_FromObject(value);
	if (PyLong_Check(value))
		return NULL;
	if (hooks.enumeration && PyObject_IsInstance(value, hooks.enumeration) > 0)
		return PyObject_GetAttrString(value, "value");
	if (is_array(value))
		return PyObject_CallMethod(value, "tolist", NULL);
	if (PyIndex_Check(value))
		return PyNumber_Index(value);
	if (hooks.mapping && PyObject_IsInstance(value, hooks.mapping) > 0)
		return dict_of(value);
	if (hooks.sequence && PyObject_IsInstance(value, hooks.sequence) > 0)
		return PySequence_Tuple(value);
	return NULL;
}

static int convert(struct values *values, struct spanring_attribute *into, PyObject *value,
		   int depth)
{
	PyObject *made;

	if (convert_simple(values, into, value) == 0)
		return 0;
	if (value == Py_None) {
		into->type = SPANRING_TYPE_EMPTY;
		return 0;
	}
	if (depth >= DEPTH_MAX)
		return drop(into, value, depth);
	made = make_of(value);
	if (!made && !PyErr_Occurred())
		return as_string(values, into, value, depth);
	return convert_made(values, into, value, made, depth);
}

/* ---- attributes ----------------------------------------------------------------- */

/* Room for one more; not counted yet. NULL: no memory. */
static struct spanring_attribute *next(struct values *values)
{
	struct spanring_attribute *more;
	size_t bytes = values->count * sizeof *more;

	if (values->count < values->room)
		return &values->attributes[values->count];
	if (values->attributes == values->fixed) {
		more = PyMem_Malloc(2 * bytes);
		if (more)
			memcpy(more, values->fixed, bytes);
	} else {
		more = PyMem_Realloc(values->attributes, 2 * bytes);
	}
	if (!more)
		return NULL;
	values->attributes = more;
	values->room *= 2;
	return &values->attributes[values->count];
}

int values_add(struct values *values, PyObject *key, PyObject *value)
{
	struct spanring_attribute *attribute = next(values);
	struct text text;

	if (value == Py_None) {
		value_counters.none++;
		return 0;
	}
	if (!attribute) {
		value_counters.dropped++;
		return 0;
	}
	if (values_text(values, key, &text) < 0)
		return -1;
	attribute->key = text.at;
	attribute->key_length = text.length;
	values->count++;
	return convert(values, attribute, value, 0);
}

/* As long as there is nothing but texts as keys and simple values. 1: there is. */
static int add_simple(struct values *values, PyObject *dict)
{
	struct spanring_attribute *attribute;
	PyObject *key, *value;
	Py_ssize_t at = 0;
	struct text text;

	while (PyDict_Next(dict, &at, &key, &value)) {
		attribute = next(values);
		if (!attribute || !PyUnicode_Check(key) || value == Py_None)
			return 1;
		if (borrow_text(values, key, &text) < 0) {
			PyErr_Clear();
			return 1;
		}
		attribute->key = text.at;
		attribute->key_length = text.length;
		if (convert_simple(values, attribute, value))
			return 1;
		values->count++;
	}
	return 0;
}

static int add_copy(struct values *values, PyObject *copy)
{
	PyObject *key, *value;
	Py_ssize_t at = 0;

	if (keep(values, copy) < 0)
		return swallow();
	while (PyDict_Next(copy, &at, &key, &value))
		if (values_add(values, key, value) < 0)
			return -1;
	return 0;
}

int values_add_copy(struct values *values, PyObject *mapping)
{
	PyObject *copy;

	if (!mapping || mapping == Py_None)
		return 0;
	copy = PyDict_Check(mapping) ? PyDict_Copy(mapping) : dict_of(mapping);
	if (copy)
		return add_copy(values, copy);
	if (swallow() < 0)
		return -1;
	value_counters.dropped++;
	values_warn(TROUBLE_ARGUMENT, "attributes are no mapping and were dropped", mapping);
	return 0;
}

int values_add_all(struct values *values, PyObject *mapping)
{
	size_t before = values->count;

	if (mapping && PyDict_Check(mapping)) {
		if (add_simple(values, mapping) == 0)
			return 0;
		values->count = before;
	}
	return values_add_copy(values, mapping);
}
