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

/* Whether the file of headers says something else now. What is wrong with it is
 * found again, and said, by whoever makes the options. */
static bool headers_changed(const struct destination *destination,
			    const struct destination_settings *settings)
{
	struct headers fresh = {0};
	char error[256];
	bool changed;

	if (!settings->headers_file)
		return false;
	changed = headers_load(&fresh, settings->headers, settings->headers_file, error,
			       sizeof error) < 0 ||
		  !headers_equal(&destination->headers, &fresh);
	headers_fini(&fresh);
	return changed;
}

static int prepare_destination(struct pipeline *p, uint32_t i, const struct options *fresh,
			       struct pipeline_change *change)
{
	const struct destination_settings *settings = options_destination(fresh, i);
	struct export_options filled;
	int r;

	if (destination_same(options_destination(p->options, i), settings) &&
	    !headers_changed(&p->destinations[i], settings))
		return 0;
	r = destination_options(p, &p->destinations[i], settings,
				&change->destinations[i].options,
				&change->destinations[i].headers);
	if (r < 0)
		return r;
	change->destinations[i].changed = true;
	filled = change->destinations[i].options;
	r = export_options_fill(&filled);
	if (r < 0)
		log_line(LOG_ERR, "export", "%s: the settings cannot be used together: %s",
			 p->destinations[i].name, strerror(-r));
	return r;
}

int pipeline_prepare(struct pipeline *p, const struct options *fresh,
		     struct pipeline_change *ret_change)
{
	int r = 0;

	*ret_change = (struct pipeline_change){0};
	if (!options_same_destinations(p->options, fresh))
		return 0;
	for (uint32_t i = 0; r == 0 && i < p->destination_count; i++)
		r = prepare_destination(p, i, fresh, ret_change);
	if (r < 0)
		pipeline_change_fini(ret_change);
	return r;
}

void pipeline_change_fini(struct pipeline_change *change)
{
	for (uint32_t i = 0; i < PIPELINE_DESTINATIONS_MAX; i++)
		headers_fini(&change->destinations[i].headers);
}

static void apply_destination(struct pipeline *p, uint32_t i, struct pipeline_change *change)
{
	struct destination *destination = &p->destinations[i];
	struct headers before = destination->headers;

	if (!change->destinations[i].changed)
		return;
	destination->options = change->destinations[i].options;
	destination->headers = change->destinations[i].headers;
	/* The entries are where the headers are. */
	destination->options.headers = destination->headers.entries;
	change->destinations[i].headers = before;
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
	if (p->archive)
		archive_set_retention(p->archive, &options->archive_retention);
	for (uint32_t i = 0; i < p->destination_count; i++)
		apply_destination(p, i, change);
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
