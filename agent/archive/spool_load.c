/* A spool read from its file: after a restart, or when nobody knows of it. */
#include "archive/document.h"
#include "archive/spool.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* A line that is good, but not as we print it. */
struct odd_line {
	uint64_t offset;
	size_t len;
};

#define PAGE_BYTES 4096
#define OPEN_BYTES (sizeof(GROUP_OPEN) - 1)

struct line {
	struct spool *spool;
	const uint8_t *trace_id;
	spool_span_fn *on_span;
	void *arg;
	struct bytes text; /* with its LF */
	struct bytes body; /* without its end, and sum */
	bool taken;
	struct odd_line *odd;
	uint32_t odd_count, odd_cap;
	uint32_t damaged;
	bool unreadable; /* pages of it */
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
	printed.len -= SPOOL_SUM_BYTES;
	spool->waiting.len = 0;
	if (!bytes_equal(printed, line->body)) {
		spool_drop_last(spool);
		return -EBADMSG;
	}
	line->taken = true;
	line->on_span(line->arg, &facts, span);
	return 0;
}

static int note_odd(struct line *line)
{
	if (line->odd_count == line->odd_cap) {
		uint32_t cap = line->odd_cap ? line->odd_cap * 2 : 16;
		struct odd_line *at = reallocarray(line->odd, cap, sizeof(*at));

		if (!at)
			return -ENOMEM;
		line->odd = at;
		line->odd_cap = cap;
	}
	line->odd[line->odd_count++] = (struct odd_line){line->spool->written, line->text.len};
	return 0;
}

/* Odd and damaged lines are passed over where they stand: those behind them are
 * good. A wrong sum is not even looked into. */
static int load_line(struct line *line)
{
	enum spool_sum sum = spool_sum_judge(line->text, &line->body);
	struct document_result result;
	int r = 0;

	line->taken = false;
	if (sum != SPOOL_SUM_WRONG)
		r = document_each((struct bytes){line->text.at, line->text.len - 1}, take_line,
				  line, &result);
	if (r < 0 && r != -EBADMSG)
		return r;
	r = 0;
	if (!line->taken && sum == SPOOL_SUM_GOOD)
		r = note_odd(line);
	else if (!line->taken)
		line->damaged++;
	if (r < 0)
		return r;
	line->spool->written += line->text.len;
	return 0;
}

/* A line whose LF was damaged ends where the next one begins: inside a string
 * every quote has a backslash before it, so this is no string's. */
static size_t line_length(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *next = memmem(at + 1, (size_t)(end - at - 1), GROUP_OPEN, OPEN_BYTES);

	return (size_t)((next ? next : end) - at);
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
		line->text = (struct bytes){text->at + at, line_length(text->at + at, end + 1)};
		r = load_line(line);
		at += line->text.len;
	}
	buf_consume(text, at);
	return r;
}

/* A page, or zeros in its place. */
static ssize_t read_page(struct line *line, int fd, uint8_t *at, uint64_t offset, uint64_t end)
{
	struct env *env = line->spool->files->directory->env;
	uint64_t left = PAGE_BYTES - offset % PAGE_BYTES;
	ssize_t n;

	if (left > end - offset)
		left = end - offset;
	n = env->ops->pread(env, fd, at, left, (off_t)offset);
	if (n >= 0 || error_passes((int)n))
		return n;
	line->unreadable = true;
	memset(at, 0, left);
	return (ssize_t)left;
}

static ssize_t read_piece(struct line *line, int fd, uint8_t *at, size_t len, uint64_t offset,
			  uint64_t end)
{
	struct spool_files *files = line->spool->files;
	struct env *env = files->directory->env;
	ssize_t n = env->ops->pread(env, fd, at, len, (off_t)offset);

	if (n >= 0 || error_passes((int)n))
		return n;
	if (offset >= end)
		return 0;
	if (files->load_tries >= SPOOL_READ_TRIES)
		return read_page(line, fd, at, offset, end);
	files->load_tries++;
	return n;
}

static int load_file(struct line *line, int fd, uint64_t end)
{
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
		n = read_piece(line, fd, text.at + text.len, step, offset, end);
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

static int add_span(void *arg, const struct finished_span *span)
{
	struct line *line = arg;
	struct spool *spool = line->spool;
	struct span_facts facts;
	int r;

	if (memcmp(span->trace_id, line->trace_id, 16) != 0)
		return 0;
	r = span_facts_read(&facts, span->span);
	if (r >= 0)
		r = spool_has(spool, span, &facts, false);
	if (r != 0)
		return r < 0 ? r : 0;
	r = spool_add(spool, span, &facts);
	if (r < 0)
		return r;
	line->on_span(line->arg, &facts, span);
	return spool->waiting.len < SPOOL_WRITE_BYTES ? 0 : spool_flush(spool);
}

/* What odd lines say is added again as we print it: another version wrote them. */
static int add_odd_lines(struct line *line)
{
	struct document_result result;
	struct buf text = BUF_INIT;
	int r = 0;

	for (uint32_t i = 0; i < line->odd_count && r >= 0; i++) {
		struct odd_line *odd = &line->odd[i];

		buf_reset(&text);
		r = buf_reserve(&text, odd->len);
		if (r >= 0)
			r = spool_read(line->spool, odd->offset, text.at, odd->len);
		if (r < 0)
			break;
		text.len = odd->len;
		r = document_each(buf_bytes(&text), add_span, line, &result);
		line->damaged += r == -EBADMSG || (r >= 0 && result.unreadable);
		if (r == -EBADMSG)
			r = 0;
	}
	buf_fini(&text);
	return r;
}

/* What stands behind the last whole line is cut off; but where pages cannot be read
 * now, whoever repairs the disk may want it, and it counts as a damaged line. */
static int end_file(struct line *line, int fd, uint64_t end)
{
	struct spool *spool = line->spool;
	struct env *env = spool->files->directory->env;

	if (spool->written == end)
		return 0;
	if (line->unreadable) {
		line->damaged++;
		spool->written = end;
		return 0;
	}
	return env->ops->truncate(env, fd, (off_t)spool->written);
}

int spool_load(struct spool *spool, const uint8_t trace_id[16], spool_span_fn *on_span,
	       void *arg, struct spool_damage *ret_damage)
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
	r = load_file(&line, fd, (uint64_t)st.st_size);
	buf_fini(&spool->waiting);
	if (r >= 0)
		r = end_file(&line, fd, (uint64_t)st.st_size);
	if (r >= 0)
		r = add_odd_lines(&line);
	ret_damage->lines = line.damaged;
	free(line.odd);
	return r;
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

/* Little at first: the id stands near the front as a rule. */
static ssize_t read_more(struct env *env, int fd, struct buf *text, uint64_t offset)
{
	size_t step = text->len ? text->len : 8192;
	ssize_t n;

	if (buf_reserve(text, step) < 0)
		return -ENOMEM;
	n = env->ops->pread(env, fd, text->at + text->len, step, (off_t)offset);
	if (n > 0)
		text->len += (size_t)n;
	return n;
}

int sealed_trace_id(struct archive_dir *directory, const char *name, uint8_t ret_trace_id[16])
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
		n = read_more(env, fd, &text, text.len);
		if (n <= 0)
			break;
		found = find_trace_id(buf_bytes(&text));
	}
	r = found ? unhex(found, ret_trace_id) : n < 0 ? (int)n : -ENODATA;
	(void)env->ops->close(env, fd);
	buf_fini(&text);
	return r;
}

/* Of the whole lines in `text`, which are taken from it. 1: found, in one that is
 * not damaged. One that is damaged is a last resort. */
static int trace_id_of_lines(struct buf *text, bool *guessed, uint8_t ret_trace_id[16])
{
	const uint8_t *end;
	size_t at = 0;
	int found = 0;

	while (!found && (end = memchr(text->at + at, '\n', text->len - at)) != NULL) {
		struct bytes line = {text->at + at, line_length(text->at + at, end + 1)}, body;
		bool good = spool_sum_judge(line, &body) != SPOOL_SUM_WRONG;
		const char *id = find_trace_id(line);

		if (id && (good || !*guessed) && unhex(id, ret_trace_id) == 0) {
			found = good;
			*guessed = true;
		}
		at += line.len;
	}
	buf_consume(text, at);
	return found;
}

int spool_trace_id(struct archive_dir *directory, const char *name, uint8_t ret_trace_id[16])
{
	struct env *env = directory->env;
	struct buf text = BUF_INIT;
	uint8_t trace_id[16];
	bool guessed = false;
	uint64_t offset = 0;
	ssize_t n = 0;
	int fd, r = 0;

	fd = env->ops->open(env, directory->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	while (r == 0 && text.len < SPOOL_LINE_BYTES_MAX) {
		n = read_more(env, fd, &text, offset);
		if (n <= 0)
			break;
		offset += (uint64_t)n;
		r = trace_id_of_lines(&text, &guessed, trace_id);
	}
	(void)env->ops->close(env, fd);
	buf_fini(&text);
	if (r == 0 && n < 0)
		return (int)n;
	if (!guessed)
		return -ENODATA;
	memcpy(ret_trace_id, trace_id, 16);
	return 0;
}
