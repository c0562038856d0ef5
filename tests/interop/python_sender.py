"""The official Python SDK: makes the spans of a specification (spans.py) and sends
them where its environment says.

    python_sender.py grpc|http SPECIFICATION"""
import json
import sys

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags


def exporter(protocol):
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    return OTLPSpanExporter()


def context_of(link):
    return SpanContext(int(link["trace_id"], 16), int(link["span_id"], 16), True,
                       TraceFlags(link["flags"]))


def make(tracer, wanted, made):
    parent = made.get(wanted["parent"])
    span = tracer.start_span(
        wanted["name"], context=trace.set_span_in_context(parent) if parent else None,
        kind=SpanKind[wanted["kind"]], attributes=wanted["attributes"],
        links=[Link(context_of(link), link["attributes"]) for link in wanted["links"]],
        start_time=wanted["start"])
    for event in wanted["events"]:
        span.add_event(event["name"], event["attributes"], timestamp=event["time"])
    if wanted["status"]:
        code = StatusCode[wanted["status"]["code"]]
        span.set_status(Status(code, wanted["status"]["message"] or None))
    made[wanted["name"]] = span


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        wanted = json.load(file)
    provider = TracerProvider(resource=Resource.create(wanted["resource"]))
    provider.add_span_processor(BatchSpanProcessor(exporter(sys.argv[1])))
    tracer = provider.get_tracer(wanted["scope"]["name"], wanted["scope"]["version"])
    made = {}
    for span in wanted["spans"]:
        make(tracer, span, made)
    for span in wanted["spans"]:
        made[span["name"]].end(span["end"])
    provider.shutdown()


main()
