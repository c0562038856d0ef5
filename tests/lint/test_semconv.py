#!/usr/bin/python3
"""<spanring/semconv.h>: each constant is called what it holds, says what becomes of it, and
if that is nothing good, which constant of the file is written instead. Whether it is true is
asked by `make interop NAME=names`."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFINE = re.compile(r'/\* ((?:(?!\*/).)*?) \*/\n#define (SPANRING_ATTR_\w+)\s+(?:\\\n\s*)?"([^"]+)"',
                    re.S)
STATUS = re.compile(r"(Stable|Development|OpenInference|Custom|"
                    r"Deprecated(?:, ([\w.]+)(?: and ([\w.]+))? instead)?)\. \S")


def main():
    text = (ROOT / "include/spanring/semconv.h").read_text()
    found, wrong = DEFINE.findall(text), []
    names = [name for _, _, name in found]
    for comment, constant, name in found:
        status = STATUS.match(" ".join(comment.replace("\n *", "\n").split()))
        if constant != "SPANRING_ATTR_" + name.upper().replace(".", "_"):
            wrong.append(f"{constant} holds {name}")
        if not status:
            wrong.append(f"{name} does not say what becomes of it")
            continue
        wrong += [f"{name}: {other} is not here" for other in status.groups()[1:]
                  if other and other not in names]
    wrong += [f"{name} is here twice" for name in set(names) if names.count(name) > 1]
    if len(found) != len(re.findall(r"^#define SPANRING_ATTR_", text, re.M)) or len(found) < 150:
        wrong.append(f"{len(found)} constants are understood")
    print("\n".join(wrong) or f"{len(found)} names")
    return 1 if wrong else 0


sys.exit(main())
