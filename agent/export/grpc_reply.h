/* One answer to a unary call while it arrives: headers, message, trailers -
 * and what they amount to. No HTTP/2 in here: the client hands over names,
 * values and bytes. The peer is not trusted: everything is bounded. */
#ifndef EXPORT_GRPC_REPLY_H
#define EXPORT_GRPC_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compress.h"
#include "base/grpc_frame.h"
#include "export/grpc_status.h"

/* Names and values of headers and trailers together (rule 25). */
#define GRPC_REPLY_HEADERS_MAX 16384
#define GRPC_MESSAGE_MAX 256

struct grpc_result {
	enum grpc_status status;
	const char *message; /* never NULL; untrusted text */
	bool has_retry_info;
	uint64_t retry_delay_ns;     /* 0 when none was asked for */
	unsigned compressions_known; /* bits 1 << enum compression, as the peer says */
	struct bytes response;	     /* with GRPC_OK: the response message */
};

struct grpc_reply {
	size_t bytes_max; /* of the response message */

	int http_status;
	bool is_grpc; /* by its content-type */
	bool has_status;
	enum grpc_status status;
	char message[GRPC_MESSAGE_MAX];
	struct buf details;
	size_t header_bytes;
	enum compression compression; /* of a message that says it is compressed */
	unsigned compressions_known;

	uint8_t framing[GRPC_FRAME_BYTES];
	size_t framing_n;
	size_t message_len;
	unsigned messages_n; /* complete ones */
	struct buf body;

	bool failed; /* our own verdict; `failure` replaces the peer's status */
	enum grpc_status failure;
};

void grpc_reply_init(struct grpc_reply *reply, size_t bytes_max);
void grpc_reply_fini(struct grpc_reply *reply);
void grpc_reply_reset(struct grpc_reply *reply);

/* 0, or -EPROTO: the answer is already known to be unusable; reset the stream
 * and ask grpc_reply_end(). */
int grpc_reply_header(struct grpc_reply *reply, struct bytes name, struct bytes value);
int grpc_reply_bytes(struct grpc_reply *reply, const uint8_t *at, size_t len);

/* What it amounts to, at END_STREAM. The result borrows from the reply. */
void grpc_reply_end(struct grpc_reply *reply, struct grpc_result *ret_result);

#endif
