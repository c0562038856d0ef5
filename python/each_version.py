#!/usr/bin/python3
"""Tries what `make python` made with every CPython from 3.9 on that is found here: the
wheel, installed without a network into a new environment, has the tests of the package
run with it, and the source distribution is built.

    each_version.py [--build DIR] DIST [PYTHON...]

Found are python3.N in PATH and what pyenv keeps, unless some are named."""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
OLDEST = (3, 9)


def version_of(python):
    """(3, 11), or None for what is no CPython of ours."""
    done = subprocess.run(
        [python, "-c", "import sys, sysconfig; print(sys.implementation.name, "
         "*sys.version_info[:2], sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    name, major, minor, free = (done.stdout.split() + [""] * 4)[:4]
    if done.returncode or name != "cpython" or free != "0":
        return None
    return int(major), int(minor)


def interpreters(named):
    """One for each version."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    candidates = named or ["/usr/bin/python3", *sorted(map(str, pyenv.glob("versions/*/bin/python3")))]
    if not named:
        candidates += filter(None, (shutil.which(f"python3.{minor}")
                                     for minor in range(9, 20)))
    found = {}
    for python in candidates:
        version = version_of(python) if pathlib.Path(python).exists() else None
        if version and version >= OLDEST:
            found.setdefault(version, python)
    return dict(sorted(found.items()))


def run(*command, **more):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **more)


def must(*command, **more):
    done = run(*command, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}")


def test_wheel(python, dist, build):
    """What failed."""
    with tempfile.TemporaryDirectory(prefix="spanring-venv-") as venv:
        must(python, "-m", "venv", venv)
        installed = f"{venv}/bin/python3"
        must(installed, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-index",
             "--find-links", dist, "spanring")
        done = run("/usr/bin/python3", ROOT / "tests/run.py", "--build", build, "--results",
                   "/dev/null", "tests/python/",
                   env={**os.environ, "SPANRING_TEST_PYTHON": installed,
                        "SPANRING_TEST_PACKAGE": "installed"})
        if done.returncode:
            print(done.stdout[-8000:])
        print(f"  wheel: {done.stdout.strip().splitlines()[-1]}", flush=True)
        return [] if done.returncode == 0 else ["wheel"]


def build_sources(python, dist):
    """In place: what is needed to build may not be fetched here."""
    with tempfile.TemporaryDirectory(prefix="spanring-sdist-") as place:
        archive, = dist.glob("spanring-*.tar.gz")
        shutil.unpack_archive(archive, place, filter="data") if sys.version_info >= (3, 12) \
            else shutil.unpack_archive(archive, place)
        source, = pathlib.Path(place).iterdir()
        if run(python, "-c", "import setuptools").returncode:
            print("  sources: not tried, it has no setuptools")
            return []
        must(python, "setup.py", "-q", "build_ext", "--inplace", cwd=source)
        done = run(python, "-c", "import spanring; print(spanring.configure().text)", cwd=source)
        print(f"  sources: {'built' if done.returncode == 0 else done.stdout}", flush=True)
        return [] if done.returncode == 0 else ["sources"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("dist", type=pathlib.Path)
    parser.add_argument("python", nargs="*")
    arguments = parser.parse_args()
    failed = []
    found = interpreters(arguments.python)
    for (major, minor), python in found.items():
        print(f"{major}.{minor}: {python}", flush=True)
        failed += [f"{major}.{minor} {what}" for what in
                   test_wheel(python, arguments.dist, arguments.build) +
                   build_sources(python, arguments.dist)]
    print(f"{len(found)} versions, failed: {', '.join(failed) or 'none'}")
    return 1 if failed or not found else 0


sys.exit(main())
