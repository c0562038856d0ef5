/* gRPC status codes, and what stands in for one when the peer gave none. */
#ifndef EXPORT_GRPC_STATUS_H
#define EXPORT_GRPC_STATUS_H

#include <stdint.h>

enum grpc_status {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_ALREADY_EXISTS = 6,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_FAILED_PRECONDITION = 9,
	GRPC_ABORTED = 10,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_DATA_LOSS = 15,
	GRPC_UNAUTHENTICATED = 16,
};

/* "UNAVAILABLE"; a code outside 0 to 16 is named "UNKNOWN". */
const char *grpc_status_name(enum grpc_status status);

/* The text of `grpc-status`: decimal without leading zeros. Anything else,
 * also a number gRPC does not define, is UNKNOWN. */
enum grpc_status grpc_status_parse(const char *text);

/* For an answer without grpc-status (rule 22). 0 stands for "no :status". */
enum grpc_status grpc_status_of_http(int http_status);

/* For a stream that was reset with this HTTP/2 error code (rule 23). */
enum grpc_status grpc_status_of_reset(uint32_t http2_error);

#endif
