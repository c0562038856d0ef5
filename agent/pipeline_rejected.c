/* Spans that a collector refused alone: each is a line of JSON in
 * `<state dir>/rejected/<destination>.jsonl`, with what the collector said. They
 * are for people; the archive and the ledgers do not know these files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "archive/archive_dir.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/json_print.h"
#include "pipeline.h"
#include "serve/json_object.h"

/* A file that grew to this gives way, and what it replaces is gone. */
#define REJECTED_BYTES_MAX ((off_t)16 << 20)

static void file_name(const struct destination *destination, const char *suffix, char *ret_name,
		      size_t size)
{
	(void)snprintf(ret_name, size, "%s.jsonl%s", destination->name, suffix);
	for (char *c = ret_name; *c; c++)
		if (*c == '/')
			*c = '_';
	/* Neither hidden nor a way out. */
	if (*ret_name == '.')
		*ret_name = '_';
}

/* A request has the shape of TracesData. */
static int print(struct buf *out, const struct destination *destination, uint64_t wall_ns,
		 struct bytes request, const char *status, const char *message)
{
	struct json_writer w = {out, false};
	int r;

	json_open(&w, NULL, '{');
	json_number(&w, "time_unix_nano", wall_ns);
	json_text(&w, "destination", bytes_of(destination->name));
	json_text(&w, "authority", bytes_of(destination->options.endpoint.authority));
	json_text(&w, "status", bytes_of(status));
	json_text(&w, "message", bytes_of(message));
	(void)buf_append_text(out, ",\"traces\":");
	r = otlp_json_print(out, &opentelemetry__proto__trace__v1__traces_data__descriptor,
			    request);
	json_close(&w, '}');
	(void)buf_append_byte(out, '\n');
	return r < 0 ? r : buf_failed(out) ? -ENOMEM : 0;
}

static int open_file(struct env *env, int dir, const struct destination *destination,
		     uint64_t *ret_size)
{
	char name[32], before[32];
	struct stat st;
	int fd, r;

	file_name(destination, "", name, sizeof name);
	file_name(destination, ".1", before, sizeof before);
	for (int attempt = 0;; attempt++) {
		fd = env->ops->open(env, dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0640);
		if (fd < 0)
			return fd;
		r = env->ops->fstat(env, fd, &st);
		if (r == 0 && (st.st_size < REJECTED_BYTES_MAX || attempt)) {
			*ret_size = (uint64_t)st.st_size;
			return fd;
		}
		(void)env->ops->close(env, fd);
		if (r == 0)
			r = env->ops->rename(env, dir, name, dir, before, 0);
		if (r < 0)
			return r;
	}
}

static int append(struct env *env, int dir, const struct destination *destination,
		  struct bytes line)
{
	uint64_t size = 0;
	int fd = open_file(env, dir, destination, &size), r;

	if (fd < 0)
		return fd;
	r = file_write(env, fd, line.at, line.len, size);
	(void)env->ops->close(env, fd);
	return r;
}

int pipeline_park(void *arg, struct bytes request, const char *status, const char *message)
{
	struct destination *destination = arg;
	struct pipeline *p = destination->pipeline;
	struct archive_dir dir;
	struct buf line = BUF_INIT;
	char path[PATH_MAX];
	int r;

	(void)snprintf(path, sizeof path, "%s/rejected", p->options->state_dir);
	archive_dir_init(&dir, p->env, path);
	r = print(&line, destination, p->env->ops->wall_ns(p->env), request, status, message);
	if (r == 0)
		r = archive_dir_open(&dir);
	if (r == 0)
		r = append(p->env, dir.fd, destination, buf_bytes(&line));
	archive_dir_fini(&dir);
	buf_fini(&line);
	return r;
}
