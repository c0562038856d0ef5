"""A disk that does what a test wants of it, under a running agent: calls that fail
or take long (tests/fault/preload/failing_calls.c), small mounts in a namespace of
our own, and an agent without io_uring, by its setting or by seccomp."""
import ctypes
import os
import pathlib
import platform
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from support import Agent, Skip, check, program

MODES = ("io_uring", "thread")


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
