#include "export/endpoint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

struct endpoint_error {
	char *text;
	size_t len;
};

static int refuse(struct endpoint_error *error, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct endpoint_error *error, int r, const char *format, ...)
{
	va_list args;

	if (error->text && error->len) {
		va_start(args, format);
		(void)vsnprintf(error->text, error->len, format, args);
		va_end(args);
	}
	return r;
}

static int take_scheme(const char **text, enum endpoint_scheme *ret_scheme,
		       struct endpoint_error *error)
{
	static const struct {
		const char *text;
		enum endpoint_scheme scheme;
	} schemes[] = {
		{"https://", ENDPOINT_HTTPS},
		{"http://", ENDPOINT_HTTP},
		{"unix://", ENDPOINT_UNIX},
		{"unix:", ENDPOINT_UNIX},
	};
	const char *colon = strstr(*text, "://");

	*ret_scheme = ENDPOINT_NO_SCHEME;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].text);

		if (strncasecmp(*text, schemes[i].text, len) != 0)
			continue;
		*text += len;
		*ret_scheme = schemes[i].scheme;
		return 0;
	}
	if (colon)
		return refuse(
			error, -EINVAL,
			"unknown scheme \"%.*s\": use https://host:port, http://host:port "
			"or unix:/path",
			(int)(colon - *text), *text);
	return 0;
}

/* The name of the peer is then a convention of gRPC. */
static int socket_fill(struct endpoint *endpoint, const char *path,
		       struct endpoint_error *error)
{
	size_t len = strlen(path);

	if (*path != '/')
		return refuse(error, -EINVAL, "a socket's path begins with /: use unix:/path");
	if (len >= sizeof((struct sockaddr_un *)0)->sun_path)
		return refuse(error, -ENAMETOOLONG, "the socket's path is too long");
	memcpy(endpoint->host, path, len + 1);
	memcpy(endpoint->authority, "localhost", sizeof("localhost"));
	return 0;
}

/* Splits `authority` ("host", "host:port", "[v6]", "[v6]:port") in place;
 * port is NULL where none is given. */
static int split_authority(char *authority, char **ret_host, char **ret_port,
			   struct endpoint_error *error)
{
	char *host = authority, *end, *port = NULL;

	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end)
			return refuse(error, -EINVAL, "\"[\" without \"]\" in the host");
		*end++ = '\0';
		if (*end && *end != ':')
			return refuse(error, -EINVAL, "unexpected text after \"]\"");
		if (*end == ':')
			port = end + 1;
	} else {
		end = strchr(host, ':');
		if (end && strchr(end + 1, ':'))
			return refuse(error, -EINVAL,
				      "an IPv6 address goes in brackets: [::1]:4317");
		if (end) {
			*end = '\0';
			port = end + 1;
		}
	}
	*ret_host = host;
	*ret_port = port;
	return 0;
}

static int check_host(const char *host, struct endpoint_error *error)
{
	if (!*host)
		return refuse(error, -EINVAL, "no host: use http://host:port");
	for (const char *c = host; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("@?#\\\"<>", *c))
			return refuse(error, -EINVAL, "a host cannot contain the byte 0x%02x",
				      (unsigned char)*c);
	return 0;
}

static int check_port(const char *port, struct endpoint_error *error)
{
	char *end;
	long n;

	if (*port < '0' || *port > '9' || strlen(port) > 5)
		return refuse(error, -EINVAL, "\"%.16s\" is not a port", port);
	n = strtol(port, &end, 10);
	if (*end || n < 1 || n > 65535)
		return refuse(error, -EINVAL, "port \"%.16s\" is not in 1 to 65535", port);
	return 0;
}

static int check_path(const char *path, struct endpoint_error *error)
{
	for (const char *c = path; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || *c == '?' || *c == '#')
			return refuse(error, -EINVAL, "a path cannot contain the byte 0x%02x",
				      (unsigned char)*c);
	return 0;
}

static int endpoint_fill(struct endpoint *endpoint, const char *host, const char *port,
			 const char *path, struct endpoint_error *error)
{
	size_t host_len = strlen(host), path_len = strlen(path);

	if (host_len >= sizeof(endpoint->host) || path_len >= sizeof(endpoint->path))
		return refuse(error, -ENAMETOOLONG, "the host or the path is too long");
	memcpy(endpoint->host, host, host_len + 1);
	memcpy(endpoint->path, path, path_len + 1);
	(void)snprintf(endpoint->port, sizeof(endpoint->port), "%.5s", port ? port : "");
	return 0;
}

/* Everything but the path's end and a missing port, which the protocols treat
 * differently. `port` is "" where none was given. */
static int take_apart(const char *text, struct endpoint *ret_endpoint,
		      struct endpoint_error *error)
{
	struct endpoint endpoint = {0};
	char authority[320], *host = NULL, *port = NULL;
	const char *path;
	int r;

	r = take_scheme(&text, &endpoint.scheme, error);
	if (r < 0)
		return r;
	if (endpoint.scheme == ENDPOINT_UNIX) {
		r = socket_fill(&endpoint, text, error);
		if (r == 0)
			*ret_endpoint = endpoint;
		return r;
	}
	path = text + strcspn(text, "/");
	if ((size_t)(path - text) >= sizeof(authority))
		return refuse(error, -ENAMETOOLONG, "the host is too long");
	(void)snprintf(authority, sizeof(authority), "%.*s", (int)(path - text), text);
	r = split_authority(authority, &host, &port, error);
	if (r == 0)
		r = check_host(host, error);
	if (r == 0 && port)
		r = check_port(port, error);
	if (r == 0)
		r = check_path(path, error);
	if (r == 0)
		r = endpoint_fill(&endpoint, host, port, path, error);
	if (r == 0)
		*ret_endpoint = endpoint;
	return r;
}

static void choose_port(struct endpoint *endpoint, const char *fallback)
{
	bool v6 = strchr(endpoint->host, ':') != NULL;

	if (!endpoint->port[0])
		(void)snprintf(endpoint->port, sizeof(endpoint->port), "%s", fallback);
	(void)snprintf(endpoint->authority, sizeof(endpoint->authority),
		       v6 ? "[%s]:%s" : "%s:%s", endpoint->host, endpoint->port);
}

int endpoint_parse(struct endpoint *ret_endpoint, const char *text, char *error_text,
		   size_t len)
{
	struct endpoint_error error = {error_text, len};
	struct endpoint endpoint;
	size_t n;
	int r;

	r = take_apart(text, &endpoint, &error);
	if (r < 0)
		return r;
	if (endpoint.scheme != ENDPOINT_UNIX) {
		choose_port(&endpoint, ENDPOINT_PORT_DEFAULT);
		for (n = strlen(endpoint.path); n && endpoint.path[n - 1] == '/';)
			endpoint.path[--n] = '\0';
	}
	*ret_endpoint = endpoint;
	return 0;
}

int endpoint_parse_url(struct endpoint *ret_endpoint, const char *text, char *error_text,
		       size_t len)
{
	struct endpoint_error error = {error_text, len};
	struct endpoint endpoint;
	const char *path = "/";
	int r;

	r = take_apart(text, &endpoint, &error);
	if (r < 0)
		return r;
	switch (endpoint.scheme) {
	case ENDPOINT_NO_SCHEME:
		return refuse(&error, -EINVAL,
			      "OTLP/HTTP needs a URL: use http://host:port or "
			      "https://host:port");
	case ENDPOINT_UNIX:
		path = ENDPOINT_URL_PATH;
		break;
	case ENDPOINT_HTTP:
		choose_port(&endpoint, "80");
		break;
	case ENDPOINT_HTTPS:
		choose_port(&endpoint, "443");
		break;
	}
	if (!endpoint.path[0])
		(void)snprintf(endpoint.path, sizeof(endpoint.path), "%s", path);
	*ret_endpoint = endpoint;
	return 0;
}

int endpoint_url_of_base(const char *base, char *ret_url, size_t len)
{
	bool socket = strncasecmp(base, "unix:", 5) == 0;
	size_t n = strlen(base);

	while (!socket && n && base[n - 1] == '/')
		n--;
	if (n >= len || (size_t)snprintf(ret_url, len, "%.*s%s", (int)n, base,
					 socket ? "" : ENDPOINT_URL_PATH) >= len)
		return -ENAMETOOLONG;
	return 0;
}

bool endpoint_is_local(const struct endpoint *endpoint)
{
	return endpoint->scheme == ENDPOINT_UNIX || strcmp(endpoint->host, "localhost") == 0 ||
	       strcmp(endpoint->host, "::1") == 0 || strncmp(endpoint->host, "127.", 4) == 0;
}
