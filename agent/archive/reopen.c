/* A sealed file read back, because a span came for its run. It becomes a spool
 * again, span by span through the one OTLP form. If sealing that spool would
 * give exactly the file, it is what was sealed and will be replaced; if not,
 * somebody changed it: it is kept aside, and what it says is used. */
#include "archive/document.h"
#include "archive/stage.h"

#include "base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <syslog.h>

/* Read whole; a larger one is kept aside unread rather than held in memory. */
#define REOPEN_BYTES_MAX ((off_t)1 << 30)

struct reopening {
	struct run *run;
	struct spool *into;
	bool skip_known; /* spans that are in `into` already, by `by_id` */
	bool by_id;
	uint32_t strangers;
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
	struct span_facts facts;
	int r;

	r = span_facts_read(&facts, span->span);
	if (r < 0)
		return r;
	if (memcmp(facts.trace_id, reopening->run->trace_id, 16) != 0) {
		reopening->strangers++;
		return 0;
	}
	if (reopening->skip_known) {
		r = spool_has(reopening->into, span, &facts, reopening->by_id);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	run_note(reopening->run, &facts);
	return spool_add(reopening->into, span, &facts);
}

static int read_into(struct run *run, struct spool *into, bool skip_known, struct bytes text,
		     bool *ret_clean)
{
	struct reopening reopening = {run, into, skip_known, run->edited, 0};
	struct document_result result = {0};
	int r;

	r = document_each(text, take_span, &reopening, &result);
	if (r == -EBADMSG && into->count == 0) {
		*ret_clean = false;
		return 0;
	}
	if (r < 0)
		return r;
	*ret_clean = result.unreadable == 0 && reopening.strangers == 0;
	return 0;
}

/* Would sealing `spool` give just this file? */
static int is_what_was_sealed(struct run *run, struct spool *spool, int fd, struct bytes text,
			      const struct index_entry *entry)
{
	struct seal seal;
	uint64_t size;
	int r;

	if (spool->count == 0)
		return 0;
	if (entry && entry->crc_known &&
	    (entry->size != text.len || entry->crc != crc32c(0, text.at, text.len)))
		return 0;
	r = seal_begin(&seal, spool, fd, true);
	if (r < 0)
		return r;
	do
		r = seal_step(&seal, SIZE_MAX / 2);
	while (r > 0);
	size = seal.size;
	seal_fini(&seal);
	(void)run;
	if (r < 0)
		return r == -EUCLEAN ? 0 : r;
	return size == text.len;
}

/* The new spool stands under a hidden name until it is whole: a spool that is
 * found after a crash holds all of its run, or is a leftover. */
static int publish_spool(struct run *run)
{
	struct archive *archive = run->archive;
	struct env *env = archive->env;
	char hidden[NAME_FULL_BYTES], name[NAME_FULL_BYTES];
	int r;

	if (run->spool.count == 0)
		return 0;
	memcpy(name, run->spool.name, sizeof(name));
	name_spool_temporary(hidden, &run->name);
	(void)env->ops->unlink(env, archive->directory.fd, hidden, 0); /* a leftover, if any */
	memcpy(run->spool.name, hidden, sizeof(hidden));
	r = spool_flush(&run->spool);
	if (r >= 0)
		r = env->ops->rename(env, archive->directory.fd, hidden, archive->directory.fd,
				     name, 0);
	if (r < 0) {
		(void)spool_remove(&run->spool);
		return r;
	}
	memcpy(run->spool.name, name, sizeof(name));
	run->directory_change = ++archive->directory_changes;
	return 0;
}

/* With the file's text in memory. */
static int unite(struct run *run, int fd, struct bytes text, const struct index_entry *entry)
{
	struct archive *archive = run->archive;
	bool had_spool = run->spool.count > 0;
	struct spool fresh;
	bool clean;
	int same, r;

	spool_init(&fresh, &archive->files, run->spool.name);
	r = read_into(run, &fresh, false, text, &clean);
	if (r < 0)
		goto out;
	same = clean ? is_what_was_sealed(run, &fresh, fd, text, entry) : 0;
	r = same;
	if (r < 0)
		goto out;
	run->archived = fresh.count;
	run->edited |= !same;
	if (had_spool) {
		r = read_into(run, &run->spool, true, text, &clean);
	} else {
		struct spool empty = run->spool;

		run->spool = fresh;
		fresh = empty;
		r = publish_spool(run);
	}
	/* Only now: before the spool was whole, the file was all there was. */
	if (r >= 0 && !same)
		r = run_keep_aside(archive, run->name.text, &run->name);
	run->has_file = same;
out:
	spool_fini(&fresh);
	return r;
}

static int reopen_file(struct run *run, int fd, const struct index_entry *entry)
{
	struct archive *archive = run->archive;
	struct buf text = BUF_INIT;
	int r;

	r = file_identify(archive, fd, &run->file);
	if (r < 0)
		return r;
	r = read_text(archive, fd, run->file.size, &text);
	if (r >= 0)
		r = unite(run, fd, buf_bytes(&text), entry);
	else if (r == -EISDIR || r == -EFBIG || r == -EACCES || r == -EINVAL)
		r = run_keep_aside(archive, run->name.text, &run->name);
	buf_fini(&text);
	return r;
}

int reopen_run(struct run *run, const struct index_entry *entry)
{
	struct archive *archive = run->archive;
	struct env *env = archive->env;
	int fd, r;

	run->archived = 0;
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
