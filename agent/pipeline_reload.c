/* Settings that change while the pipeline runs. What can fail comes first, in
 * pipeline_prepare(), and changes nothing; pipeline_apply() cannot fail. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "pipeline.h"

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool export_differs(const struct options *a, const struct options *b)
{
	return !same_text(a->export_endpoint, b->export_endpoint) ||
	       !same_text(a->export_headers, b->export_headers) ||
	       a->export_insecure != b->export_insecure ||
	       !same_text(a->export_certificate, b->export_certificate) ||
	       !same_text(a->export_client_certificate, b->export_client_certificate) ||
	       !same_text(a->export_client_key, b->export_client_key) ||
	       a->export_timeout_ns != b->export_timeout_ns ||
	       a->export_batch_spans != b->export_batch_spans ||
	       a->export_batch_bytes != b->export_batch_bytes ||
	       a->export_delay_ns != b->export_delay_ns ||
	       a->export_streams != b->export_streams ||
	       a->export_request_bytes != b->export_request_bytes ||
	       a->export_response_bytes != b->export_response_bytes;
}

int pipeline_prepare(struct pipeline *p, const struct options *fresh,
		     struct pipeline_change *ret_change)
{
	struct export_options filled;
	int r;

	*ret_change = (struct pipeline_change){0};
	if (p->destination_count == 0 || !export_differs(p->options, fresh))
		return 0;
	ret_change->destination = true;
	r = destination_options(fresh, &ret_change->options, &ret_change->headers);
	if (r < 0)
		return r;
	filled = ret_change->options;
	r = export_options_fill(&filled);
	if (r < 0) {
		log_line(LOG_ERR, "export", "the settings cannot be used together: %s",
			 strerror(-r));
		pipeline_change_fini(ret_change);
	}
	return r;
}

void pipeline_change_fini(struct pipeline_change *change)
{
	headers_fini(&change->headers);
}

static void apply_destination(struct destination *destination, struct pipeline_change *change)
{
	struct headers before = destination->headers;

	destination->options = change->options;
	destination->headers = change->headers;
	change->headers = before;
	if (export_reload(&destination->export, &destination->options) < 0)
		log_line(LOG_ERR, "export", "options that were found good are not");
}

void pipeline_apply(struct pipeline *p, struct pipeline_change *change)
{
	const struct options *options = p->options;

	drain_set_limits(p->drain, options->ring_max_rings, options->ring_max_rings_per_user,
			 options->ring_turn_bytes);
	assemble_set_limits(p->assemble, options->assemble_memory_bytes,
			    options->archive_idle_timeout_ns, options->assemble_open_spans_max,
			    options->assemble_stale_ttl_ns, &options->limits);
	if (p->archive)
		archive_set_filter(p->archive, options->archive_min_spans,
				   options->archive_root_count
					   ? (const char *const *)options->archive_roots
					   : NULL,
				   options->archive_root_count,
				   options->archive_idle_timeout_ns);
	if (change->destination)
		apply_destination(&p->destinations[0], change);
	pipeline_change_fini(change);
}

/* ---- the state on demand ----------------------------------------------------- */

static int write_all(int fd, struct bytes text)
{
	while (text.len) {
		ssize_t n = write(fd, text.at, text.len);

		if (n < 0)
			return -errno;
		text.at += n;
		text.len -= (size_t)n;
	}
	return 0;
}

/* The state's own directory, so by its path; readers see the old or the new. */
static int write_status(const char *path, struct bytes text)
{
	char temporary[PATH_MAX];
	int fd, r;

	(void)snprintf(temporary, sizeof temporary, "%s.tmp", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text);
	(void)close(fd);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	return r;
}

void pipeline_dump(struct pipeline *p)
{
	struct buf text = BUF_INIT;
	char path[PATH_MAX - 8];
	int r;

	(void)snprintf(path, sizeof path, "%s/status.json", p->options->state_dir);
	r = pipeline_status(p, &text);
	if (r == 0)
		r = write_status(path, buf_bytes(&text));
	buf_fini(&text);
	if (r < 0)
		log_line(LOG_ERR, "agent", "%s cannot be written: %s", path, strerror(-r));
	else
		log_line(LOG_NOTICE, "agent", "the state of everything is in %s", path);
}
