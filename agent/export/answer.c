#include "export/answer.h"

#include <errno.h>
#include <stdio.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"

#define response_unpack \
	opentelemetry__proto__collector__trace__v1__export_trace_service_response__unpack
#define response_free \
	opentelemetry__proto__collector__trace__v1__export_trace_service_response__free_unpacked

int answer_read(struct answer *ret_answer, struct bytes bytes)
{
	Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse *response;
	struct answer answer = {0};

	response = response_unpack(NULL, bytes.len, bytes.at);
	if (!response)
		return -EPROTO;
	if (response->partial_success) {
		if (response->partial_success->rejected_spans > 0)
			answer.rejected = (uint64_t)response->partial_success->rejected_spans;
		(void)snprintf(answer.message, sizeof(answer.message), "%s",
			       response->partial_success->error_message);
	}
	response_free(response, NULL);
	*ret_answer = answer;
	return 0;
}
