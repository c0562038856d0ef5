"""What sends to the receiver in tests: requests with everything in them, by gRPC for
Python and http.client, both written by others."""
import base64
import contextlib
import http.client
import time

from support import Skip, UnixConnection, check, convert_ids, free_port, read_archive, stubs

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
NOW_NS = 1_760_000_000_000_000_000
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


class Ports:
    """Two free ports, and the settings that make the agent listen there."""

    def __init__(self, **settings):
        self.grpc, self.http = free_port(), free_port()
        values = {"enabled": "true", "grpc": f"127.0.0.1:{self.grpc}",
                  "http": f"127.0.0.1:{self.http}", **settings}
        self.arguments = [word for name, value in values.items()
                          for word in ("--set", f"receive.{name}={value}")]


def messages():
    stubs()
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    return trace_service_pb2


def span_id(number):
    return number.to_bytes(8, "big")


def request_of(trace_id, *span_numbers, service="sender", name="step"):
    """A request with plain spans of one trace."""
    request = messages().ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    scope = resource.scope_spans.add()
    scope.scope.name = "tests"
    for number in span_numbers:
        scope.spans.add(trace_id=trace_id, span_id=span_id(number), name=f"{name} {number}",
                        start_time_unix_nano=NOW_NS + number,
                        end_time_unix_nano=NOW_NS + number + 1000)
    return request


def fill_attributes(attributes):
    """One of each kind of value, and some in others."""
    attributes.add(key="string").value.string_value = "text \u2028 \U0001f600 \x01 \" \\"
    attributes.add(key="bool").value.bool_value = False
    attributes.add(key="int").value.int_value = -2**63
    attributes.add(key="double").value.double_value = 0.1
    attributes.add(key="infinite").value.double_value = float("inf")
    attributes.add(key="bytes").value.bytes_value = bytes(range(256))
    array = attributes.add(key="array").value.array_value
    array.values.add().string_value = "one"
    array.values.add().int_value = 2**63 - 1
    entry = array.values.add().kvlist_value.values.add(key="inner")
    entry.value.array_value.values.add().bool_value = True
    members = attributes.add(key="map").value.kvlist_value.values
    members.add(key="a").value.double_value = -0.5
    members.add(key="b").value.bytes_value = b""


def whole_request(trace_id):
    """Every field a span, its scope and its resource can have."""
    request = request_of(trace_id, 1, 2)
    resource = request.resource_spans[0]
    resource.schema_url = "https://opentelemetry.io/schemas/1.26.0"
    fill_attributes(resource.resource.attributes)
    resource.resource.dropped_attributes_count = 3
    scope = resource.scope_spans[0]
    scope.schema_url = "https://opentelemetry.io/schemas/1.27.0"
    scope.scope.version = "1.2.3"
    scope.scope.dropped_attributes_count = 4
    fill_attributes(scope.scope.attributes)
    span = scope.spans[1]
    span.trace_state = "vendor=value,ot=th:8"
    span.parent_span_id = span_id(1)
    span.flags = 0x80000301  # bits nobody has a meaning for are forwarded, too
    span.kind = 4
    fill_attributes(span.attributes)
    span.dropped_attributes_count = 5
    event = span.events.add(time_unix_nano=NOW_NS + 3, name="event",
                            dropped_attributes_count=6)
    fill_attributes(event.attributes)
    span.events.add(time_unix_nano=NOW_NS + 2, name="an earlier one")
    span.dropped_events_count = 7
    link = span.links.add(trace_id=bytes(range(16)), span_id=bytes(range(8)),
                          trace_state="a=b", dropped_attributes_count=8, flags=0x101)
    fill_attributes(link.attributes)
    span.dropped_links_count = 9
    span.status.code = 2
    span.status.message = "na\u00efve"
    return request


def as_json(request):
    """OTLP/JSON by protobuf's own printer, which has ids in base64."""
    from google.protobuf import json_format
    document = json_format.MessageToDict(request, use_integers_for_enums=True)
    return convert_ids(document, lambda text: base64.b64decode(text).hex())


def archived(place, trace_id):
    """The one archive of a trace."""
    found = [path for path in place.archives()
             if trace_id.hex() in path.read_text(encoding="utf-8")]
    check(len(found) == 1, f"{len(found)} files of {trace_id.hex()}")
    return read_archive(found[0])


@contextlib.contextmanager
def channel(target, **options):
    try:
        import grpc
    except ImportError:
        raise Skip("python3-grpcio is not installed") from None
    target = target if isinstance(target, str) else f"127.0.0.1:{target}"
    pairs = [(f"grpc.{name}", value) for name, value in options.items()]
    with grpc.insecure_channel(target, options=pairs) as opened:
        yield opened


def export(opened, request, method=EXPORT, timeout=30, **more):
    """The response; grpc.RpcError where it is refused. Bytes are sent as they are."""
    call = opened.unary_unary(
        method, request_serializer=lambda r: r if isinstance(r, bytes) else
        r.SerializeToString(),
        response_deserializer=messages().ExportTraceServiceResponse.FromString)
    return call(request, timeout=timeout, **more)


def refusal(opened, request, **more):
    """(code, details, seconds of RetryInfo or None) of a call that must be refused."""
    import grpc
    try:
        answer = export(opened, request, **more)
    except grpc.RpcError as error:
        return error.code().name, error.details(), retry_seconds(error.trailing_metadata())
    raise AssertionError(f"it was taken: {answer}")


def retry_seconds(metadata):
    stubs()
    from google.rpc import error_details_pb2, status_pb2
    for name, value in metadata or ():
        if name == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            check(len(status.details) == 1, "one detail")
            retry = error_details_pb2.RetryInfo()
            check(status.details[0].type_url.endswith("/google.rpc.RetryInfo"), "RetryInfo")
            retry.ParseFromString(status.details[0].value)
            return retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return None


def post(where, body, headers, path="/v1/traces", method="POST"):
    """(status, headers, body) of one HTTP request, on a connection of its own."""
    connection = (UnixConnection(where, timeout=30) if isinstance(where, str) else
                  http.client.HTTPConnection("127.0.0.1", where, timeout=30))
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def fresh_trace(number):
    return b"\x5a" * 8 + (time.monotonic_ns() % 2**32 * 2**32 + number).to_bytes(8, "big")
