#include "export/options.h"

#include <errno.h>

#include "export/batch.h"
#include "export/header_check.h"

static void number_default(size_t *number, size_t value)
{
	if (!*number)
		*number = value;
}

int export_options_fill(struct export_options *options)
{
	if (!options->endpoint.host[0])
		(void)export_endpoint_parse(options->protocol, &options->endpoint,
					    export_over_http(options->protocol)
						    ? ENDPOINT_URL_DEFAULT
						    : ENDPOINT_TEXT_DEFAULT,
					    NULL, 0);
	/* People read it, and lines do. */
	if (export_to_console(options->protocol))
		options->compression = COMPRESSION_NONE;
	if (!options->user_agent)
		options->user_agent = EXPORT_USER_AGENT;
	if (!options->timeout_ms)
		options->timeout_ms = EXPORT_TIMEOUT_MS;
	if (!options->delay_ms)
		options->delay_ms = EXPORT_DELAY_MS;
	number_default(&options->batch_spans_max, EXPORT_BATCH_SPANS_MAX);
	number_default(&options->batch_bytes_max, EXPORT_BATCH_BYTES_MAX);
	number_default(&options->streams_max, EXPORT_STREAMS_MAX);
	number_default(&options->request_bytes_max, EXPORT_REQUEST_BYTES_MAX);
	number_default(&options->response_bytes_max, EXPORT_RESPONSE_BYTES_MAX);
	number_default(&options->memory_max, EXPORT_MEMORY_MAX);
	if ((options->timeout_ms > EXPORT_MS_MAX &&
	     options->timeout_ms != EXPORT_TIMEOUT_NONE) ||
	    options->delay_ms > EXPORT_MS_MAX || options->streams_max > EXPORT_STREAMS_LIMIT ||
	    options->batch_spans_max > BATCH_SPANS_LIMIT ||
	    options->request_bytes_max > UINT32_MAX - TRANSPORT_FRAMING)
		return -EINVAL;
	if (options->batch_bytes_max > options->request_bytes_max)
		options->batch_bytes_max = options->request_bytes_max;
	return header_check_all(options->headers, options->headers_n);
}

bool export_over_http(enum export_protocol protocol)
{
	return protocol == EXPORT_HTTP_PROTOBUF || protocol == EXPORT_HTTP_JSON;
}

bool export_to_console(enum export_protocol protocol)
{
	return protocol == EXPORT_CONSOLE || protocol == EXPORT_STDOUT;
}

bool export_in_json(enum export_protocol protocol)
{
	return protocol == EXPORT_HTTP_JSON || protocol == EXPORT_STDOUT;
}

int export_endpoint_parse(enum export_protocol protocol, struct endpoint *ret_endpoint,
			  const char *text, char *error, size_t len)
{
	static const struct endpoint console = {
		.scheme = ENDPOINT_UNIX, .host = "-", .authority = "standard output"};

	if (export_to_console(protocol)) {
		*ret_endpoint = console;
		return 0;
	}
	return export_over_http(protocol) ? endpoint_parse_url(ret_endpoint, text, error, len)
					  : endpoint_parse(ret_endpoint, text, error, len);
}

bool export_options_secure(const struct export_options *options)
{
	switch (options->endpoint.scheme) {
	case ENDPOINT_HTTPS:
		return true;
	case ENDPOINT_NO_SCHEME:
		return !options->insecure;
	default:
		return false;
	}
}
