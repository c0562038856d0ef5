"""Stand-ins for the tools of two servers. A tool that fails raises."""
import json

from spanring import genai

SENSORS = {"chiller 6": [6.9, 7.1, 11.8], "chiller 9": [7.0, 7.0, 7.1]}


def sensors(arguments):
    return json.dumps(sorted(SENSORS))


def history(arguments):
    """A table as large as real ones: it is in the next prompt, and costs its tokens."""
    values = SENSORS[arguments["of"]]
    return "\n".join(f"2026-01-01T00:{at // 60:02}:{at % 60:02}Z {values[at % 3]}"
                     for at in range(2400))


def diagnose(arguments):
    return "the condenser is fouled" if max(SENSORS[arguments["of"]]) > 10 else "nothing"


TOOLS = {"sensors": ("iot", sensors), "history": ("iot", history),
         "diagnose": ("fmsr", diagnose)}


def call(name, **arguments):
    server, function = TOOLS[name]
    with genai.tool(name, server=server, arguments=arguments) as use:
        result = function(arguments)
        use.respond(result)
        return result
