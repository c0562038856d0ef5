#include "export/http_transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "export/http_call.h"

#define NS_PER_MS UINT64_C(1000000)
#define RESOLVE_TIMEOUT_NS (HTTP_CONNECT_TIMEOUT_MS * NS_PER_MS)
/* A name is asked for again after so long, when nothing is under way. */
#define RESOLVED_NS_MAX (60000 * NS_PER_MS)

static struct http_transport *http_of(struct transport *transport)
{
	return (struct http_transport *)transport;
}

static const struct http_transport *http_of_const(const struct transport *transport)
{
	return (const struct http_transport *)transport;
}

static uint64_t now(const struct http_transport *http)
{
	return http->env->ops->mono_ns(http->env);
}

/* --- reaching the peer ------------------------------------------------------------ */

static void tell_unreachable(struct http_transport *http, const char *what, const char *reason)
{
	uint32_t random = 0;
	char why[400];

	/* Without randomness the waits only lose their spread. */
	(void)http->env->ops->random(http->env, &random, sizeof(random));
	http->state = HTTP_DOWN;
	http->up = false;
	http->address++;
	http->failed_ns = now(http);
	http->retry_ns = http->failed_ns + backoff_next(&http->backoff, random);
	(void)snprintf(why, sizeof(why), "%s %s: %s", what, http->options->endpoint.authority,
		       reason);
	http->transport.news->changed(http->transport.arg, false, why);
}

/* -ENOMEM. */
static int remember_address(struct http_transport *http, const char *addresses)
{
	const struct endpoint *endpoint = &http->options->endpoint;
	struct curl_slist *list;

	(void)snprintf(http->resolve, sizeof(http->resolve), "%s:%s:%s", endpoint->host,
		       endpoint->port, addresses);
	list = curl_slist_append(NULL, http->resolve);
	if (!list)
		return -ENOMEM;
	curl_slist_free_all(http->resolved);
	http->resolved = list;
	return 0;
}

static void came_to_know(struct http_transport *http, const char *addresses)
{
	if (addresses && remember_address(http, addresses) < 0) {
		tell_unreachable(http, "cannot connect to", "out of memory");
		return;
	}
	http->state = HTTP_READY;
	http->resolved_ns = now(http);
}

/* Appends an address to those with commas between. False: it is of no known kind. */
static bool add_address(char *text, size_t size, const struct env_address *address)
{
	char numeric[INET6_ADDRSTRLEN + IF_NAMESIZE];
	const char *format = address->at.ss_family == AF_INET6 ? "%s[%s]" : "%s%s";
	size_t len = strlen(text);

	if (getnameinfo((const struct sockaddr *)&address->at, address->len, numeric,
			sizeof(numeric), NULL, 0, NI_NUMERICHOST) != 0)
		return false;
	(void)snprintf(text + len, size - len, format, len ? "," : "", numeric);
	return true;
}

/* Libcurl tries them in this order, and the other family's beside the first. Begun
 * with another one after a failure: one that is reached may still be of no use. */
static void on_resolved(void *arg, int result, const struct env_address *addresses)
{
	struct http_transport *http = arg;
	char text[ENV_ADDRESSES_MAX * (INET6_ADDRSTRLEN + IF_NAMESIZE + 3)] = "";
	bool unknown = result == -ENOENT || result == -EHOSTUNREACH;

	for (int i = 0; i < result; i++)
		if (!add_address(text, sizeof(text),
				 &addresses[(http->address + (unsigned)i) % (unsigned)result]))
			result = -EAFNOSUPPORT;
	if (result < 0) {
		tell_unreachable(http, "cannot resolve",
				 unknown ? "no such host" : strerror(-result));
		return;
	}
	came_to_know(http, text);
}

static bool is_address(const char *host)
{
	uint8_t address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 ||
	       inet_pton(AF_INET6, host, address) == 1;
}

static void resolve(struct http_transport *http, uint64_t now_ns)
{
	const struct endpoint *endpoint = &http->options->endpoint;
	int r;

	if (endpoint->scheme == ENDPOINT_UNIX || is_address(endpoint->host)) {
		came_to_know(http, NULL);
		return;
	}
	/* Whichever of the two a collector listens on. */
	if (strcmp(endpoint->host, "localhost") == 0) {
		came_to_know(http, "127.0.0.1,[::1]");
		return;
	}
	http->state = HTTP_RESOLVING;
	http->resolve_due_ns = now_ns + RESOLVE_TIMEOUT_NS;
	r = http->env->ops->resolve_start(http->env, endpoint->host, endpoint->port,
					  on_resolved, http);
	if (r < 0)
		on_resolved(http, r, NULL);
}

/* --- what becomes of requests --------------------------------------------------------- */

/* Several may have wanted the same connection: it failed once. Nothing of the
 * request left, so it is as if it had not been begun. */
static void unconnected(struct http_transport *http, struct http_call *call, CURLcode result,
			struct transport_answer *answer)
{
	if (call->begun_ns > http->failed_ns)
		tell_unreachable(http, "cannot connect to", http_call_trouble(call, result));
	answer->verdict = TRANSPORT_UNSENT;
	answer->status = "UNAVAILABLE";
	answer->message = http_call_trouble(call, result);
}

static void note_answered(struct http_transport *http, struct http_call *call)
{
	long connects = 0;

	(void)curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (connects > 0)
		http->transport.news->changed(http->transport.arg, true, "");
}

static void call_over(struct http_transport *http, struct http_call *call, CURLcode result)
{
	struct transport_answer answer = {0};
	struct http_reply reply;
	struct http_words words;
	void *tag = call->tag;

	if (http_call_unconnected(result)) {
		unconnected(http, call, result, &answer);
	} else {
		note_answered(http, call);
		http_call_reply(call, result, &reply);
		http_reply_judge(&reply, &words, &answer);
		http->up = reply.status != 0;
		if (http->up)
			backoff_reset(&http->backoff);
	}
	http_call_end(call);
	http->calls_n--;
	http->transport.news->done(http->transport.arg, tag, &answer);
}

/* Libcurl has worked: what is over? */
static void on_ran(void *arg)
{
	struct http_transport *http = arg;
	struct http_call *call;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->loop.multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		call = NULL;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		call_over(http, call, message->data.result);
	}
}

/* Libcurl ran out of memory or of descriptors in a place where it cannot say of
 * which request. */
static void loop_broken(struct http_transport *http)
{
	static const struct transport_answer answer = {.verdict = TRANSPORT_RETRY,
						       .status = "UNAVAILABLE",
						       .message = "libcurl could not go on"};

	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++) {
		struct http_call *call = &http->calls[i];
		void *tag = call->tag;

		if (!tag)
			continue;
		http_call_end(call);
		http->calls_n--;
		http->transport.news->done(http->transport.arg, tag, &answer);
	}
	curl_loop_fini(&http->loop);
	tell_unreachable(http, "cannot go on with", answer.message);
}

/* --- operations ------------------------------------------------------------------------- */

static void http_fini(struct transport *transport)
{
	struct http_transport *http = http_of(transport);

	http->env->ops->cancel(http->env, http);
	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++) {
		if (http->calls[i].tag)
			http_call_end(&http->calls[i]);
		http_call_free(&http->calls[i]);
	}
	curl_loop_fini(&http->loop);
	for (size_t i = 0; i < COMPRESSIONS; i++)
		curl_slist_free_all(http->headers[i]);
	curl_slist_free_all(http->resolved);
	http->calls_n = 0;
}

static bool is_stale(const struct http_transport *http, uint64_t now_ns)
{
	return http->state == HTTP_READY && http->calls_n == 0 && http->wanted &&
	       now_ns - http->resolved_ns >= RESOLVED_NS_MAX;
}

/* Asked before anything is sent: with requests under way it would never be time. */
static void http_want(struct transport *transport, bool wanted)
{
	struct http_transport *http = http_of(transport);

	http->wanted = wanted;
	if (is_stale(http, now(http))) {
		http->state = HTTP_DOWN;
		http->retry_ns = 0;
	}
}

static bool http_connected(const struct transport *transport)
{
	return http_of_const(transport)->up;
}

static bool http_ready(const struct transport *transport)
{
	const struct http_transport *http = http_of_const(transport);

	return http->state == HTTP_READY && http->calls_n < http->options->streams_max;
}

static struct http_call *call_of(struct http_transport *http, const void *tag)
{
	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++)
		if (http->calls[i].tag == tag)
			return &http->calls[i];
	return NULL;
}

static int http_begin(struct transport *transport, void *tag,
		      const struct transport_request *request)
{
	struct http_transport *http = http_of(transport);
	int r;

	if (http->state != HTTP_READY)
		return -EAGAIN;
	if (http->calls_n >= http->options->streams_max)
		return -ENOBUFS;
	r = curl_loop_begin(&http->loop, (long)http->options->streams_max);
	if (r == 0)
		r = http_call_begin(call_of(http, NULL), tag, request, now(http));
	if (r < 0)
		return r;
	http->calls_n++;
	return 0;
}

static void http_cancel(struct transport *transport, void *tag, uint64_t sent_ns,
			uint64_t now_ns)
{
	struct http_transport *http = http_of(transport);

	(void)sent_ns;
	(void)now_ns;
	http->up = false;
	http_call_end(call_of(http, tag));
	http->calls_n--;
}

static int http_tick(struct transport *transport, uint64_t now_ns)
{
	struct http_transport *http = http_of(transport);
	int work;

	if (http->state == HTTP_RESOLVING && now_ns >= http->resolve_due_ns) {
		http->env->ops->cancel(http->env, http);
		on_resolved(http, -ETIMEDOUT, NULL);
		return 1;
	}
	if (http->state == HTTP_DOWN && http->wanted && now_ns >= http->retry_ns) {
		resolve(http, now_ns);
		return 1;
	}
	work = curl_loop_tick(&http->loop, now_ns);
	if (work < 0) {
		loop_broken(http);
		return 1;
	}
	return work;
}

static uint64_t http_next_due(const struct transport *transport, bool wanted)
{
	const struct http_transport *http = http_of_const(transport);
	uint64_t due_ns = http->loop.timer_ns;

	if (http->state == HTTP_RESOLVING && http->resolve_due_ns < due_ns)
		due_ns = http->resolve_due_ns;
	if (http->state == HTTP_DOWN && wanted && http->retry_ns < due_ns)
		due_ns = http->retry_ns;
	return due_ns;
}

static const struct transport_ops ops = {
	.fini = http_fini,
	.want = http_want,
	.connected = http_connected,
	.ready = http_ready,
	.begin = http_begin,
	.cancel = http_cancel,
	.tick = http_tick,
	.next_due = http_next_due,
};

void http_transport_init(struct http_transport *http, struct env *env,
			 const struct export_options *options,
			 const struct transport_news *news, void *arg)
{
	const struct endpoint *endpoint = &options->endpoint;

	*http = (struct http_transport){
		.transport = {.ops = &ops, .news = news, .arg = arg},
		.env = env,
		.options = options,
		.backoff = BACKOFF_CONNECT,
	};
	curl_loop_init(&http->loop, env, on_ran, http);
	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++)
		http->calls[i].http = http;
	(void)snprintf(http->url, sizeof(http->url), "%s://%s%s",
		       endpoint->scheme == ENDPOINT_HTTPS ? "https" : "http",
		       endpoint->authority, endpoint->path);
}
