"""What the senders of this directory are told to make, and a form in which spans of
any origin can be compared field by field."""
import base64
import json

NOW_NS = 1_795_000_000_000_000_123
KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
CODES = {"OK": 1, "ERROR": 2}

# Every type that all SDKs have. JavaScript's numbers keep 53 bits.
ATTRIBUTES = {
    "text": "na\u00efve \u2028 \U0001f600 \x01 \" \\ \t", "empty": "", "yes": True, "no": False,
    "whole": 2**53 - 1, "negative": -7, "half": 0.5, "small": 1e-300,
    "texts": ["a", "", "\u00e9"], "numbers": [1, -2, 3], "doubles": [0.5, -1.25],
    "truths": [True, False],
}


def specification(large=800_000):
    """Three levels, all kinds, events, links, both statuses, one large value."""
    spans = []

    def add(name, kind, parent="", attributes=None, events=(), links=(), status=None):
        number = len(spans)
        start, end = NOW_NS + 1000 * number, NOW_NS + 1_000_000_000 - 1000 * number
        spans.append({"name": name, "kind": kind, "parent": parent, "start": start, "end": end,
                      "start_text": str(start), "end_text": str(end),
                      "attributes": attributes or {}, "events": list(events),
                      "links": list(links), "status": status})

    def event(name, after, **attributes):
        return {"name": name, "time": NOW_NS + after, "time_text": str(NOW_NS + after),
                "attributes": attributes}

    add("run", "SERVER", attributes=ATTRIBUTES, status={"code": "OK", "message": ""})
    add("ask the model", "CLIENT", "run", {"gen_ai.prompt": "p" * large},
        [event("first", 5000, n=1), event("second", 6000, text="\u00fc", list=["x", "y"])],
        status={"code": "ERROR", "message": "na\u00efve \u2028 failure"})
    add("publish", "PRODUCER", "ask the model", links=[
        {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
         "flags": 1, "attributes": {"why": "because"}}])
    add("consume", "CONSUMER", "publish")
    add("think", "INTERNAL", "run")
    return {"resource": {"service.name": "interop sender", "interop.answer": 42},
            "scope": {"name": "spanring.interop", "version": "1.2.3"}, "spans": spans}


# ---- one form for all ------------------------------------------------------------

def value_of(value):
    if "stringValue" in value:
        return "string", value["stringValue"]
    if "boolValue" in value:
        return "bool", value["boolValue"]
    if "intValue" in value:
        return "int", int(value["intValue"])
    if "doubleValue" in value:
        return "double", float(value["doubleValue"])
    if "bytesValue" in value:
        return "bytes", base64.b64decode(value["bytesValue"])
    if "arrayValue" in value:
        return "array", [value_of(one) for one in value["arrayValue"].get("values", [])]
    if "kvlistValue" in value:
        return "map", attributes_of(value["kvlistValue"].get("values", []))
    return "empty", None


def attributes_of(attributes):
    return {one["key"]: value_of(one.get("value", {})) for one in attributes or []}


def number(holder, name):
    return int(holder.get(name) or 0)


def span_of(span):
    status = span.get("status") or {}
    return {
        "trace": span["traceId"].lower(), "id": span["spanId"].lower(),
        "parent": (span.get("parentSpanId") or "").lower(), "name": span.get("name", ""),
        "state": span.get("traceState", ""), "kind": number(span, "kind"),
        "start": number(span, "startTimeUnixNano"), "end": number(span, "endTimeUnixNano"),
        "flags": number(span, "flags"), "attributes": attributes_of(span.get("attributes")),
        "dropped": [number(span, f"dropped{what}Count")
                    for what in ("Attributes", "Events", "Links")],
        "events": [(one.get("name", ""), number(one, "timeUnixNano"),
                    attributes_of(one.get("attributes")),
                    number(one, "droppedAttributesCount")) for one in span.get("events") or []],
        "links": [(one["traceId"].lower(), one["spanId"].lower(), one.get("traceState", ""),
                   number(one, "flags"), attributes_of(one.get("attributes")),
                   number(one, "droppedAttributesCount")) for one in span.get("links") or []],
        "status": (number(status, "code"), status.get("message", "")),
    }


def without_summary(attributes):
    """Of an archive's first resource: what its process said."""
    return [attribute for attribute in attributes or []
            if not attribute["key"].startswith("spanring.run.")]


def spans_of(documents, schemas=True):
    """{span id: (span, scope, resource)} of OTLP/JSON documents, their schema URLs
    left out where told so."""
    found = {}
    for document in documents:
        for group in document.get("resourceSpans") or []:
            resource = group.get("resource") or {}
            of_resource = (attributes_of(without_summary(resource.get("attributes"))),
                           schemas and group.get("schemaUrl", ""),
                           number(resource, "droppedAttributesCount"))
            for part in group.get("scopeSpans") or []:
                scope = part.get("scope") or {}
                of_scope = (scope.get("name", ""), scope.get("version", ""),
                            attributes_of(scope.get("attributes")),
                            schemas and part.get("schemaUrl", ""))
                for span in part.get("spans") or []:
                    one = span_of(span)
                    if one["id"] in found:
                        raise AssertionError(f"{one['name']} is there twice")
                    found[one["id"]] = (one, of_scope, of_resource)
    return found


def differences(expected, found):
    """What is not the same, in words; empty when all is."""
    words = []
    for identity in sorted(expected.keys() | found.keys()):
        if identity not in found or identity not in expected:
            words.append(f"{identity} is {'missing' if identity in expected else 'new'}")
            continue
        for what, one, other in zip(("span", "scope", "resource"), expected[identity],
                                    found[identity]):
            if one == other:
                continue
            fields = one.keys() if isinstance(one, dict) else range(len(one))
            words += [f"{identity} {what} {field}: {one[field]!r:.200} became {other[field]!r:.200}"
                      for field in fields if one[field] != other[field]]
    return words


# ---- what a sender was told, against what came --------------------------------------

def typed(value):
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int):
        return "int", value
    if isinstance(value, float):
        return "double", value
    if isinstance(value, list):
        return "array", [typed(one) for one in value]
    return "string", value


def typed_all(attributes):
    return {key: typed(value) for key, value in attributes.items()}


def wanted_span(wanted):
    status = wanted["status"] or {"code": "", "message": ""}
    return {
        "name": wanted["name"], "kind": KINDS[wanted["kind"]], "start": wanted["start"],
        "end": wanted["end"], "attributes": typed_all(wanted["attributes"]), "state": "",
        "dropped": [0, 0, 0],
        "events": [(one["name"], one["time"], typed_all(one["attributes"]), 0)
                   for one in wanted["events"]],
        "links": [(one["trace_id"], one["span_id"], "", one["flags"],
                   typed_all(one["attributes"]), 0) for one in wanted["links"]],
        "status": (CODES.get(status["code"], 0), status["message"]),
    }


def check_against(wanted, documents, link_flags=True):
    """The spans of a specification, whatever ids they were given. Not every SDK
    sends the flags of a link's context."""
    found = spans_of(documents)
    by_name = {span["name"]: (span, scope, resource) for span, scope, resource in found.values()}
    words = []
    if sorted(by_name) != sorted(one["name"] for one in wanted["spans"]):
        return [f"spans: {sorted(by_name)}"]
    if len({span["trace"] for span, _, _ in found.values()}) != 1:
        words.append("more than one trace")
    for one in wanted["spans"]:
        span, scope, resource = by_name[one["name"]]
        parent = by_name[one["parent"]][0]["id"] if one["parent"] else ""
        # An SDK may say more of a link's flags than the sender gave: bits 8 and 9.
        span["links"] = [(*link[:3], link[3] & 0xff if link_flags else 1, *link[4:])
                         for link in span["links"]]
        for field, value in {**wanted_span(one), "parent": parent}.items():
            if span[field] != value:
                words.append(f"{one['name']} {field}: {value!r:.200} became {span[field]!r:.200}")
        if scope[:2] != (wanted["scope"]["name"], wanted["scope"]["version"]):
            words.append(f"scope {scope}")
        for key, value in typed_all(wanted["resource"]).items():
            if resource[0].get(key) != value:
                words.append(f"resource {key}: {resource[0].get(key)}")
    return words


def lines(text):
    # Not splitlines(): some printers leave U+2028 as it is.
    return [json.loads(line) for line in text.split("\n") if line.strip()]
