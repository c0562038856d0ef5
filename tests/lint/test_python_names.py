#!/usr/bin/python3
"""One file of the extension serves CPython 3.9 and later: it may use names alone that 3.9
has, though it is built with the headers of a later one. A new name is looked up in the
library of 3.9 and then written down here; `make python-test` runs what uses it."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
KNOWN = set("""
PyBool_FromLong PyByteArray_Type PyBytes_AsStringAndSize PyBytes_FromObject
PyBytes_FromStringAndSize PyDict_Copy PyDict_GetItemString PyDict_New PyDict_Next
PyDict_SetItem PyDict_Size PyDict_Update PyErr_Clear PyErr_ExceptionMatches PyErr_Format
PyErr_NoMemory PyErr_Occurred PyErr_SetString PyErr_WarnFormat PyEval_RestoreThread
PyEval_SaveThread PyExc_Exception PyExc_ImportError PyExc_RuntimeError PyExc_RuntimeWarning
PyExc_TypeError PyExc_UnicodeEncodeError PyExc_ValueError PyFloat_AsDouble
PyFloat_FromDouble PyFloat_Type PyFrozenSet_Type PyImport_ImportModule PyIndex_Check
PyInterpreterState_Get PyInterpreterState_GetID PyList_Append PyList_GetItem PyList_New
PyList_Size PyLong_AsLong PyLong_AsLongLongAndOverflow PyLong_AsUnsignedLong
PyLong_AsUnsignedLongLong PyLong_FromLong PyLong_FromLongLong PyLong_FromString
PyLong_FromUnsignedLong PyLong_Type PyMem_Calloc PyMem_Free PyMem_Malloc PyMem_Realloc
PyMemoryView_Type PyModuleDef_Init PyModule_AddFunctions PyModule_AddObject
PyModule_AddStringConstant PyNumber_Index PyNumber_ToBase PyOS_snprintf PyObject_Call
PyObject_CallFunctionObjArgs PyObject_Free PyObject_GetAttrString PyObject_HasAttrString
PyObject_IsInstance PyObject_IsTrue PyObject_Str PySequence_Tuple PySet_Type PyTuple_GetItem
PyTuple_Size PyType_FromSpec PyType_GetFlags PyType_IsSubtype PyUnicode_AsEncodedString
PyUnicode_AsUTF8AndSize PyUnicode_AsUTF8String PyUnicode_CompareWithASCIIString
PyUnicode_DecodeFSDefault PyUnicode_DecodeUTF8 PyUnicode_FromFormat PyUnicode_FromString
PyUnicode_FromStringAndSize PyUnicode_GetLength PyUnicode_InternFromString PyUnicode_Replace
_PyArg_ParseTupleAndKeywords_SizeT _PyArg_ParseTuple_SizeT _PyObject_CallFunction_SizeT
_PyObject_CallMethod_SizeT _PyObject_New _Py_BuildValue_SizeT _Py_Dealloc _Py_FalseStruct
_Py_NoneStruct _Py_TrueStruct
""".split())


def main():
    library = BUILD / "python/spanring/_native.abi3.so"
    if not library.exists():
        print(f"{library} was not built")
        return 1
    listed = subprocess.run(["nm", "-D", "--undefined-only", library], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    used = {line.split()[-1].split("@")[0] for line in listed.splitlines()}
    used = {name for name in used if name.lstrip("_").startswith("Py")}
    for name in sorted(used - KNOWN):
        print(f"{name}: does CPython 3.9 have it?")
    defined = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    shown = {line.split()[-1] for line in defined.splitlines()} - {"PyInit__native"}
    for name in sorted(shown):
        print(f"{name}: the extension shows it to others")
    return 1 if used - KNOWN or shown or not used else 0


sys.exit(main())
