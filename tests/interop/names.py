"""The names in <spanring/semconv.h> beside those of the packages of OpenTelemetry and
OpenInference, and what becomes of them there."""
import json
import pathlib
import re
import subprocess

import peers
from tier import combination

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFINE = re.compile(r'/\* ((?:(?!\*/).)*?) \*/\n#define SPANRING_ATTR_\w+\s+(?:\\\n\s*)?"([^"]+)"', re.S)

# Run by their Python. A constant is followed by its description; what moved to the
# repository of generative AI is as it was there: in development.
THEIRS = r'''
import json, pathlib, re
import openinference.semconv.resource as resource, openinference.semconv.trace as trace
import opentelemetry.semconv
CONSTANT = re.compile(r'^\w+: Final = "([^"]+)"\n"""\n(.*?)"""', re.S | re.M)
root, status = pathlib.Path(opentelemetry.semconv.__file__).parent, {}
for path in [*root.glob("_incubating/attributes/*.py"), *root.glob("attributes/*.py")]:
    for name, text in CONSTANT.findall(path.read_text()):
        gone = text.startswith("Deprecated:") and not text.startswith("Deprecated: Moved to")
        stable = path.parent.parent.name != "_incubating"
        if not text.startswith("Deprecated in favor of stable"):
            status[name] = "Deprecated" if gone else "Stable" if stable else "Development"
ours = [value for module in (resource, trace) for group in vars(module).values()
        if isinstance(group, type) for value in vars(group).values() if isinstance(value, str)]
print(json.dumps({"opentelemetry": status, "openinference": ours}))
'''


def names():
    """{name: its status} of our header."""
    text = (ROOT / "include/spanring/semconv.h").read_text()
    return {name: re.match(r"\w+", comment).group() for comment, name in DEFINE.findall(text)}


@combination(())
def names_of_attributes():
    theirs = json.loads(subprocess.run([peers.python(), "-c", THEIRS], check=True, timeout=120,
                                       stdout=subprocess.PIPE).stdout)
    wrong = []
    for name, status in names().items():
        known = theirs["opentelemetry"].get(name)
        expected = {"OpenInference": name in theirs["openinference"],
                    "Custom": not known and name not in theirs["openinference"]}
        if not expected.get(status, known == status):
            wrong.append(f"{name} is {status} to us, {known or 'unknown'} there")
    if wrong or len(names()) < 150:
        raise AssertionError(f"{len(names())} names\n" + "\n".join(wrong))
