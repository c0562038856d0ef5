#include "serving.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "serve/exposition.h"
#include "wire/abi.h"

static int status_page(void *arg, struct buf *out)
{
	int r = pipeline_status(arg, out);

	return r < 0 ? r : 200;
}

static int metrics_page(void *arg, struct buf *out)
{
	int r = pipeline_metrics(arg, out);

	return r < 0 ? r : 200;
}

static int live_page(void *arg, struct buf *out)
{
	return pipeline_live(arg, out);
}

static int ready_page(void *arg, struct buf *out)
{
	return pipeline_ready(arg, out);
}

static const struct server_page pages[] = {
	{"/status", "application/json", status_page, "everything, as JSON"},
	{"/metrics", EXPOSITION_CONTENT_TYPE, metrics_page, "the numbers, for Prometheus"},
	{"/livez", "text/plain; charset=utf-8", live_page, "200 while the agent's loop turns"},
	{"/readyz", "text/plain; charset=utf-8", ready_page,
	 "200 while nothing waits longer than it may"},
};

static void log_serve(void *arg, int priority, const char *line)
{
	(void)arg;
	log_text(priority, "serve", line);
}

struct server *serving_start(struct pipeline *pipeline)
{
	char path[PATH_MAX];
	struct loopback loopback;
	struct server *server = NULL;
	const char *port = pipeline->options->serve_tcp;
	struct server_options options = {
		.socket_path = path,
		.loopback =
			port && *port && !loopback_parse(&loopback, port) ? &loopback : NULL,
		.pages = pages,
		.page_count = sizeof pages / sizeof pages[0],
		.arg = pipeline,
		.log = log_serve,
	};

	(void)snprintf(path, sizeof path, "%s/%s", pipeline->options->ring_dir,
		       WIRE_SOCKET_NAME);
	if (server_new(&server, pipeline->env, &options) < 0)
		log_line(LOG_ERR, "serve", "no state is served: %s", strerror(ENOMEM));
	else if (options.loopback)
		log_line(LOG_NOTICE, "serve", "metrics on http://%s/metrics", port);
	return server;
}
