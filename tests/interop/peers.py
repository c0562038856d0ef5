"""The programs of others, fetched and built once, in the versions that the file
`versions` pins. They are kept in $SPANRING_INTEROP, else ~/.cache/spanring/interop,
each under a name made of its sources and versions, so that a change makes it anew."""
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
STORE = pathlib.Path(os.environ.get("SPANRING_INTEROP") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or
                                  pathlib.Path.home() / ".cache") / "spanring/interop")


class Missing(Exception):
    """This machine cannot have the peer; the text says what to do."""


def versions():
    for line in (HERE / "versions").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split()


def pinned(kind):
    return {name: version for what, name, version in versions() if what == kind}


def version_of(module):
    """Of a Go module, or of a package in it."""
    found = [(name, version) for name, version in pinned("go").items()
             if module == name or module.startswith(name + "/")]
    return max(found)[1]


def need(program, hint):
    if not shutil.which(program):
        raise Missing(f"{program} is not installed: {hint}")


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(map(str, command[:4]))} failed:\n{done.stdout[-3000:]}")


def once(name, material, make):
    """The directory that make(directory) has filled, now or earlier."""
    key = hashlib.sha256(repr(material).encode()).hexdigest()[:16]
    place = STORE / f"{name}-{key}"
    if place.exists():
        return place
    print(f"interop: building {name}", file=sys.stderr, flush=True)
    new = STORE / f"{name}-{key}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    make(new)
    new.rename(place)
    return place


def answers_on(port, seconds=60):
    """Waits until somebody listens on a port of this machine."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port}")


# ---- Go ----------------------------------------------------------------------------

def imports(source):
    """The packages of others in a Go file."""
    inside = source[source.index("import (") + 8:]
    for line in inside[:inside.index("\n)")].splitlines():
        path = line.strip().strip("_ ").split()[-1:] or [""]
        if "." in path[0].split("/")[0]:
            yield path[0].strip('"')


def go_module(directory, packages):
    (directory / "go.mod").write_text("module spanring/interop\n\ngo 1.25\n", encoding="utf-8")
    run("go", "get", *[f"{one}@{version_of(one)}" for one in packages], cwd=directory)


def go_program(name):
    need("go", "Go 1.25 or newer is needed")
    source = (HERE / name / "main.go").read_text(encoding="utf-8")
    packages = sorted({one for one in imports(source) if any(
        one == module or one.startswith(module + "/") for module in pinned("go"))})

    def make(directory):
        (directory / "main.go").write_text(source, encoding="utf-8")
        go_module(directory, packages)
        run("go", "build", "-o", name, ".", cwd=directory)

    return once(name, (source, pinned("go")), make) / name


def jaeger():
    need("go", "Go 1.25 or newer is needed")
    package = "github.com/jaegertracing/jaeger/cmd/jaeger"

    def make(directory):
        go_module(directory, [package])
        run("go", "build", "-o", "jaeger", package, cwd=directory)

    return once("jaeger", version_of(package), make) / "jaeger"


# ---- Python and JavaScript -------------------------------------------------------------

def python():
    """An interpreter with the SDK."""
    wanted = [f"{name}=={version}" for name, version in sorted(pinned("pypi").items())]

    def make(directory):
        run(sys.executable, "-m", "venv", str(directory / "venv"), cwd=directory)
        run(str(directory / "venv/bin/pip"), "install", "-q", *wanted, cwd=directory)

    # A virtual environment works under its own path alone; its interpreter does not care.
    return once("python", wanted, make) / "venv/bin/python3"


def mypy():
    """An interpreter with the reader of type hints, and nothing else."""
    wanted = [f"{name}=={version}" for name, version in pinned("mypy").items()]

    def make(directory):
        run(sys.executable, "-m", "venv", str(directory / "venv"), cwd=directory)
        run(str(directory / "venv/bin/pip"), "install", "-q", *wanted, cwd=directory)

    return once("mypy", wanted, make) / "venv/bin/python3"


def package():
    """Where the build has put our own package for Python."""
    return str(pathlib.Path(os.environ["BUILD"]) / "python")


def javascript():
    """What to start a JavaScript file of this directory with."""
    need("node", "Node.js 18 or newer is needed")
    need("npm", "it comes with Node.js")
    wanted = [f"{name}@{version}" for name, version in sorted(pinned("npm").items())]

    def make(directory):
        run("npm", "install", "--no-audit", "--no-fund", "--no-save", *wanted, cwd=directory)

    modules = once("javascript", wanted, make) / "node_modules"
    return ["env", f"NODE_PATH={modules}", "node"]
