#include "run_list.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_head.h"
#include "run_sums.h"
#include "usage.h"

#define ID_DIGITS_MIN 8

const char *run_status_name(enum run_status status)
{
	static const char *const names[] = {
		[RUN_OK] = "ok",       [RUN_QUIET] = "quiet",
		[RUN_ERROR] = "error", [RUN_INCOMPLETE] = "incomplete",
		[RUN_OPEN] = "open",
	};

	return names[status];
}

void run_list_init(struct run_list *list, run_list_problem_fn *problem, void *arg)
{
	*list = (struct run_list){.problem = problem, .arg = arg};
}

static void free_entry(struct run_entry *entry)
{
	free(entry->path);
	free(entry->id);
	free(entry->service);
	free(entry->name);
	json_decref(entry->modules);
	json_decref(entry->reasons);
	json_decref(entry->exit_codes);
}

void run_list_fini(struct run_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free_entry(&list->entries[i]);
	free(list->entries);
	*list = (struct run_list){0};
}

void run_list_tell(struct run_list *list, const char *sentence)
{
	list->failed = true;
	if (list->problem)
		list->problem(list->arg, sentence);
}

/* Takes over the entry's texts, also when it fails. */
static int add_entry(struct run_list *list, struct run_entry *entry)
{
	struct run_entry *at = list->entries;
	bool whole = entry->path && entry->id && entry->service && entry->name &&
		     entry->modules && entry->reasons && entry->exit_codes;

	if (whole && list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;

		at = reallocarray(at, cap, sizeof(*at));
		if (at) {
			list->entries = at;
			list->cap = cap;
		}
	}
	if (!whole || !at) {
		free_entry(entry);
		return -ENOMEM;
	}
	list->entries[list->count++] = *entry;
	return 0;
}

static bool is_spool(const char *path)
{
	size_t len = strlen(path), suffix_len = strlen(RUN_LIST_SPOOL);

	return len > suffix_len && strcmp(path + len - suffix_len, RUN_LIST_SPOOL) == 0;
}

/* --- by the head -------------------------------------------------------- */

static const char *known(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

static enum run_status judge_head(const struct run_facts *facts, json_t *reasons)
{
	if (!facts->complete && !run_facts_only_quiet(reasons))
		return RUN_INCOMPLETE;
	if (facts->errors > 0)
		return RUN_ERROR;
	return facts->complete ? RUN_OK : RUN_QUIET;
}

static int add_head(struct run_list *list, const char *path, const struct archive_head *head)
{
	const struct run_facts *facts = &head->facts;
	const char *service = known(otlp_text(head->resource, "service.name"), "");
	bool has_tokens = facts->input_tokens > 0 || facts->output_tokens > 0;
	struct run_entry entry = {
		.path = strdup(path),
		.id = strdup(facts->id),
		.service = strdup(service),
		.name = strdup(known(facts->name, service)),
		.start_ns = facts->start_ns,
		.end_ns = facts->end_ns < facts->start_ns ? facts->start_ns : facts->end_ns,
		.spans = facts->spans,
		.errors = facts->errors,
		.processes = (int64_t)json_array_size(facts->modules),
		.modules = run_facts_list(facts->modules),
		.reasons = run_facts_list(facts->incomplete_reason),
		.exit_codes = run_facts_list(facts->exit_codes),
		.input_tokens = has_tokens ? facts->input_tokens : -1,
		.output_tokens = has_tokens ? facts->output_tokens : -1,
	};

	entry.status = judge_head(facts, entry.reasons);
	return add_entry(list, &entry);
}

/* --- by the whole file -------------------------------------------------- */

static json_t *list_modules(const struct archive_file *file, uint32_t mark)
{
	json_t *strings = json_array();

	for (size_t i = 0; i < file->module_count; i++)
		if (file->modules[i].seen == mark)
			(void)json_array_append_new(strings,
						    json_string(file->modules[i].name));
	return strings;
}

static void add_reason(json_t *reasons, uint32_t count, const char *what)
{
	if (count)
		(void)json_array_append_new(reasons, json_sprintf("%u %s", count, what));
}

/* Its file does not say whether it is complete; what is known to be missing does. */
static void judge(struct run_entry *entry, const struct archive_file *file,
		  const struct archive_trace *trace, const struct run_sums *sums)
{
	entry->reasons = json_array();
	add_reason(entry->reasons, sums->cut, "spans cut off");
	add_reason(entry->reasons, trace->orphans, "spans without their parent");
	if (trace->roots == 0)
		(void)json_array_append_new(entry->reasons, json_string("no root"));
	entry->status = is_spool(file->path) || file->torn ? RUN_OPEN
			: json_array_size(entry->reasons)  ? RUN_INCOMPLETE
			: entry->errors > 0		   ? RUN_ERROR
							   : RUN_OK;
}

static int add_trace(struct run_list *list, const struct archive_file *file,
		     const struct archive_trace *trace)
{
	struct run_entry entry = {
		.path = strdup(file->path),
		.id = strdup(trace->trace_id),
		.start_ns = trace->start_ns,
		.end_ns = trace->end_ns,
		.spans = trace->spans,
	};
	struct run_sums sums;
	struct usage usage;
	int r;

	run_sums_find(&sums, file, trace);
	r = usage_find(&usage, trace);
	entry.input_tokens = usage.has_tokens ? usage.input_tokens : -1;
	entry.output_tokens = usage.has_tokens ? usage.output_tokens : -1;
	usage_free(&usage);
	entry.service = strdup(sums.service);
	entry.name = strdup(sums.service);
	entry.errors = sums.failed;
	entry.processes = sums.modules;
	entry.modules = list_modules(file, run_sums_mark(file, trace));
	entry.exit_codes = json_array();
	judge(&entry, file, trace, &sums);
	if (r < 0) {
		free_entry(&entry);
		return r;
	}
	return add_entry(list, &entry);
}

/* A spool may have nothing in it yet, or half of its first line. */
static bool is_just_begun(const struct archive_file *file, int r)
{
	return is_spool(file->path) && file->document_count == 0 &&
	       (r == -ENODATA || r == -EBADMSG);
}

static int add_whole(struct run_list *list, const char *path, bool may_be_gone)
{
	struct archive_file file;
	char reason[PATH_MAX + 256];
	int r;

	r = archive_file_read(&file, path, reason, sizeof(reason));
	if (r == 0 && file.span_count == 0) {
		(void)snprintf(reason, sizeof(reason), "%s: no spans in it; is it an archive?",
			       path);
		r = -ENODATA;
	}
	if (r < 0 && r != -ENOMEM && !(r == -ENOENT && may_be_gone)) {
		if (!is_just_begun(&file, r))
			run_list_tell(list, reason);
		r = 0;
	}
	for (size_t i = 0; i < file.trace_count && r >= 0; i++)
		r = add_trace(list, &file, &file.traces[i]);
	archive_file_free(&file);
	return r;
}

int run_list_add_file(struct run_list *list, const char *path, bool may_be_gone)
{
	struct archive_head head;
	int r = 0;

	/* A spool's head is one span's; "-" is read once. */
	if (!is_spool(path) && strcmp(path, "-") != 0)
		r = archive_head_read(&head, path);
	if (r <= 0)
		return add_whole(list, path, may_be_gone); /* it says what is wrong, too */
	r = add_head(list, path, &head);
	archive_head_free(&head);
	return r;
}

int run_list_add(struct run_list *list, const char *path)
{
	char sentence[PATH_MAX + 256];
	DIR *directory;
	int r;

	directory = opendir(path);
	if (!directory && (errno == ENOTDIR || strcmp(path, "-") == 0))
		return run_list_add_file(list, path, false);
	if (!directory) {
		(void)snprintf(sentence, sizeof(sentence), "%s: %s%s", path, strerror(errno),
			       errno == ENOENT ? "; archives are in the agent's archive.dir, "
						 "./data by default"
					       : "");
		run_list_tell(list, sentence);
		return 0;
	}
	r = run_list_add_directory(list, path, directory);
	(void)closedir(directory);
	return r;
}

static int newest_first(const void *left, const void *right)
{
	const struct run_entry *a = left, *b = right;

	if (a->start_ns != b->start_ns)
		return a->start_ns > b->start_ns ? -1 : 1;
	return strcmp(a->path, b->path);
}

void run_list_sort(struct run_list *list)
{
	if (list->count)
		qsort(list->entries, list->count, sizeof(*list->entries), newest_first);
}

/* --- one of them -------------------------------------------------------- */

static bool is_meant(const struct run_entry *entry, const char *word)
{
	const char *base = strrchr(entry->path, '/');
	size_t len = strlen(word);

	base = base ? base + 1 : entry->path;
	if (len >= ID_DIGITS_MIN && strncasecmp(entry->id, word, len) == 0)
		return true;
	if (strncmp(base, word, len) == 0 && (base[len] == '\0' || base[len] == '.'))
		return true;
	return strcmp(entry->name, word) == 0;
}

int run_list_find(struct run_list *list, const char *directory, const char *word,
		  const struct run_entry **ret_entry)
{
	int r;

	r = run_list_add(list, directory);
	if (r < 0)
		return r;
	run_list_sort(list);
	for (size_t i = 0; i < list->count; i++) {
		if (!is_meant(&list->entries[i], word))
			continue;
		*ret_entry = &list->entries[i];
		return 1;
	}
	return 0;
}
