// A gRPC server by grpc-js: prints its port, then writes each request it gets as a
// line of JSON, ids and bytes in base64. Stops at the end of its input.
//
//	js_server.js PROTO_DIRECTORY OUTPUT
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const definition = loader.loadSync(
	'opentelemetry/proto/collector/trace/v1/trace_service.proto',
	{ includeDirs: [process.argv[2]], longs: String, bytes: String });
const proto = grpc.loadPackageDefinition(definition).opentelemetry.proto.collector.trace.v1;
const server = new grpc.Server({ 'grpc.max_receive_message_length': 64 << 20 });

// JSON has no word for the others; protobuf's JSON has these.
function finite(key, value) {
	return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

server.addService(proto.TraceService.service, {
	Export(call, callback) {
		fs.appendFileSync(process.argv[3], JSON.stringify(call.request, finite) + '\n');
		callback(null, {});
	},
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
	if (error)
		throw error;
	console.log(port);
});
process.stdin.on('end', () => server.forceShutdown()).resume();
