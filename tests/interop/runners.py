"""The four runners of agents, traced by the package, and a proxy in front of their models,
a process of its own with OpenTelemetry's SDK. In the run's one archive the proxy's span is
a child of the turn that asked."""
import os
import subprocess

import peers
from tier import Process, combination

RUNNERS = peers.HERE.parents[1] / "examples/python/runners"
INTERNAL, SERVER, ERROR = 1, 2, 2

# Each name under its parent's, in alphabetical order: what runs at the same time has no
# other. The turn's index, the tool's and the agent's name tell them apart.
TREES = {
    "plan_execute": """
        agent.run plan_execute
          agent.turn 0
            model_proxy.request
          agent.turn 1
            model_proxy.request
            tool.call sensors@iot
          agent.turn 2
            model_proxy.request
            tool.call diagnose@fmsr
          agent.turn 3
            model_proxy.request""",
    "claude_agent": """
        agent.run claude_agent
          agent.turn 0
            model_proxy.request
            tool.call history@iot
          agent.turn 1
            model_proxy.request
            tool.call diagnose@fmsr
          agent.turn 2
            model_proxy.request""",
    "openai_agent": """
        agent.run openai_agent
          agent.turn 0
            model_proxy.request
            tool.call diagnose@fmsr
            tool.call diagnose@fmsr
            tool.call diagnose@fmsr
          agent.turn 1
            model_proxy.request""",
    "deep_agent": """
        agent.run deep_agent head
          agent.turn 0
            agent.run deep_agent expert for chiller 6
              agent.turn 0
                model_proxy.request
                tool.call diagnose@fmsr
            agent.run deep_agent expert for chiller 9
              agent.turn 0
                model_proxy.request
                tool.call diagnose@fmsr
            model_proxy.request
          agent.turn 1
            model_proxy.request""",
}


def label(span):
    from support import attributes
    said = attributes(span)
    if span["name"] == "agent.turn":
        return f"agent.turn {said['turn.index']}"
    if span["name"] == "tool.call":
        return f"tool.call {said['tool.name']}@{said['tool.server']}"
    return f"{span['name']} {said.get('gen_ai.agent.name', '')}".strip()


def lines_of(spans, parent="", depth=0):
    """The tree below a span."""
    below = [span for span in spans if span.get("parentSpanId", "") == parent]
    for span in sorted(below, key=label):
        yield "  " * depth + label(span)
        yield from lines_of(spans, span["spanId"], depth + 1)


def wanted(name):
    lines = TREES[name].strip("\n").split("\n")
    return [line[8:] for line in lines]


def run(place, name, proxy_url):
    from support import check
    done = subprocess.run(
        ["/usr/bin/python3", RUNNERS / f"{name}.py", proxy_url], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=60, check=False, cwd=place.disk,
        env=place.environment(PYTHONPATH=peers.package(), PYTHONDONTWRITEBYTECODE="1"))
    check(done.returncode == 0, done.stderr.decode()[-2000:])
    return done.stdout.decode().strip()


@combination(*((name,) for name in TREES))
def runner_and_its_proxy(name):
    from sender import Ports
    from support import Agent, Place, attributes, check, check_ledgers, read_archive, spans_of
    ports = Ports()
    with Place() as place, Agent(place, *ports.arguments) as agent:
        proxy = Process(place, "proxy", [peers.python(), RUNNERS / "model_proxy.py"],
                        **place.environment(
                            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{ports.grpc}",
                            OTEL_BSP_SCHEDULE_DELAY="50"))
        with proxy:
            answer = run(place, name, f"http://127.0.0.1:{proxy.port()}")
            # It sends what is left when it ends.
            proxy.process.terminate()
            check(proxy.process.wait(30) == 0, proxy.log_path.read_text()[-2000:])
        check_ledgers(agent.wait_archived())
        archive, = place.archives()
        found = list(spans_of(read_archive(archive)))
        spans = [span for span, _, _ in found]
        check(list(lines_of(spans)) == wanted(name), "\n".join(lines_of(spans)))
        root, = (attributes(span) for span in spans if not span.get("parentSpanId"))
        check(root["agent.runner"] == name and root["user_goal"], f"{root}")
        check(root["agent.final_response"] == answer, f"{root} but it said {answer}")
        check(root["gen_ai.request.model"] and root["gen_ai.system"], f"{root}")
        check({attributes(resource)["service.name"] for span, resource, _ in found
               if span["name"] == "model_proxy.request"} == {"model-proxy"}, "whose span it is")
        check_tokens(spans)


def check_tokens(spans):
    """A turn says the tokens of its call, which the proxy says as well."""
    from support import attributes, check
    turns = {span["spanId"]: attributes(span) for span in spans if span["name"] == "agent.turn"}
    calls = [span for span in spans if span["name"] == "model_proxy.request"]
    check(len(calls) == len(turns), f"{len(calls)} calls in {len(turns)} turns")
    for call in calls:
        said, turn = attributes(call), turns[call["parentSpanId"]]
        for key in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"):
            check(turn[key] == said[key], f"{key}: {turn} but {said}")


@combination(())
def runner_that_fails_in_a_tool():
    """One of the tools that ran at the same time has failed; the run has not."""
    from support import Agent, Place, attributes, check, read_archive, spans_of
    with Place() as place, Agent(place) as agent:
        proxy = Process(place, "proxy", [peers.python(), RUNNERS / "model_proxy.py"],
                        **place.environment(OTEL_SDK_DISABLED="true"))
        with proxy:
            run(place, "openai_agent", f"http://127.0.0.1:{proxy.port()}")
        agent.wait_archived()
        archive, = place.archives()
        spans = [span for span, _, _ in spans_of(read_archive(archive))]
        failed = [span for span in spans if span["status"]["code"] == ERROR]
        check([span["name"] for span in failed] == ["tool.call"], f"{failed}")
        said = attributes(failed[0])
        check(said["error.type"] == "KeyError" and "chiller 7" in
              said["gen_ai.tool.call.arguments"], f"{said}")


@combination(())
def runner_whose_turn_had_the_large_prompt():
    """Which one was it? Its turn says so, and `show` does."""
    from support import Agent, Place, attributes, check, program, read_archive, spans_of
    with Place() as place, Agent(place) as agent:
        proxy = Process(place, "proxy", [peers.python(), RUNNERS / "model_proxy.py"],
                        **place.environment(OTEL_SDK_DISABLED="true"))
        with proxy:
            run(place, "claude_agent", f"http://127.0.0.1:{proxy.port()}")
        agent.wait_archived()
        archive, = place.archives()
        turns = {said["turn.index"]: said["gen_ai.usage.input_tokens"] for said in
                 (attributes(span) for span, _, _ in spans_of(read_archive(archive))
                  if span["name"] == "agent.turn")}
        check(turns[0] < 100 < 14_000 < turns[1], f"{turns}")
        shown = subprocess.run([program("spanring"), "show", archive], stdout=subprocess.PIPE,
                               text=True, check=True, env={**os.environ, "NO_COLOR": "1"})
        check("agent.turn" in shown.stdout, shown.stdout)
