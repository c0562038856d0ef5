"""Lets protobuf's own Python implementation judge our OTLP bytes and OTLP/JSON.

usage: judge.py STUBS CASES

A case is one line: kind, message type, bytes in hexadecimal, JSON, separated by
tabs. `both`: the JSON is exactly what json_format makes of the bytes, OTLP's
differences aside, and the bytes are what protobuf serializes the JSON to.
`form`: as `both`, but the bytes may be any that parse, not only the canonical.
`parse`: the JSON (of anybody) parses to the bytes. Exit status 77: no protobuf.
"""
import base64
import json
import sys

try:
    from google.protobuf import json_format
except ImportError:
    sys.exit(77)

IDS = ("traceId", "spanId", "parentSpanId")


def ids(value, convert):
    """A copy with every id converted."""
    if isinstance(value, list):
        return [ids(v, convert) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: convert(v) if k in IDS else ids(v, convert) for k, v in value.items()}


def to_base64(text):
    return base64.b64encode(bytes.fromhex(text)).decode()


def to_hex(text):
    return base64.b64decode(text).hex()


def complete(value):
    """Attributes always have a key and a value in our JSON."""
    if isinstance(value, list):
        return [complete(v) for v in value]
    if not isinstance(value, dict):
        return value
    value = {k: complete(v) for k, v in value.items()}
    for name in ("attributes", "kvlistValue"):
        members = value.get(name)
        if isinstance(members, dict):
            members = members.get("values", [])
        for member in members or []:
            member.setdefault("key", "")
            member.setdefault("value", {})
    return value


def exact(value):
    """Equal only for equal types and equal signs of zero."""
    return repr(value)


def ordered(value):
    if isinstance(value, list):
        return [ordered(v) for v in value]
    if isinstance(value, dict):
        return {k: ordered(value[k]) for k in sorted(value)}
    return value


def one_line(text):
    return not any(ord(c) < 0x20 or c in "\x85\u2028\u2029" for c in text)


def judge(kind, message_type, wire, text):
    message = message_type.FromString(wire)
    message.DiscardUnknownFields()
    theirs = message_type()
    json_format.ParseDict(ids(json.loads(text), to_base64), theirs)
    if theirs.SerializeToString(deterministic=True) != message.SerializeToString(
            deterministic=True):
        return "the JSON parses to something else"
    if kind == "parse":
        return None
    if kind == "both" and message.SerializeToString(deterministic=True) != wire:
        return "the bytes are not the canonical ones"
    expected = complete(ids(json_format.MessageToDict(
        message, use_integers_for_enums=True), to_hex))
    if message_type.DESCRIPTOR.name == "KeyValue":
        expected = complete({"attributes": [expected]})["attributes"][0]
    if exact(ordered(expected)) != exact(ordered(json.loads(text))):
        return "the JSON is not what json_format makes:\n%s\n%s" % (
            json.dumps(ordered(expected)), json.dumps(ordered(json.loads(text))))
    if not one_line(text):
        return "a character that readers take for a line's end"
    return None


def main():
    sys.path.insert(0, sys.argv[1])
    from opentelemetry.proto.trace.v1 import trace_pb2
    from opentelemetry.proto.common.v1 import common_pb2
    from opentelemetry.proto.resource.v1 import resource_pb2
    types = {t.DESCRIPTOR.full_name: t for t in (
        trace_pb2.TracesData, trace_pb2.Span, common_pb2.InstrumentationScope,
        common_pb2.KeyValue, common_pb2.AnyValue,
        resource_pb2.Resource)}
    bad = number = 0
    for number, line in enumerate(open(sys.argv[2], encoding="utf-8", newline="\n"), 1):
        kind, name, wire, text = line.rstrip("\n").split("\t")
        wrong = judge(kind, types[name], bytes.fromhex(wire), text)
        if wrong:
            bad += 1
            print("case %d: %s" % (number, wrong), file=sys.stderr)
    if number == 0:
        sys.exit("no cases")
    sys.exit(1 if bad else 0)


main()
