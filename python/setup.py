"""Builds the package with libspanring's sources in it: no library is needed beside it.

What is built here is a source distribution; `make python` of a checkout makes one, and
the wheel from it."""
import pathlib
import re
import sys
import sysconfig

import setuptools

HERE = pathlib.Path(__file__).resolve().parent
# Above it one file serves every later version; 3.9's headers hide what its library has.
ONE_FOR_ALL = sys.version_info >= (3, 10)

if not (HERE / "libclient").is_dir():
    sys.exit("spanring: the C sources are not here; run `make python` in the checkout and "
             "install build/python/dist/spanring-*.whl")
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit("spanring: free-threaded builds of CPython are not supported yet; "
             "use the usual build of this version")
if not sys.platform.startswith("linux") or sys.implementation.name != "cpython":
    sys.exit("spanring: only CPython on Linux is supported")


def version():
    return re.search(r"^VERSION = (\S+)$", (HERE / "config.mk").read_text(), re.MULTILINE)[1]


def sources(*rooms):
    return sorted(str(path.relative_to(HERE)) for room in rooms
                  for path in (HERE / room).glob("*.c"))


setuptools.setup(
    version=version(),
    packages=setuptools.find_packages(include=["spanring", "spanring.*"]),
    package_data={"spanring": ["py.typed", "*.pyi"]},
    zip_safe=False,
    ext_modules=[setuptools.Extension(
        "spanring._native", sources("native", "libclient"),
        include_dirs=["include", "libclient"],
        define_macros=[("_GNU_SOURCE", None), ("SPANRING_VERSION", f'"{version()}"')],
        extra_compile_args=["-std=gnu11", "-O2", "-fvisibility=hidden",
                            "-Wno-missing-field-initializers"],
        extra_link_args=["-Wl,--version-script=native/native.map", "-Wl,-z,nodelete",
                         "-Wl,-z,relro", "-Wl,-z,now"],
        py_limited_api=ONE_FOR_ALL)],
    options={"bdist_wheel": {"py_limited_api": "cp39"}} if ONE_FOR_ALL else {})
