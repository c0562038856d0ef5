#include "options_receive.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "export/options.h"
#include "receive/address.h"

struct checker {
	const struct options *options;
	/* Of the destination that is looked at. */
	enum export_protocol protocol;
	const char *endpoint;
	char endpoint_key[48];
	options_say_fn *say;
	void *say_arg;
};

static bool parse(const struct checker *checker, const char *key, const char *text,
		  struct addresses *ret_addresses)
{
	const char *right = addresses_parse(ret_addresses, text ? text : "");
	char line[512];

	if (!right)
		return true;
	(void)snprintf(line, sizeof line, "%s: '%s' is not right; write %s", key, text, right);
	checker->say(checker->say_arg, line);
	return false;
}

static bool say_loop(const struct checker *checker, const char *key,
		     const struct address *address)
{
	char line[640];

	(void)snprintf(line, sizeof line,
		       "%s (%s) leads to %s (%s): the agent would be sent what it sends; name "
		       "the collector in %s, or another address in %s, or set export.enabled "
		       "to false",
		       checker->endpoint_key, checker->endpoint, key, address->text,
		       checker->endpoint_key, key);
	checker->say(checker->say_arg, line);
	return false;
}

static bool may_go_to(const struct checker *checker, const char *key,
		      const struct addresses *own, const struct sockaddr *peer)
{
	for (uint32_t i = 0; i < own->count; i++)
		if (address_is_reached(&own->at[i], peer))
			return say_loop(checker, key, &own->at[i]);
	return true;
}

/* All that the endpoint may mean; a name that nobody knows now leads nowhere. */
static struct addrinfo *resolve(const struct endpoint *endpoint)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;

	return getaddrinfo(endpoint->host, endpoint->port, &hints, &found) == 0 ? found : NULL;
}

static bool has_port(const struct addresses *own, const char *port)
{
	char text[8];

	for (uint32_t i = 0; i < own->count; i++) {
		(void)snprintf(text, sizeof text, "%u", own->at[i].port);
		if (strcmp(text, port) == 0)
			return true;
	}
	return false;
}

static bool socket_may_go_to(const struct checker *checker, const char *key,
			     const struct addresses *own, const struct endpoint *endpoint)
{
	struct sockaddr_un peer = {.sun_family = AF_UNIX};

	memcpy(peer.sun_path, endpoint->host,
	       strnlen(endpoint->host, sizeof peer.sun_path - 1));
	return may_go_to(checker, key, own, (const struct sockaddr *)&peer);
}

static bool check_loop(const struct checker *checker, const char *key,
		       const struct addresses *own)
{
	struct endpoint endpoint;
	struct addrinfo *found;
	bool good = true;

	if (export_endpoint_parse(checker->protocol, &endpoint, checker->endpoint, NULL, 0) < 0)
		return true; /* said elsewhere */
	if (endpoint.scheme == ENDPOINT_UNIX)
		return socket_may_go_to(checker, key, own, &endpoint);
	if (!has_port(own, endpoint.port))
		return true;
	found = resolve(&endpoint);
	for (const struct addrinfo *one = found; one && good; one = one->ai_next)
		good = may_go_to(checker, key, own, one->ai_addr);
	if (found)
		freeaddrinfo(found);
	return good;
}

/* The list's keys are numbered; that of export.* comes before it, if it is there. */
static void look_at(struct checker *checker, uint32_t nth)
{
	const struct options *options = checker->options;
	const struct destination_settings *chosen = options_destination(options, nth);

	checker->protocol = (enum export_protocol)chosen->protocol;
	checker->endpoint = chosen->endpoint;
	if (options->export_default && nth == 0)
		(void)snprintf(checker->endpoint_key, sizeof checker->endpoint_key, "%s",
			       "export.endpoint");
	else
		(void)snprintf(checker->endpoint_key, sizeof checker->endpoint_key,
			       "destinations[%u].endpoint", nth - options->export_default);
}

bool options_check_receive(const struct options *options, options_say_fn *say, void *say_arg)
{
	struct checker checker = {.options = options, .say = say, .say_arg = say_arg};
	struct addresses grpc, http;

	if (!parse(&checker, "receive.grpc", options->receive_grpc, &grpc) ||
	    !parse(&checker, "receive.http", options->receive_http, &http))
		return false;
	if (!options->receive_enabled)
		return true;
	for (uint32_t i = 0; options_destination(options, i); i++) {
		look_at(&checker, i);
		if (!check_loop(&checker, "receive.grpc", &grpc) ||
		    !check_loop(&checker, "receive.http", &http))
			return false;
	}
	return true;
}
