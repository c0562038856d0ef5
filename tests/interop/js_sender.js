// The official JavaScript SDK: makes the spans of a specification (spans.py) and
// sends them where its environment says.
//
//	js_sender.js grpc|http/protobuf|http/json SPECIFICATION
'use strict';

const fs = require('fs');
const api = require('@opentelemetry/api');
const { resourceFromAttributes, defaultResource } = require('@opentelemetry/resources');
const { BatchSpanProcessor, NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');

const packages = {
	'grpc': '@opentelemetry/exporter-trace-otlp-grpc',
	'http/protobuf': '@opentelemetry/exporter-trace-otlp-proto',
	'http/json': '@opentelemetry/exporter-trace-otlp-http',
};

// Nanoseconds do not fit into a number.
function time(text) {
	const ns = BigInt(text);

	return [Number(ns / 1000000000n), Number(ns % 1000000000n)];
}

function make(tracer, wanted, made) {
	const parent = made[wanted.parent];
	const context = parent ? api.trace.setSpan(api.ROOT_CONTEXT, parent) : api.ROOT_CONTEXT;
	const span = tracer.startSpan(wanted.name, {
		kind: api.SpanKind[wanted.kind],
		attributes: wanted.attributes,
		startTime: time(wanted.start_text),
		links: wanted.links.map((link) => ({
			context: { traceId: link.trace_id, spanId: link.span_id,
				   traceFlags: link.flags, isRemote: true },
			attributes: link.attributes,
		})),
	}, context);

	for (const event of wanted.events)
		span.addEvent(event.name, event.attributes, time(event.time_text));
	if (wanted.status) {
		span.setStatus({ code: api.SpanStatusCode[wanted.status.code],
				 message: wanted.status.message || undefined });
	}
	made[wanted.name] = span;
}

async function main() {
	const wanted = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));
	const { OTLPTraceExporter } = require(packages[process.argv[2]]);
	const provider = new NodeTracerProvider({
		resource: defaultResource().merge(resourceFromAttributes(wanted.resource)),
		spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
	});
	const tracer = provider.getTracer(wanted.scope.name, wanted.scope.version);
	const made = {};

	for (const span of wanted.spans)
		make(tracer, span, made);
	for (const span of wanted.spans)
		made[span.name].end(time(span.end_text));
	await provider.shutdown();
}

main();
