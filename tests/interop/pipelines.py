"""Pipelines of people who use OpenTelemetry: the example modules, one process after the
other, with its SDK and with our provider; one of them is killed."""
import json
import signal
import subprocess

import peers
from tier import combination

MODULES = ("agento_plan", "agento_ingest", "agento_revise")
EXAMPLES = peers.HERE.parents[1] / "examples/python"


class Pipeline:
    """The modules of examples/python/agento_otel in a directory of their own."""

    def __init__(self, place, port, provider="sdk"):
        self.place = place
        self.directory = place.disk / "work"
        self.directory.mkdir()
        self.environment = place.environment(
            AGENTO_PROVIDER=provider, PYTHONPATH=peers.package(), OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            OTEL_BSP_SCHEDULE_DELAY="50")

    def start(self, name, *arguments, **environment):
        log = open(self.place.disk / f"{name}.log", "ab")
        with log:
            return subprocess.Popen(
                [peers.python(), EXAMPLES / "agento_otel" / f"{name}.py", "-w", "1", *arguments],
                cwd=self.directory, env={**self.environment, **environment},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)

    def run(self, *names, **environment):
        from support import check
        for name in names:
            with self.start(name, **environment) as process:
                check(process.wait(60) == 0, f"{name} ended with {process.returncode}")
            said = (self.place.disk / f"{name}.log").read_text()
            check(not said, f"{name} complains: {said[-2000:]}")

    def kill_in(self, name, step, before=lambda: None):
        from support import check
        with self.start(name, "-H", step) as process:
            try:
                check(b"hanging" in process.stdout.readline(), f"{name} does not hang in {step}")
                before()
            finally:
                process.kill()
            check(process.wait() == -signal.SIGKILL, "it was not killed")

    def traceparent(self):
        return json.loads((self.directory / "trace.context").read_text())["traceparent"]


def is_the_pipeline(archive):
    from pipeline import PIPELINE, SPANS, passes_check, tree
    from support import attributes, check, read_archive, spans_of
    check(tree(archive) == PIPELINE, f"the tree: {tree(archive)}")
    passes_check(archive)
    found = list(spans_of(read_archive(archive)))
    check(len(found) == SPANS, f"{len(found)} spans")
    resources = [attributes(resource) for _, resource, _ in found]
    check({resource["agento.module"] for resource in resources}
          == set(MODULES), f"the modules: {resources}")
    check(len({resource["service.instance.id"] for resource in resources}) == 3,
          "an instance per process")
    check({resource["service.name"] for resource in resources} == {"agento"}, "the service")


@combination(("sdk", "file"), ("sdk", "environment"), ("spanring", "file"),
             ("spanring", "environment"))
def agento(provider, way):
    """Its modules end by themselves and by os._exit(0). Between two of them nobody
    lives, long enough for the run's file to be closed: it is opened again."""
    from sender import Ports
    from support import Agent, Place, check, check_ledgers
    ports = Ports()
    with Place() as place, Agent(place, *ports.arguments) as agent:
        pipeline = Pipeline(place, ports.grpc, provider)
        names = set()
        for sealed, name in enumerate(MODULES, 1):
            given = {}
            if way == "environment" and sealed > 1:
                given["TRACEPARENT"] = pipeline.traceparent()
                (pipeline.directory / "trace.context").write_text("stale or broken")
            pipeline.run(name, **given)
            agent.wait_archived(sealed)
            names.update(place.archives())
        check(len(names) == 1, f"one run, one file: {names}")
        is_the_pipeline(names.pop())
        check_ledgers(agent.status())


@combination(())
def agento_with_the_sdk_twice_in_one_directory():
    """The context that the first run left does not glue the second to it."""
    from sender import Ports
    from support import Agent, Place, check
    ports = Ports()
    with Place() as place, Agent(place, *ports.arguments) as agent:
        pipeline = Pipeline(place, ports.grpc)
        for _ in range(2):
            pipeline.run(*MODULES)
        agent.wait_archived(2)
        check(len(place.archives()) == 2, f"archives: {place.archives()}")
        for archive in place.archives():
            is_the_pipeline(archive)


def killed_in_the_second_module(place, agent, port, provider, before=lambda: None):
    """Names of spans, and all of them, of a run that went on to its third module."""
    from support import check_ledgers, read_archive, spans_of
    pipeline = Pipeline(place, port, provider)
    pipeline.run("agento_plan")
    pipeline.kill_in("agento_ingest", "generate_revision_requests", before)
    pipeline.run("agento_revise")
    check_ledgers(agent.wait_archived())
    archive, = place.archives()
    return archive, {span["name"]: span for span, _, _ in spans_of(read_archive(archive))}


@combination(())
def agento_with_the_sdk_and_a_module_killed():
    """What the SDK had sent is there, and the run goes on; what was open in it is not:
    nobody outside the process knew of it."""
    from sender import Ports
    from support import Agent, Place, check, program
    ports = Ports()
    with Place() as place, Agent(place, *ports.arguments) as agent:
        archive, found = killed_in_the_second_module(
            place, agent, ports.grpc, "sdk",
            # Its processor sends now and then, and is given the time for it.
            lambda: agent.wait(lambda status: status["receive"]["spans"] == 7, "what has ended"))
        check(found.keys() == {
            "agento.pipeline", "generate_plan_structure", "llm.gemini.generate_plan",
            "develop_drafts", "llm.gemini.develop_draft", "agento.module.revise_plan",
            "further_revise_plan", "llm.gemini.revise_step"}, f"{sorted(found)}")
        check(found["agento.module.revise_plan"]["parentSpanId"]
              == found["agento.pipeline"]["spanId"], "whom the last module continues")
        done = subprocess.run([program("spanring"), "check", archive], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        check(done.returncode == 1 and found["develop_drafts"]["parentSpanId"].encode()
              in done.stdout, f"check says nothing of the lost span: {done.stdout}")


@combination(())
def agento_with_spanring_killed_in_each_step():
    """The same modules: nothing is missing but what was never said."""
    from pipeline import STEPS, check_killed, in_order, passes_check
    from support import Agent, Place, check_ledgers
    with Place() as place, Agent(place) as agent:
        pipeline = Pipeline(place, 1, "spanring")
        pipeline.run(*MODULES)
        agent.wait_archived(1)
        archive, = place.archives()
        whole, known = in_order(archive), {archive}
        for victim, steps in STEPS.items():
            for step in steps:
                for name in MODULES:
                    if name == f"agento_{victim}":
                        pipeline.kill_in(name, step)
                    else:
                        pipeline.run(name)
                agent.wait_archived(len(known) + 1)
                archive, = set(place.archives()) - known
                known.add(archive)
                check_killed(archive, whole, victim, step)
                passes_check(archive)
        check_ledgers(agent.status())
