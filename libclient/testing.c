/* The test sink: a private directory that this process records into, and reads. */
#include "spanring/testing.h"

#include "begin.h"
#include "testing_spans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[256]; /* "" without a begin */
static pid_t owner;	    /* who began: a child has no directory to remove */

/* A tmpfs where there is one: rings are meant for it. */
static int make_directory(void)
{
	const char *places[] = {"/dev/shm", getenv("TMPDIR"), "/tmp"};
	int r = -ENOENT;

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		if (!places[i] || strlen(places[i]) > sizeof directory - 48)
			continue;
		(void)snprintf(directory, sizeof directory, "%s/spanring-sink-%ld-XXXXXX",
			       places[i], (long)getpid());
		if (mkdtemp(directory))
			return 0;
		r = -errno;
	}
	directory[0] = '\0';
	return r;
}

/* Best effort: what cannot be removed is a temporary file, and the test is over. */
static void remove_directory(void)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		(void)closedir(dir);
	(void)rmdir(directory);
	directory[0] = '\0';
}

/* What an earlier test left open is nobody's parent in the next one. */
static void forget_current(void)
{
	struct spanring_span span;

	while (spanring_current(&span) == 0 && spanring_detach(&span) == 0)
		;
}

int spanring_test_begin(const struct spanring_options *options)
{
	struct spanring_options known;
	int error = errno, r;

	if (directory[0] || spanring_state(NULL) == 1)
		return -EBUSY;
	memset(&known, 0, sizeof known);
	if (options)
		begin_copy_sized(&known, sizeof known, options, options->size);
	else
		known.flags = SPANRING_IGNORE_ENVIRONMENT;
	known.size = sizeof known;
	forget_current();
	r = make_directory();
	if (r == 0) {
		owner = getpid();
		known.directory = directory;
		r = spanring_init(&known);
		if (r < 0)
			remove_directory();
	}
	errno = error;
	return r;
}

void spanring_test_end(void)
{
	int error = errno;

	if (directory[0] && owner == getpid()) {
		(void)spanring_shutdown(); /* -EBUSY: another thread's init; its ring stays */
		remove_directory();
	}
	errno = error;
}

const char *spanring_test_directory(void)
{
	return directory[0] ? directory : NULL;
}

struct spanring_test_spans *spanring_test_snapshot(void)
{
	struct testing_snapshot *snapshot;
	struct testing_arena reading = {NULL};
	struct testing_ring *rings;
	int error = errno, r;

	snapshot = directory[0] ? calloc(1, sizeof *snapshot) : NULL;
	if (!snapshot)
		return NULL;
	r = testing_rings_read(&reading, directory, &rings);
	if (r == 0)
		r = testing_spans_make(snapshot, rings);
	testing_free(&reading);
	if (r < 0) {
		spanring_test_free(&snapshot->spans);
		snapshot = NULL;
	}
	errno = error;
	return snapshot ? &snapshot->spans : NULL;
}

void spanring_test_free(struct spanring_test_spans *spans)
{
	struct testing_snapshot *snapshot = (struct testing_snapshot *)spans;

	if (!snapshot)
		return;
	testing_free(&snapshot->arena);
	free(snapshot);
}

/* ---- looking at it ------------------------------------------------------------------ */

const struct spanring_test_span *spanring_test_find(const struct spanring_test_spans *spans,
						    const char *name)
{
	for (size_t i = 0; spans && i < spans->count; i++)
		if (strcmp(spans->spans[i].name, name) == 0)
			return &spans->spans[i];
	return NULL;
}

const struct spanring_attribute *
spanring_test_attribute_of(const struct spanring_attribute *attributes, size_t count,
			   const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(attributes[i].key, key) == 0)
			return &attributes[i];
	return NULL;
}

const struct spanring_attribute *spanring_test_attribute(const struct spanring_test_span *span,
							 const char *key)
{
	return span ? spanring_test_attribute_of(span->attributes, span->attribute_count, key)
		    : NULL;
}

static const struct spanring_attribute *of_type(const struct spanring_test_span *span,
						const char *key, enum spanring_type type)
{
	const struct spanring_attribute *attribute = spanring_test_attribute(span, key);

	return attribute && attribute->type == type ? attribute : NULL;
}

const char *spanring_test_string(const struct spanring_test_span *span, const char *key)
{
	const struct spanring_attribute *attribute = of_type(span, key, SPANRING_TYPE_STRING);

	return attribute ? attribute->value.string : NULL;
}

int64_t spanring_test_int(const struct spanring_test_span *span, const char *key)
{
	const struct spanring_attribute *attribute = of_type(span, key, SPANRING_TYPE_INT);

	return attribute ? attribute->value.integer : INT64_MIN;
}

double spanring_test_double(const struct spanring_test_span *span, const char *key)
{
	const struct spanring_attribute *attribute = of_type(span, key, SPANRING_TYPE_DOUBLE);

	return attribute ? attribute->value.real : (double)NAN;
}
