#!/usr/bin/python3
"""Measures the client and the agent beside their peers and prints one table.

Everything runs in turns within one run and medians are shown, because machines
are noisy; the ratios decide. Nothing is stored.
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Scratch:
    """A private directory, on tmpfs unless told, removed with everything in it."""

    def __init__(self, where=SHM):
        self.where = where

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="spanring-bench-", dir=self.where))
        os.chmod(self.path, 0o700)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def environment(ring_dir, **more):
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "SPANRING_", "TRACE"))}
    return dict(kept, SPANRING_DIR=str(ring_dir), **more)


def client(build, case, attributes, threads, spans, wrap=(), **variables):
    with Scratch() as ring_dir:
        done = subprocess.run([*wrap, build / "bench/client_cost", case, str(attributes),
                               str(threads), str(spans)],
                              env=environment(ring_dir, **variables), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=True, timeout=300)
    if "void" in done.stderr:
        print("  " + done.stderr.strip())
    return float(done.stdout), done.stderr


class Lttng:
    """A session in snapshot mode: events go to memory, nobody writes files."""

    def __init__(self, build):
        self.program = build / "bench/lttng_cost"
        self.usable = self.program.exists() and shutil.which("lttng") is not None
        self.daemon = None

    def command(self, *words):
        return subprocess.run(["lttng", *words], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=30, check=False).returncode == 0

    def __enter__(self):
        if not self.usable:
            return self
        self.home = tempfile.mkdtemp(prefix="spanring-lttng-", dir=SHM)
        if not self.command("list"):
            self.daemon = subprocess.Popen(["lttng-sessiond", "--no-kernel"],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(2)
        self.usable = (self.command("create", "spanring-bench", "--snapshot",
                                    "--output=" + self.home)
                       and self.command("enable-event", "-u", "spanring_bench:*")
                       and self.command("start"))
        return self

    def cost(self, attributes, spans):
        if not self.usable:
            return None
        return float(subprocess.run([self.program, str(attributes), str(spans)], text=True,
                                    stdout=subprocess.PIPE, check=True, timeout=300).stdout)

    def __exit__(self, *_):
        if hasattr(self, "home"):
            self.command("destroy", "spanring-bench")
            shutil.rmtree(self.home, ignore_errors=True)
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()


def client_rows(build, spans, repeats):
    """{(clock, case, attributes, threads): median ns}, all cases in turns."""
    cases = [(clock, case, attributes, threads)
             for clock in ("monotonic", "tsc") for case in ("recycled", "first-lap", "limit")
             for attributes in (0, 4) for threads in (1, 2)
             if not (case != "recycled" and threads == 2)]
    cases += [("monotonic", "unsampled", 0, 1), ("monotonic", "disabled", 0, 1),
              ("lttng", "lttng", 0, 1), ("lttng", "lttng", 4, 1)]
    found = {case: [] for case in cases}
    with Lttng(build) as lttng:
        for _ in range(repeats):
            for clock, case, attributes, threads in cases:
                variables = {"SPANRING_CLOCK": clock, "SPANRING_RING_MAX": "64M"}
                count = spans
                name = case
                if case == "limit":
                    name = "limit-mono" if clock == "monotonic" else "limit-tsc"
                elif case == "first-lap":
                    variables["SPANRING_RING_MAX"] = "512M"
                    count = min(spans, 1000000)
                elif case == "unsampled":
                    variables["OTEL_TRACES_SAMPLER"] = "always_off"
                elif case == "disabled":
                    variables["OTEL_SDK_DISABLED"] = "true"
                if case == "lttng":
                    value = lttng.cost(attributes, count)
                else:
                    value = client(build, name, attributes, threads, count, **variables)[0]
                if value is not None:
                    found[(clock, case, attributes, threads)].append(value)
    return {case: statistics.median(values) for case, values in found.items() if values}


def print_client(rows):
    print("client, ns per span (start + end)          empty            3 strings + 1 int")
    for clock in ("monotonic", "tsc"):
        print(f" {clock}")
        for case, threads, label in (("limit", 1, "limit: same bytes, memcpy + release store"),
                                     ("recycled", 1, "recycled blocks, 1 thread"),
                                     ("recycled", 2, "recycled blocks, 2 threads (each)"),
                                     ("first-lap", 1, "first lap")):
            line = f"  {label:42}"
            for attributes in (0, 4):
                value = rows.get((clock, case, attributes, threads))
                limit = rows.get((clock, "limit", attributes, 1))
                line += f"{value:8.1f}  {value / limit:5.2f}x" if value else f"{'-':>16}"
            print(line)
    for attributes in (0, 4):
        lttng = rows.get(("lttng", "lttng", attributes, 1))
        ours = rows[("monotonic", "recycled", attributes, 1)]
        if lttng:
            print(f"  LTTng-UST, same payload, {attributes} attributes: {lttng:.1f}, "
                  f"{lttng / ours:.1f} times ours")
        else:
            print("  LTTng-UST: not measured (liblttng-ust-dev and lttng-tools are needed)")
    print(f"  not sampled {rows[('monotonic', 'unsampled', 0, 1)]:.1f} a span, "
          f"disabled {rows[('monotonic', 'disabled', 0, 1)]:.1f} a span (two calls)")


def genai_cost(build, how, calls):
    with Scratch() as ring_dir:
        done = subprocess.run([build / "bench/genai_cost", how, str(calls)], text=True,
                              env=environment(ring_dir), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=True, timeout=300)
    if done.stderr:
        print("  " + done.stderr.strip())
    return float(done.stdout)


def print_genai(build, repeats):
    found = {"helper": [], "hand": []}
    for _ in range(repeats):
        for how, values in found.items():
            values.append(genai_cost(build, how, 500000))
    helper, hand = (statistics.median(found[how]) for how in ("helper", "hand"))
    print(f"  a model's call with its 12 attributes: {helper:.0f} ns by the helper, "
          f"{helper / hand:.2f} times as long as by hand")


def print_counts(build):
    """Calls per span, by the difference of two runs of different length."""
    few, many = 200000, 400000
    library = build / "bench/count_calls.so"
    allocations = [int(client(build, "recycled", 4, 1, spans,
                              wrap=("env", f"LD_PRELOAD={library}"))[1].split()[-1])
                   for spans in (few, many)]
    print(f"  allocations per span: {(allocations[1] - allocations[0]) / (many - few):.6f}")
    if not shutil.which("strace"):
        print("  system calls per span: not counted (strace is needed)")
        return
    counted = [syscalls(build, spans) for spans in (few, many)]
    total = sum(counted[1].values()) - sum(counted[0].values())
    blocks = counted[1].get("madvise", 0) - counted[0].get("madvise", 0)
    print(f"  system calls per span on the first lap: {total / (many - few):.4f}"
          f" ({blocks} of {total} make a new block real)")
    recycled = [sum(syscalls(build, spans, "recycled").values()) for spans in (few, many)]
    print(f"  system calls per span, recycled blocks: {(recycled[1] - recycled[0]) / (many - few):.4f}"
          " (with those of the thread that stands for the agent)")


def print_calls(build):
    """The tail of single calls, beside the bound: 50 us of CPU time up to 4 KiB,
    and 2 us per further KiB. A thread is charged for the interruptions it meets:
    what `nothing` costs at most, any call may."""
    print("  single calls, us of CPU time            median     99 %   99.9 %     most    bound")
    for size, calls in ((64, 1000000), (4096, 100000), (800000, 2000)):
        with Scratch() as ring_dir:
            done = subprocess.run([build / "bench/call_cost", str(size), str(calls)],
                                  env=environment(ring_dir, SPANRING_RING_MAX="256M"),
                                  stdout=subprocess.PIPE, text=True, check=True, timeout=300)
        found = [float(word) for word in done.stdout.split()]
        bound = 50 + 2 * max(0, size / 1024 - 4)
        rows = [(f"a value of {size} bytes", found[0:4], bound)]
        if size == 64:
            rows += [("start", found[4:8], 50), ("end", found[8:12], 50),
                     ("nothing: the clock, interruptions", found[12:16], 50)]
        for label, values, limit in rows:
            print(f"   {label:36}" + "".join(f"{value:9.2f}" for value in values)
                  + f"{limit:9.0f}")


def syscalls(build, spans, case="first-lap"):
    """{name: calls} of a whole run."""
    counts = {}
    with tempfile.NamedTemporaryFile("r") as log:
        client(build, case, 4, 1, spans, SPANRING_RING_MAX="512M",
               wrap=("strace", "-f", "-c", "-o", log.name))
        for line in log.read().split("\n"):
            fields = line.split()
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                counts[fields[-1]] = int(fields[3])
    return counts


# ---- the agent -------------------------------------------------------------

def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid):
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().split("\n"):
        if line.startswith(("VmHWM", "RssAnon")):
            found[line.split(":")[0]] = int(line.split()[1]) / 1024
    return found


def status(ring_dir):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(ring_dir / "agent.sock"))
        peer.sendall(b"GET /status HTTP/1.0\r\nHost: localhost\r\n\r\n")
        parts = []
        while part := peer.recv(65536):
            parts.append(part)
    return json.loads(b"".join(parts).partition(b"\r\n\r\n")[2])


def agent_run(build, spans, archive, export, more=()):
    """CPU microseconds per span from rings to the sink, and the memory, while one
    process makes 200,000 spans a second."""
    with Scratch() as ring_dir, Scratch("/var/tmp") as scratch:
        sink = subprocess.Popen([build / "spanring", "sink", "--quiet", "--listen", "127.0.0.1:0"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        port = sink.stdout.readline().strip().rsplit(":", 1)[-1]
        words = [build / "spanringd", "--ring-dir", ring_dir, "--state-dir", scratch / "state",
                 "--archive-dir", scratch / "archive", "--log-level", "error",
                 "--set", "archive.idle_timeout=300ms", "--set", "export.delay=100ms"]
        words += ["--endpoint", f"http://127.0.0.1:{port}"] if export else ["--no-export"]
        words += [] if archive else ["--no-archive"]
        words += more
        agent = subprocess.Popen(words, env=environment(ring_dir), stderr=subprocess.DEVNULL)
        began = time.monotonic()
        try:
            while not (ring_dir / "agent.sock").exists():
                time.sleep(0.01)
            before = cpu_s(agent.pid)
            subprocess.run([build / "bench/client_cost", "paced", "4", "1", str(spans)],
                           env=environment(ring_dir), stdout=subprocess.DEVNULL, check=True,
                           timeout=300)
            while time.monotonic() - began < 240:
                time.sleep(0.1)
                now = status(ring_dir)
                sent = not export or (now["export"][0]["sent"] >= spans)
                archived = not archive or now["archive"]["archived"] >= spans
                if now["spans"]["finished"] >= spans and sent and archived:
                    break
            else:
                raise SystemExit("bench: the agent did not finish in time")
            result = {"cpu_us": (cpu_s(agent.pid) - before) / spans * 1e6, **memory(agent.pid)}
        finally:
            agent.terminate()
            agent.wait()
            sink.terminate()
            sink.wait()
    return result


def print_redaction(build):
    """What looking for secrets costs, of the stage alone."""
    done = subprocess.run([build / "bench/redact_cost"], capture_output=True, text=True,
                          check=True, timeout=120)
    cost = {what: float(number) for what, number in
            (line.rsplit(" ", 1) for line in done.stdout.splitlines())}
    print("\nredaction, CPU time")
    print(f"  a span of 4 attributes{cost['span on'] - cost['span off']:12.0f} ns")
    for what in ("prose", "code", "secrets"):
        print(f"  values of 800 KB, {what:10}{cost[what]:12.2f} ns a byte")


def print_agent(build, spans, repeats):
    print(f"\nagent, {spans} spans of 4 attributes at 200,000 a second, ring to sink, log on")
    print("                                  CPU us a span   spans a CPU-second   peak RSS   private")
    for label, archive, export, more in (
            ("log only", False, False, ()),
            ("log only, redaction off", False, False, ("--set", "redact.enabled=false")),
            ("OTLP/gRPC", False, True, ()), ("OTLP/gRPC + archive", True, True, ())):
        runs = [agent_run(build, spans, archive, export, more) for _ in range(repeats)]
        middle = sorted(runs, key=lambda run: run["cpu_us"])[len(runs) // 2]
        print(f"  {label:32}{middle['cpu_us']:10.2f}{1e6 / middle['cpu_us']:20.0f}"
              f"{middle['VmHWM']:10.1f} M{middle['RssAnon']:8.1f} M")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--spans", default=2000000, type=int)
    parser.add_argument("--repeats", default=5, type=int)
    parser.add_argument("--only", choices=("client", "agent"))
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    if arguments.only != "agent":
        print_client(client_rows(build, arguments.spans, arguments.repeats))
        print_genai(build, arguments.repeats)
        print_calls(build)
        print_counts(build)
    if arguments.only != "client":
        print_redaction(build)
        print_agent(build, min(arguments.spans, 1000000), min(arguments.repeats, 3))


main()
