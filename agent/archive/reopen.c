/* A sealed file read back, because a span came for its run. It becomes a spool
 * again, span by span through the one OTLP form. If sealing that spool would
 * give exactly the file, with the summary it has, it is what was sealed and will be
 * replaced; if not, somebody changed it: it is kept aside, and what it says is used. */
#include "archive/document.h"
#include "archive/document_stream.h"
#include "archive/stage.h"
#include "archive/summary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <syslog.h>

/* Our own form is read piece by piece; what an editor made of it is read whole,
 * and kept aside unread where that would take too much memory. */
#define REOPEN_BYTES_MAX ((off_t)64 << 20)

struct reopening {
	struct run *run;
	struct spool *into;
	bool skip_known; /* spans that are in `into` already */
	uint32_t strangers;
	bool begun;
	struct buf summary; /* of the first resource */
};

static int read_text(struct archive *archive, int fd, off_t size, struct buf *text)
{
	int r;

	if (size > REOPEN_BYTES_MAX)
		return -EFBIG;
	r = buf_reserve(text, (size_t)size);
	if (r >= 0)
		r = file_read(archive->env, fd, text->at, (size_t)size, 0);
	if (r >= 0)
		text->len = (size_t)size;
	return r;
}

static int take_span(void *arg, const struct finished_span *span)
{
	struct reopening *reopening = arg;
	struct spool *into = reopening->into;
	struct span_facts facts;
	int r;

	r = span_facts_read(&facts, span->span);
	if (r >= 0 && !reopening->begun)
		r = summary_split(&reopening->summary, span->resource, true);
	if (r < 0)
		return r;
	reopening->begun = true;
	if (memcmp(facts.trace_id, reopening->run->trace_id, 16) != 0) {
		reopening->strangers++;
		return 0;
	}
	if (reopening->skip_known) {
		r = spool_has(into, span, &facts, reopening->run->edited);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	run_note(reopening->run, &facts);
	r = spool_add(into, span, &facts);
	if (r < 0 || into->waiting.len < SPOOL_WRITE_BYTES)
		return r;
	return spool_flush(into);
}

/* A spool under a name that no reader looks at, until it is whole: what is found
 * under its own name after a crash holds all of its run. */
static void begin_hidden(struct run *run, struct spool *fresh)
{
	struct archive *archive = run->archive;
	char name[NAME_FULL_BYTES];

	name_spool_temporary(name, &run->name);
	(void)archive->env->ops->unlink(archive->env, archive->directory.fd, name, 0);
	spool_init(fresh, &archive->files, name);
}

static int publish(struct run *run, struct spool *fresh)
{
	struct archive *archive = run->archive;
	struct env *env = archive->env;
	int r;

	if (fresh->count == 0)
		return 0;
	r = spool_flush(fresh);
	if (r >= 0)
		r = env->ops->rename(env, archive->directory.fd, fresh->name,
				     archive->directory.fd, run->spool.name, 0);
	if (r < 0)
		return r;
	memcpy(fresh->name, run->spool.name, sizeof(fresh->name));
	spool_swap(&run->spool, fresh);
	run->directory_change = ++archive->directory_changes;
	return 0;
}

/* Would sealing `spool` give just this file? */
static int is_what_was_sealed(struct spool *spool, struct bytes summary, int fd,
			      off_t file_size, const struct index_entry *entry)
{
	struct seal seal;
	int r;

	if (spool->count == 0)
		return 0;
	r = seal_begin(&seal, spool, fd, true);
	if (r >= 0)
		r = seal_summarize(&seal, summary);
	if (r < 0)
		return r;
	do
		r = seal_step(&seal, SIZE_MAX / 2);
	while (r > 0);
	seal_fini(&seal);
	if (r < 0)
		return r == -EUCLEAN ? 0 : r == -EBADMSG ? -EIO : r;
	if (entry && entry->crc_known && (seal.size != entry->size || seal.crc != entry->crc))
		return 0;
	return seal.size == (uint64_t)file_size;
}

/* What an editor left: whatever can be read of it. */
static int read_edited(struct reopening *reopening, int fd)
{
	struct run *run = reopening->run;
	struct spool *fresh = reopening->into;
	struct document_result result;
	struct buf text = BUF_INIT;
	int r;

	r = spool_remove(fresh);
	spool_fini(fresh);
	begin_hidden(run, fresh);
	reopening->begun = false;
	buf_reset(&reopening->summary);
	if (r >= 0)
		r = read_text(run->archive, fd, run->file.size, &text);
	if (r >= 0)
		r = document_each(buf_bytes(&text), take_span, reopening, &result);
	buf_fini(&text);
	return r == -EBADMSG || r == -EFBIG ? 0 : r;
}

/* 1: the file is what was sealed; 0: it is not, and the spool has what it says. */
static int read_file(struct reopening *reopening, int fd, const struct index_entry *entry)
{
	struct run *run = reopening->run;
	struct document_result result;
	int r;

	r = document_stream(run->archive->env, fd, take_span, reopening, &result);
	if (r == -EBADMSG)
		return read_edited(reopening, fd);
	if (r < 0 || reopening->strangers)
		return r < 0 ? r : 0;
	return is_what_was_sealed(reopening->into, buf_bytes(&reopening->summary), fd,
				  run->file.size, entry);
}

static int read_and_remember(struct run *run, int fd, const struct index_entry *entry,
			     struct spool *fresh)
{
	struct reopening reopening = {.run = run, .into = fresh};
	int same, r;

	same = r = read_file(&reopening, fd, entry);
	if (r >= 0)
		r = summarize_remember(run, &fresh->groups, buf_bytes(&reopening.summary));
	buf_fini(&reopening.summary);
	return r < 0 ? r : same;
}

/* Line by line into the spool there is. */
int run_add_missing(struct run *run, struct spool *other)
{
	struct reopening reopening = {.run = run, .into = &run->spool, .skip_known = true};
	struct document_result result;
	struct buf line = BUF_INIT;
	int r = 0;

	for (uint32_t i = 0; i < other->count && r >= 0; i++) {
		r = spool_line(other, i, &line);
		/* It was right when it was read or written, a moment ago. */
		if (r == -EUCLEAN)
			r = -EIO;
		if (r >= 0)
			r = document_each(buf_bytes(&line), take_span, &reopening, &result);
	}
	buf_fini(&line);
	buf_fini(&reopening.summary);
	return r;
}

/* So that nothing more is written where the disk is bad. */
int run_renew_spool(struct run *run)
{
	struct reopening reopening = {.run = run};
	struct document_result result;
	struct buf line = BUF_INIT;
	struct spool fresh;
	int r = 0;

	begin_hidden(run, &fresh);
	reopening.into = &fresh;
	for (uint32_t i = 0; i < run->spool.count && r >= 0; i++) {
		r = spool_line(&run->spool, i, &line);
		if (r == -EUCLEAN || spool_is_unreadable(&run->spool, r))
			r = 0;
		else if (r >= 0)
			r = document_each(buf_bytes(&line), take_span, &reopening, &result);
	}
	buf_fini(&line);
	buf_fini(&reopening.summary);
	if (r >= 0)
		r = spool_flush(&fresh);
	if (r >= 0)
		r = run_keep_aside(run->archive, run->spool.name, &run->name);
	if (r >= 0) {
		spool_forget_written(&run->spool);
		r = publish(run, &fresh);
		run->sync_wanted = true;
	}
	if (fresh.exists && strcmp(fresh.name, run->spool.name) != 0)
		(void)spool_remove(&fresh);
	spool_fini(&fresh);
	return r;
}

static int unite(struct run *run, int fd, const struct index_entry *entry)
{
	struct spool fresh;
	int same, r;

	begin_hidden(run, &fresh);
	same = r = read_and_remember(run, fd, entry, &fresh);
	if (r >= 0) {
		run->archived = fresh.count;
		run->superseded = 0;
		run->edited |= !same;
		r = run->spool.count > 0 ? run_add_missing(run, &fresh) : publish(run, &fresh);
	}
	/* Only now: before the spool was whole, the file was all there was. */
	if (r >= 0 && !same)
		r = run_keep_aside(run->archive, run->name.text, &run->name);
	run->has_file = r >= 0 && same > 0;
	/* After publishing this is the empty one that was there before. */
	if (fresh.exists && strcmp(fresh.name, run->spool.name) != 0)
		(void)spool_remove(&fresh);
	spool_fini(&fresh);
	return r;
}

static int reopen_file(struct run *run, int fd, const struct index_entry *entry)
{
	struct archive *archive = run->archive;
	struct stat st;
	int r;

	r = archive->env->ops->fstat(archive->env, fd, &st);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return run_keep_aside(archive, run->name.text, &run->name);
	r = file_identify(archive, fd, &run->file);
	return r < 0 ? r : unite(run, fd, entry);
}

int reopen_run(struct run *run, const struct index_entry *entry)
{
	struct archive *archive = run->archive;
	struct env *env = archive->env;
	int fd, r;

	run->archived = run->superseded = 0;
	run->has_file = false;
	fd = env->ops->open(env, archive->directory.fd, run->name.text,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd == -ENOENT)
		return 0; /* somebody took it away: the run goes on without */
	if (fd == -ELOOP || fd == -EACCES)
		return run_keep_aside(archive, run->name.text, &run->name);
	if (fd < 0)
		return fd;
	r = reopen_file(run, fd, entry);
	(void)env->ops->close(env, fd);
	if (r < 0)
		return r;
	/* What another process sealed may be pushed again from the log. */
	if (!entry || !entry->recent)
		run->doubtful = true;
	archive->counters.reopened++;
	return 0;
}
