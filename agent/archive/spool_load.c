/* A spool read from its file: after a restart, or when nobody knows of it. */
#include "archive/document.h"
#include "archive/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

struct line {
	struct spool *spool;
	const uint8_t *trace_id;
	spool_span_fn *on_span;
	void *arg;
	struct bytes text; /* with its LF */
	uint32_t damaged;
	bool taken;
};

/* The line is ours if printing what was read gives it again; then the printed
 * one, which is dropped, says where the span lies in it. */
static int take_line(void *arg, const struct finished_span *span)
{
	struct line *line = arg;
	struct spool *spool = line->spool;
	struct span_facts facts;
	struct bytes printed;
	int r;

	if (line->taken || memcmp(span->trace_id, line->trace_id, 16) != 0)
		return -EBADMSG;
	r = span_facts_read(&facts, span->span);
	if (r >= 0)
		r = spool_add(spool, span, &facts);
	if (r < 0)
		return r;
	printed = buf_bytes(&spool->waiting);
	spool->waiting.len = 0;
	if (!bytes_equal(printed, line->text)) {
		spool_drop_last(spool);
		return -EBADMSG;
	}
	line->taken = true;
	line->on_span(line->arg, &facts, span);
	return 0;
}

/* A line that is not ours is passed over where it stands: those behind it are
 * good. */
static int load_line(struct line *line)
{
	struct document_result result;
	int r;

	line->taken = false;
	r = document_each((struct bytes){line->text.at, line->text.len - 1}, take_line, line,
			  &result);
	if (r < 0 && r != -EBADMSG)
		return r;
	line->damaged += !line->taken;
	line->spool->written += line->text.len;
	return 0;
}

/* Takes the whole lines at the front of `text`. */
static int load_lines(struct line *line, struct buf *text)
{
	size_t at = 0;
	int r = 0;

	while (r >= 0) {
		uint8_t *end = memchr(text->at + at, '\n', text->len - at);

		if (!end)
			break;
		line->text = (struct bytes){text->at + at, (size_t)(end + 1 - (text->at + at))};
		r = load_line(line);
		at += line->text.len;
	}
	buf_consume(text, at);
	return r;
}

static int load_file(struct line *line, int fd)
{
	struct env *env = line->spool->files->directory->env;
	uint64_t offset = line->spool->written;
	struct buf text = BUF_INIT;
	ssize_t n;
	int r = 0;

	while (r >= 0) {
		/* A long line is read in steps as large as what is there. */
		size_t step = text.len > SPOOL_WRITE_BYTES ? text.len : SPOOL_WRITE_BYTES;

		if (text.len > SPOOL_LINE_BYTES_MAX || buf_reserve(&text, step) < 0) {
			r = text.len > SPOOL_LINE_BYTES_MAX ? 0 : -ENOMEM;
			break; /* no such line is ours */
		}
		n = env->ops->pread(env, fd, text.at + text.len, step, (off_t)offset);
		if (n == -EINTR)
			continue;
		if (n <= 0) {
			r = (int)n;
			break;
		}
		offset += (uint64_t)n;
		text.len += (size_t)n;
		r = load_lines(line, &text);
	}
	buf_fini(&text);
	return r;
}

int spool_load(struct spool *spool, const uint8_t trace_id[16], spool_span_fn *on_span, void *arg,
	       struct spool_damage *ret_damage)
{
	struct line line = {
		.spool = spool, .trace_id = trace_id, .on_span = on_span, .arg = arg};
	struct env *env = spool->files->directory->env;
	struct stat st;
	int fd, r;

	spool->exists = true;
	fd = spool_fd(spool);
	if (fd < 0) {
		spool->exists = fd != -ENOENT;
		return fd;
	}
	r = env->ops->fstat(env, fd, &st);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return -EISDIR;
	r = load_file(&line, fd);
	buf_fini(&spool->waiting);
	if (r < 0)
		return r;
	ret_damage->lines = line.damaged;
	ret_damage->cut_bytes = (uint64_t)st.st_size - spool->written;
	if (ret_damage->cut_bytes > 0)
		return env->ops->truncate(env, fd, (off_t)spool->written);
	return 0;
}

static const char *find_trace_id(struct bytes text)
{
	static const char key[] = "\"traceId\":\"";
	const uint8_t *at = memmem(text.at, text.len, key, sizeof(key) - 1);

	/* Inside a string every quote has a backslash before it, so this can
	 * only be the key itself. */
	if (!at || (size_t)(text.at + text.len - at) < sizeof(key) - 1 + 32)
		return NULL;
	return (const char *)at + sizeof(key) - 1;
}

static int unhex(const char *text, uint8_t ret_trace_id[16])
{
	for (int i = 0; i < 16; i++) {
		char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
		char *end;

		ret_trace_id[i] = (uint8_t)strtoul(pair, &end, 16);
		if (end != pair + 2)
			return -ENODATA;
	}
	return 0;
}

int spool_trace_id(struct archive_dir *directory, const char *name, uint8_t ret_trace_id[16])
{
	struct env *env = directory->env;
	struct buf text = BUF_INIT;
	const char *found = NULL;
	ssize_t n = 0;
	int fd, r;

	fd = env->ops->open(env, directory->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	while (!found && text.len < SPOOL_LINE_BYTES_MAX) {
		/* Little at first: the id stands near the front as a rule. */
		size_t step = text.len ? text.len : 8192;

		n = buf_reserve(&text, step) < 0
			    ? -ENOMEM
			    : env->ops->pread(env, fd, text.at + text.len, step, (off_t)text.len);
		if (n <= 0)
			break;
		text.len += (size_t)n;
		found = find_trace_id(buf_bytes(&text));
	}
	r = found ? unhex(found, ret_trace_id) : n < 0 ? (int)n : -ENODATA;
	(void)env->ops->close(env, fd);
	buf_fini(&text);
	return r;
}
