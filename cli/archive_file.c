#include "archive_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_scan.h"
#include "span_tree.h"
#include "usage.h"

#define WINDOW_BYTES ((size_t)256 << 10)

struct reading {
	struct archive_file *file;
	/* Of the document at hand, in the order of their text. */
	struct archive_span *spans;
	size_t count, cap;
	archive_document_fn *see;
	void *see_arg;
	char *reason;
	size_t reason_size;
};

/* --- the file ----------------------------------------------------------- */

/* What has no size and cannot be read twice is copied. */
static int keep_stream(int from)
{
	static char window[64 << 10];
	int fd = memfd_create("spanring", MFD_CLOEXEC), r = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(from, window, sizeof(window))) != 0 && r == 0) {
		if (n < 0)
			r = errno == EINTR ? 0 : -errno;
		else if (write(fd, window, (size_t)n) != n)
			r = -ENOMEM;
	}
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

static int open_input(const char *path)
{
	if (strcmp(path, "-") == 0)
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* Nobody waits for the writer of a FIFO that has none; once it is open, we do. */
static int keep_readable(int fd, const struct stat *st)
{
	int flags, kept;

	if (S_ISREG(st->st_mode))
		return fd;
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	kept = keep_stream(fd);
	(void)close(fd);
	return kept;
}

static int open_file(struct archive_file *file)
{
	struct stat st;
	int fd;

	fd = open_input(file->path);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		(void)close(fd);
		return S_ISDIR(st.st_mode) ? -EISDIR : -EIO;
	}
	fd = keep_readable(fd, &st);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		(void)close(fd);
		return -EIO;
	}
	file->fd = fd;
	file->size = (uint64_t)st.st_size;
	return 0;
}

static const char *input_name(const struct archive_file *file)
{
	return strcmp(file->path, "-") == 0 ? "standard input" : file->path;
}

static void say_unreadable(const struct reading *reading, int r)
{
	(void)snprintf(reading->reason, reading->reason_size, "%s: %s%s",
		       input_name(reading->file), strerror(-r),
		       r == -ENOENT   ? "; archives are in the agent's archive.dir, "
					"./data by default"
		       : r == -EISDIR ? "; name one *.otlp.json file in it"
				      : "");
}

int64_t archive_file_bytes(const struct archive_file *file, uint64_t offset, void *at,
			   size_t size)
{
	ssize_t n;

	do
		n = pread(file->fd, at, size, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* --- pieces ------------------------------------------------------------- */

static json_t *parse(const struct reading *reading, struct bytes text, unsigned line)
{
	json_error_t error;
	json_t *value = json_loadb((const char *)text.at, text.len, JSON_ALLOW_NUL, &error);

	if (!value)
		(void)snprintf(reading->reason, reading->reason_size,
			       "%s: line %u is not JSON: %s", input_name(reading->file),
			       line + (unsigned)(error.line > 0 ? error.line - 1 : 0),
			       error.text);
	return value;
}

static int on_span(void *arg, struct bytes text, uint64_t offset, unsigned line)
{
	struct reading *reading = arg;
	struct archive_span *at;
	json_t *value;
	int r;

	if (reading->count == reading->cap) {
		size_t cap = reading->cap ? reading->cap * 2 : 64;

		at = reallocarray(reading->spans, cap, sizeof(*at));
		if (!at)
			return -ENOMEM;
		reading->spans = at;
		reading->cap = cap;
	}
	value = parse(reading, text, line);
	if (!value)
		return -EBADMSG;
	at = &reading->spans[reading->count++];
	r = archive_span_read(at, value, &reading->file->texts);
	at->has_text = true;
	at->offset = offset;
	at->len = text.len;
	json_decref(value);
	return r;
}

static const char *first_text(json_t *object, const char *const *keys)
{
	const char *text = NULL;

	for (; *keys && !text; keys++)
		text = otlp_text(object, *keys);
	return text;
}

/* `<service>.module`, or whatever is called so. */
static const char *module_name(json_t *resource)
{
	static const char *const others[] = {"process.executable.name", "service.name",
					     "service.instance.id", NULL};
	json_t *attribute;
	const char *text;
	size_t i;

	json_array_foreach (json_object_get(resource, "attributes"), i, attribute) {
		const char *key = otlp_string(json_object_get(attribute, "key"));
		size_t len = strlen(key);

		text = json_string_value(
			json_object_get(json_object_get(attribute, "value"), "stringValue"));
		if (len > 7 && strcmp(key + len - 7, ".module") == 0 && text)
			return text;
	}
	text = first_text(resource, others);
	return text ? text : "";
}

static int find_module(struct archive_file *file, json_t *resource, uint32_t *ret_module)
{
	const char *instance = otlp_text(resource, "service.instance.id");
	struct archive_module *at;

	for (size_t i = file->module_count; i-- > 0;) {
		if (!json_equal(file->modules[i].resource, resource) &&
		    (resource || file->modules[i].resource))
			continue;
		*ret_module = (uint32_t)i;
		return 0;
	}
	at = reallocarray(file->modules, file->module_count + 1, sizeof(*at));
	if (!at)
		return -ENOMEM;
	file->modules = at;
	*ret_module = (uint32_t)file->module_count;
	file->modules[file->module_count++] = (struct archive_module){
		.resource = json_incref(resource),
		.name = module_name(resource),
		.instance = instance ? instance : "",
	};
	return 0;
}

static int add_span(struct archive_file *file, const struct archive_span *span, uint32_t module)
{
	struct archive_span *at;

	if (file->span_count == file->span_cap) {
		size_t cap = file->span_cap ? file->span_cap * 2 : 64;

		at = reallocarray(file->spans, cap, sizeof(*at));
		if (!at)
			return -ENOMEM;
		file->spans = at;
		file->span_cap = cap;
	}
	at = &file->spans[file->span_count++];
	*at = *span;
	at->module = module;
	at->scope = file->scope_count - 1;
	file->modules[module].spans++;
	return 0;
}

/* What is in a list of spans and is none still counts as one, that says nothing. */
static int add_item(struct reading *reading, json_t *item, uint32_t module)
{
	json_t *number = json_object_get(item, "");
	size_t i = (size_t)json_integer_value(number);
	struct archive_span empty;

	if (json_is_integer(number) && i < reading->count)
		return add_span(reading->file, &reading->spans[i], module);
	if (archive_span_read(&empty, NULL, &reading->file->texts) < 0)
		return -ENOMEM;
	return add_span(reading->file, &empty, module);
}

static int add_resource(struct reading *reading, json_t *resource)
{
	json_t *scope, *item;
	uint32_t module;
	size_t i, j;
	int r;

	r = find_module(reading->file, json_object_get(resource, "resource"), &module);
	if (r < 0)
		return r;
	json_array_foreach (json_object_get(resource, "scopeSpans"), i, scope) {
		reading->file->scope_count++;
		json_array_foreach (json_object_get(scope, "spans"), j, item) {
			r = add_item(reading, item, module);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int on_document(void *arg, struct bytes text, unsigned line)
{
	struct reading *reading = arg;
	json_t *document = parse(reading, text, line), *resource;
	size_t i;
	int r = 0;

	if (!document)
		return -EBADMSG;
	json_array_foreach (json_object_get(document, "resourceSpans"), i, resource)
		if (r >= 0)
			r = add_resource(reading, resource);
	if (r >= 0 && reading->see)
		reading->see(reading->see_arg, reading->file->document_count, document);
	reading->file->document_count++;
	reading->count = 0;
	json_decref(document);
	return r;
}

/* --- reading ------------------------------------------------------------ */

static int scan_file(struct reading *reading, struct archive_scan *scan, uint8_t *window)
{
	int64_t n;
	int r;

	for (;;) {
		n = archive_file_bytes(reading->file, scan->offset, window, WINDOW_BYTES);
		if (n < 0)
			say_unreadable(reading, (int)n);
		if (n <= 0)
			break;
		r = archive_scan_push(scan, (struct bytes){window, (size_t)n});
		if (r < 0)
			return r;
	}
	return n < 0 ? (int)n : archive_scan_end(scan);
}

static int read_file(struct reading *reading)
{
	static const struct archive_scan_ops ops = {on_span, on_document};
	uint8_t *window = malloc(WINDOW_BYTES);
	struct archive_scan scan;
	int r;

	archive_scan_init(&scan, &ops, reading);
	r = window ? scan_file(reading, &scan, window) : -ENOMEM;
	reading->file->torn = r == 1;
	archive_scan_fini(&scan);
	free(window);
	return r;
}

int archive_file_read_seeing(struct archive_file *file, const char *path,
			     archive_document_fn *see, void *arg, char *ret_reason, size_t size)
{
	struct reading reading = {.file = file,
				  .see = see,
				  .see_arg = arg,
				  .reason = ret_reason,
				  .reason_size = size};
	int r;

	*file = (struct archive_file){.path = path, .fd = -1};
	r = open_file(file);
	if (r < 0)
		say_unreadable(&reading, r);
	else
		r = read_file(&reading);
	if (r >= 0)
		r = span_tree_make(file);
	if (r >= 0)
		usage_mark(file);
	if (r == -ENOMEM || r == -EFBIG)
		(void)snprintf(ret_reason, size, "%s: %s", path,
			       r == -ENOMEM ? "out of memory"
					    : "what should be a span is larger than 1 GiB");
	free(reading.spans);
	return r < 0 ? r : 0;
}

int archive_file_read(struct archive_file *file, const char *path, char *ret_reason,
		      size_t size)
{
	return archive_file_read_seeing(file, path, NULL, NULL, ret_reason, size);
}

json_t *archive_span_load(const struct archive_file *file, const struct archive_span *span)
{
	char *text = span->has_text ? malloc(span->len) : NULL;
	json_t *value = NULL;
	size_t done = 0;
	int64_t n = 1;

	while (text && done < span->len && n > 0) {
		n = archive_file_bytes(file, span->offset + done, text + done,
				       span->len - done);
		done += n > 0 ? (size_t)n : 0;
	}
	if (text && done == span->len)
		value = json_loadb(text, span->len, JSON_ALLOW_NUL, NULL);
	free(text);
	return value;
}

void archive_file_free(struct archive_file *file)
{
	for (size_t i = 0; i < file->module_count; i++)
		json_decref(file->modules[i].resource);
	if (file->fd >= 0)
		(void)close(file->fd);
	free(file->spans);
	free(file->modules);
	free(file->traces);
	texts_fini(&file->texts);
	*file = (struct archive_file){.path = file->path, .fd = -1};
}
