#include "export/http_call.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>

/* As connections of gRPC have it: what is sent and never acknowledged is a peer
 * that is gone. */
#define SILENCE_MS 30000

/* --- headers --------------------------------------------------------------------- */

static const char *content_type(const struct export_options *options)
{
	return options->protocol == EXPORT_HTTP_JSON ? "Content-Type: application/json"
						     : "Content-Type: application/x-protobuf";
}

static bool add(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		return false;
	*list = longer;
	return true;
}

/* libcurl's way to say that a header is empty and not to be left out. */
static bool add_header(struct curl_slist **list, const struct export_header *header)
{
	bool empty = !*header->value, added;
	char *line = NULL;

	if (asprintf(&line, empty ? "%s;" : "%s: %s", header->name, header->value) < 0)
		return false;
	added = add(list, line);
	explicit_bzero(line, strlen(line));
	free(line);
	return added;
}

static struct curl_slist *headers_make(const struct export_options *options,
				       enum compression compression)
{
	struct curl_slist *list = NULL;
	char encoding[48];
	/* Without "Expect": a server that does not know it costs a second each time. */
	bool whole = add(&list, content_type(options)) && add(&list, "Expect:");

	(void)snprintf(encoding, sizeof(encoding), "Content-Encoding: %s",
		       compression_name(compression));
	if (whole && compression != COMPRESSION_NONE)
		whole = add(&list, encoding);
	for (size_t i = 0; whole && i < options->headers_n; i++)
		whole = add_header(&list, &options->headers[i]);
	if (whole)
		return list;
	curl_slist_free_all(list);
	return NULL;
}

static struct curl_slist *headers_of(struct http_transport *http, enum compression compression)
{
	struct curl_slist **list = &http->headers[compression];

	if (!*list)
		*list = headers_make(http->options, compression);
	return *list;
}

/* --- what libcurl tells while a request is under way ---------------------------------- */

/* Less than it was given ends the transfer. */
static size_t on_header(char *at, size_t size, size_t n, void *arg)
{
	struct http_call *call = arg;

	(void)at;
	call->header_bytes += size * n;
	if (call->header_bytes <= HTTP_HEADER_BYTES_MAX)
		return size * n;
	call->too_large = true;
	return 0;
}

static size_t on_body(char *at, size_t size, size_t n, void *arg)
{
	struct http_call *call = arg;
	size_t len = size * n;

	if (len > call->http->options->response_bytes_max - call->body.len) {
		call->too_large = true;
		return 0;
	}
	return buf_append(&call->body, at, len) == 0 ? len : 0;
}

static int on_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	unsigned silence_ms = SILENCE_MS;

	(void)arg;
	(void)purpose;
	/* A unix socket has no such thing. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof(silence_ms));
	return CURL_SOCKOPT_OK;
}

/* The same that gRPC's connections bear and believe; `arg` is the file of the
 * authorities, or NULL for the system's. */
static CURLcode on_tls(CURL *easy, void *context, void *arg)
{
	(void)easy;
	tls_restrict(context);
	return arg || SSL_CTX_set_default_verify_paths(context) ? CURLE_OK
								: CURLE_SSL_CACERT_BADFILE;
}

/* --- options ------------------------------------------------------------------------ */

/* Read for each connection, so that a renewed certificate serves the next one. */
static CURLcode set_tls(CURL *easy, const struct tls_files *files)
{
	CURLcode r = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);

	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_CAINFO, files->authorities);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, files->authorities);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_SSLCERT, files->certificate);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_SSLKEY, files->key);
	return r;
}

/* A connection that is not made ends before the request's time does, so that it is
 * known for what it is. */
static long connect_timeout_ms(const struct export_options *options)
{
	uint64_t most = options->timeout_ms / 4 * 3;

	return most && most < HTTP_CONNECT_TIMEOUT_MS ? (long)most : HTTP_CONNECT_TIMEOUT_MS;
}

static CURLcode set_callbacks(CURL *easy, struct http_call *call)
{
	CURLcode r = curl_easy_setopt(easy, CURLOPT_PRIVATE, call);

	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_made);
	return r;
}

/* Where TLS agrees on HTTP/2, requests share a connection. */
static CURLcode set_protocol(CURL *easy, const struct export_options *options)
{
	bool secure = export_options_secure(options);
	long version = secure ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
	CURLcode r = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);

	if (r == CURLE_OK && secure)
		r = curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
				     connect_timeout_ms(options));
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent);
	/* Unpacked by libcurl, and limited unpacked. */
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	return r;
}

static CURLcode set_peer(CURL *easy, const struct http_transport *http)
{
	const struct endpoint *endpoint = &http->options->endpoint;
	CURLcode r = curl_easy_setopt(easy, CURLOPT_URL, http->url);

	if (r == CURLE_OK && endpoint->scheme == ENDPOINT_UNIX)
		r = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint->host);
	return r;
}

static CURL *easy_make(struct http_call *call)
{
	const struct http_transport *http = call->http;
	CURL *easy = curl_easy_init();
	CURLcode r;

	if (!easy)
		return NULL;
	r = set_callbacks(easy, call);
	if (r == CURLE_OK)
		r = set_protocol(easy, http->options);
	if (r == CURLE_OK)
		r = set_peer(easy, http);
	if (r == CURLE_OK)
		r = set_tls(easy, &http->options->tls);
	if (r == CURLE_OK)
		return easy;
	curl_easy_cleanup(easy);
	return NULL;
}

static CURLcode set_request(struct http_call *call, const struct transport_request *request)
{
	struct http_transport *http = call->http;
	struct curl_slist *headers = headers_of(http, request->compression);
	struct bytes message = framed_message(request->framed);
	CURLcode r = headers ? CURLE_OK : CURLE_OUT_OF_MEMORY;

	if (r == CURLE_OK)
		r = curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, headers);
	if (r == CURLE_OK)
		r = curl_easy_setopt(call->easy, CURLOPT_RESOLVE, http->resolved);
	if (r == CURLE_OK)
		r = curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE,
				     (curl_off_t)message.len);
	/* Not copied. */
	if (r == CURLE_OK)
		r = curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, message.at);
	return r;
}

/* --- interface ------------------------------------------------------------------------ */

int http_call_begin(struct http_call *call, void *tag, const struct transport_request *request,
		    uint64_t now_ns)
{
	if (!call->easy)
		call->easy = easy_make(call);
	if (!call->easy || set_request(call, request) != CURLE_OK)
		return -ENOMEM;
	buf_reset(&call->body);
	call->header_bytes = 0;
	call->too_large = false;
	call->error[0] = '\0';
	call->begun_ns = now_ns;
	if (curl_multi_add_handle(call->http->loop.multi, call->easy) != CURLM_OK)
		return -EIO;
	call->tag = tag;
	return 0;
}

void http_call_end(struct http_call *call)
{
	(void)curl_multi_remove_handle(call->http->loop.multi, call->easy);
	/* The bytes are their owner's again. */
	(void)curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, NULL);
	call->tag = NULL;
}

void http_call_free(struct http_call *call)
{
	curl_easy_cleanup(call->easy);
	buf_fini(&call->body);
	call->easy = NULL;
}

static long long_of(const struct http_call *call, CURLINFO what)
{
	long value = 0;

	(void)curl_easy_getinfo(call->easy, what, &value);
	return value;
}

bool http_call_unconnected(CURLcode result)
{
	switch (result) {
	case CURLE_OK:
		return false;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return true;
	default:
		/* Of our timeouts it knows the one for connecting alone. */
		return result == CURLE_OPERATION_TIMEDOUT;
	}
}

const char *http_call_trouble(const struct http_call *call, CURLcode result)
{
	return call->error[0] ? call->error : curl_easy_strerror(result);
}

void http_call_reply(const struct http_call *call, CURLcode result,
		     struct http_reply *ret_reply)
{
	struct http_reply reply = {
		.body = buf_bytes(&call->body),
		.status = long_of(call, CURLINFO_RESPONSE_CODE),
		.too_large = call->too_large,
		.cut = result != CURLE_OK,
		.trouble = http_call_trouble(call, result),
	};
	curl_off_t after_s = 0;

	if (reply.status < 200)
		reply.status = 0; /* an interim one, and then nothing */
	(void)curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &reply.content_type);
	(void)curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &after_s);
	reply.retry_after_s = after_s;
	*ret_reply = reply;
}
