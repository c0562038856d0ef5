#!/usr/bin/python3
"""spanring/semconv.py, the names of attributes, from <spanring/semconv.h> on standard input."""
import re
import sys

HEAD = '''"""Names of attributes that people and their tools use.

A constant is called what it holds, in upper case with _ for the dots. Before each stands
what becomes of the name, and what it means; see <spanring/semconv.h>, of which this is
made."""
from typing import Final

'''
NAME = re.compile(r'/\*(?P<text>.*?)\*/\s*#define SPANRING_ATTR_(?P<name>\w+)\s+(?:\\\s*)?'
                  r'(?P<value>"[^"]*")', re.DOTALL)


def main():
    header = sys.stdin.read()
    found = 0
    print(HEAD, end="")
    for match in NAME.finditer(header):
        # Of comments behind each other the last one is the name's.
        text = match["text"].rsplit("/*", maxsplit=1)[-1]
        for line in text.strip().splitlines():
            print("# " + line.strip().removeprefix("* "))
        print(f"{match['name']}: Final = {match['value']}")
        found += 1
    defined = len(re.findall(r"^#define SPANRING_ATTR_\w+", header, re.MULTILINE))
    if found != defined:
        sys.exit(f"names_of.py: {found} of {defined} names were understood")


main()
