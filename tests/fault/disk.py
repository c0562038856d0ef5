"""A disk that does what a test wants of it, under a running agent: calls that fail
or take long (tests/fault/preload/failing_calls.c), small mounts in a namespace of
our own, and an agent without io_uring, by its setting or by seccomp."""
import ctypes
import errno
import os
import pathlib
import platform
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from support import Agent, Skip, attributes, check, program, read_archive, spans_of

MODES = ("io_uring", "thread")
VALUE_BYTES = 20000


class Calls:
    """set() replaces all rules; counting begins anew."""

    def __init__(self, place):
        self.path = place.memory / "calls"
        self.set()

    def set(self, *rules):
        fresh = self.path.with_suffix(".new")
        fresh.write_text("".join(" ".join(map(str, rule)) + "\n" for rule in rules))
        fresh.replace(self.path)

    def environment(self):
        return {"LD_PRELOAD": program("tests/fault/failing_calls.so"),
                "SPANRING_TEST_CALLS": str(self.path)}


def agent_in_mode(mode, place, *arguments, **more):
    """The disk is what is tested: runs are sealed, spans sent, at once."""
    arguments = ("--set", "archive.idle_timeout=40ms") + arguments
    if mode == "thread":
        arguments += ("--set", "agent.io_uring=never")
    return Agent(place, *arguments, **more)


def check_mode(mode, status):
    """False: io_uring is not to be had here, so that mode was not shown."""
    if mode == "thread":
        check(status["agent"]["io"] == "thread", "io_uring although it was switched off")
    return status["agent"]["io"] == mode


def condition_names(status):
    return {condition["name"] for condition in status["conditions"]}


def wait_condition(agent, *names):
    return agent.wait(lambda status: condition_names(status) >= set(names),
                      f"the conditions {names}")


def wait_no_condition(agent, timeout=60):
    return agent.wait(lambda status: not status["conditions"], "no condition any more", timeout)


def said(agent, text):
    return sum(text in line for line in agent.log().splitlines())


class Flood:
    """A module that goes on when it is refused, and knows what was taken."""

    def __init__(self, puppet):
        self.puppet, self.taken, self.refused = puppet, [], 0

    def ask(self, *words):
        self.puppet.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.puppet.process.stdin.flush()
        return self.puppet.process.stdout.readline().startswith("ok")

    def span(self):
        name = f"flood {len(self.taken) + self.refused}"
        if not self.ask("root", name):
            self.refused += 1
            return
        self.taken.append((name, self.ask("large", "value", VALUE_BYTES)))
        self.ask("end")

    def check_archived(self, place):
        """Each that was taken is there once, whole, and nothing else."""
        found = {}
        for path in place.archives():
            for span, _, _ in spans_of(read_archive(path, judge=False)):
                check(found.setdefault(span["name"], span) is span, f"{span['name']} twice")
        check(found.keys() == {name for name, _ in self.taken}, "other spans than were taken")
        for name, whole in self.taken:
            check(not whole or len(attributes(found[name])["value"]) == VALUE_BYTES,
                  f"the value of {name}")


# ---- small mounts --------------------------------------------------------------------

NAMESPACE = "SPANRING_TEST_NAMESPACE"


def own_namespace():
    """Goes on in a mount namespace of its own, as root or as root of a user
    namespace. False: that is not allowed here."""
    if os.environ.get(NAMESPACE):
        return True
    command = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    command += ["--propagation", "private"]
    try:
        probe = subprocess.run(command + ["mount", "-t", "tmpfs", "t", "/mnt"], check=False,
                               stderr=subprocess.DEVNULL)
    except OSError:
        return False
    if probe.returncode:
        return False
    os.execvpe(command[0], command + [sys.executable] + sys.argv, dict(os.environ, **{NAMESPACE: "1"}))


class Mount:
    """A tmpfs of a few MiB."""

    def __init__(self, path, size, options=""):
        self.path = path
        self.ballast = path / "ballast"
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "t", str(path)],
                       check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", str(self.path)], check=True)

    def fill(self):
        """Until not one page is left."""
        with open(self.ballast, "ab", buffering=0) as ballast:
            for piece in (bytes(1 << 16), bytes(1 << 12)):
                try:
                    while ballast.write(piece) == len(piece):
                        pass
                except OSError as error:
                    check(error.errno == errno.ENOSPC, f"filling {self.path}: {error}")

    def free(self):
        self.ballast.unlink()

    def remount(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)


class PretendedMount:
    """Where no mounts are allowed: files with these names meet ENOSPC."""

    def __init__(self, path, calls, names):
        self.path, self.calls, self.names = path, calls, names
        path.mkdir()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def fill(self):
        self.calls.set(*((call, name, errno.ENOSPC, -1) for name in self.names
                         for call in ("openat", "pwritev", "fallocate")))

    def free(self):
        self.calls.set()


# ---- seccomp -----------------------------------------------------------------------

IO_URING_SETUP = 425
ARCHITECTURES = {"x86_64": 0xc000003e, "aarch64": 0xc00000b7}


def refuse_uring(error):
    """For subprocess's preexec_fn: io_uring_setup() answers with this errno."""
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise Skip(f"no filter for {platform.machine()}")

    def install():
        def step(code, true, false, value):
            return struct.pack("HBBI", code, true, false, value)
        filters = (step(0x20, 0, 0, 4) + step(0x15, 0, 3, architecture) + step(0x20, 0, 0, 0)
                   + step(0x15, 0, 1, IO_URING_SETUP) + step(0x06, 0, 0, 0x00050000 | error)
                   + step(0x06, 0, 0, 0x7fff0000))
        libc = ctypes.CDLL(None, use_errno=True)
        code = ctypes.create_string_buffer(filters, len(filters))
        head = struct.pack("HxxxxxxP", len(filters) // 8, ctypes.addressof(code))
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, head, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")
    return install


class AgentWithoutUring(Agent):
    """As in a container that blocks io_uring."""

    def __init__(self, error, *arguments, **more):
        super().__init__(*arguments, **more)
        self.preexec = refuse_uring(error)

    def start(self):
        real = subprocess.Popen

        def popen(*arguments, **more):
            return real(*arguments, preexec_fn=self.preexec, **more)
        subprocess.Popen = popen
        try:
            return super().start()
        finally:
            subprocess.Popen = real
