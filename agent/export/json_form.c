#include "export/json_form.h"

#include <errno.h>

#include "export/transport.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp/json_print.h"

#define request_type \
	(&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)

int json_form(struct bytes framed, struct buf *out)
{
	static const uint8_t room[TRANSPORT_FRAMING];
	struct bytes message = framed_message(framed);
	int r;

	buf_reset(out);
	r = buf_append(out, room, sizeof(room));
	if (r == 0)
		r = otlp_json_print(out, request_type, message);
	if (r < 0)
		return r;
	grpc_frame_put(out->at, out->len - TRANSPORT_FRAMING, false);
	return 0;
}
