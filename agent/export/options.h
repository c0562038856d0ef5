/* What one destination is told. Constant after export_init(), which
 * copies nothing: strings and headers must outlive the exporter.
 *
 * A field left 0 takes its default, except where 0 is said to mean something. */
#ifndef EXPORT_OPTIONS_H
#define EXPORT_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compress.h"
#include "export/endpoint.h"
#include "export/tls.h"

#define EXPORT_TIMEOUT_MS 10000
#define EXPORT_BATCH_SPANS_MAX 512
#define EXPORT_BATCH_BYTES_MAX 3900000
#define EXPORT_DELAY_MS 1000
#define EXPORT_STREAMS_MAX 8
#define EXPORT_STREAMS_LIMIT 8
#define EXPORT_REQUEST_BYTES_MAX (64u << 20)
#define EXPORT_RESPONSE_BYTES_MAX (4u << 20)
#define EXPORT_MEMORY_MAX (24u << 20)
#define EXPORT_TIMEOUT_NONE UINT64_MAX
#define EXPORT_HEADERS_MAX 32
/* Of refused requests and their parts. Each makes two requests of one. */
#define EXPORT_HALVINGS_PER_MINUTE 300
#define EXPORT_MS_MAX 31536000000u /* a year: no time computed from it overflows */

#ifndef SPANRING_VERSION
#define SPANRING_VERSION "0"
#endif
#define EXPORT_USER_AGENT \
	"spanringd/" SPANRING_VERSION " OTel-OTLP-Exporter-C/" SPANRING_VERSION

/* One line of custom metadata. The name is lower-case, not `grpc-...`; the
 * value is printable ASCII (already base64 for a `-bin` name). */
struct export_header {
	const char *name;
	const char *value;
};

/* Line without newline; priority as in syslog(3): 3 error, 4 warning, 6 info.
 * Rate limits are the logger's own. */
typedef void export_log_fn(void *arg, int priority, const char *line);

/* How it is spoken to. */
enum export_protocol {
	EXPORT_GRPC,
	EXPORT_HTTP_PROTOBUF,
	EXPORT_HTTP_JSON,
	EXPORT_CONSOLE, /* standard output, for people */
	EXPORT_STDOUT,	/* likewise, a line of OTLP/JSON a request */
};

/* A span the peer refused alone, as a whole ExportTraceServiceRequest, with what it
 * said. 0, or -errno when it could not be kept. */
typedef int export_park_fn(void *arg, struct bytes request, const char *status,
			   const char *message);

struct export_options {
	enum export_protocol protocol;
	struct endpoint endpoint; /* host "" means the protocol's own on localhost */
	bool insecure;		  /* no TLS where the endpoint has no scheme */
	struct tls_files tls;
	const struct export_header *headers;
	size_t headers_n; /* at most EXPORT_HEADERS_MAX */
	enum compression compression;
	bool keep_together; /* a request that is refused for its content is not halved */
	const char *user_agent;

	uint64_t timeout_ms;	   /* one attempt of one request; EXPORT_TIMEOUT_NONE */
	size_t batch_spans_max;	   /* spans in one request */
	size_t batch_bytes_max;	   /* encoded; one span larger than this goes alone */
	uint64_t delay_ms;	   /* a batch does not wait longer for more spans */
	size_t streams_max;	   /* requests in flight at most, 1 to EXPORT_STREAMS_LIMIT */
	size_t request_bytes_max;  /* a span that makes a larger request is dropped */
	size_t response_bytes_max; /* a larger answer is a permanent refusal */
	size_t memory_max;	   /* bytes of spans held; more are refused by push */

	export_log_fn *log;   /* may be NULL */
	export_park_fn *park; /* may be NULL */
	void *log_arg;	      /* of both */
};

/* Puts the defaults in and checks the rest. -EINVAL: out of range, or a header
 * gRPC forbids. -E2BIG: too many headers. */
int export_options_fill(struct export_options *options);

bool export_over_http(enum export_protocol protocol);
bool export_to_console(enum export_protocol protocol);
bool export_in_json(enum export_protocol protocol);

/* What `text` means as an endpoint of this protocol; see endpoint_parse(). The
 * console has none: what is said is not looked at, and may be NULL. */
int export_endpoint_parse(enum export_protocol protocol, struct endpoint *ret_endpoint,
			  const char *text, char *error, size_t len);

/* Whether TLS is spoken: the scheme decides, and where there is none `insecure`. */
bool export_options_secure(const struct export_options *options);

#endif
