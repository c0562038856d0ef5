#include "archive_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "span_tree.h"

#define READ_BYTES ((size_t)256 << 10)

static const char *text_of(json_t *value)
{
	const char *text = json_string_value(value);

	return text ? text : "";
}

/* --- attributes --------------------------------------------------------- */

json_t *otlp_attribute(json_t *object, const char *key)
{
	json_t *attribute;
	size_t i;

	json_array_foreach (json_object_get(object, "attributes"), i, attribute)
		if (strcmp(text_of(json_object_get(attribute, "key")), key) == 0)
			return json_object_get(attribute, "value");
	return NULL;
}

const char *otlp_text(json_t *object, const char *key)
{
	return json_string_value(json_object_get(otlp_attribute(object, key), "stringValue"));
}

uint64_t otlp_uint64(json_t *value)
{
	if (json_is_string(value))
		return strtoull(json_string_value(value), NULL, 10);
	return (uint64_t)json_integer_value(value);
}

bool otlp_int(json_t *object, const char *key, int64_t *ret_value)
{
	json_t *value = json_object_get(otlp_attribute(object, key), "intValue");

	if (!value)
		return false;
	*ret_value = (int64_t)otlp_uint64(value);
	return true;
}

static void members_text(struct buf *out, json_t *list, bool with_keys)
{
	json_t *member;
	size_t i;

	json_array_foreach (list, i, member) {
		if (i)
			(void)buf_append_text(out, ", ");
		if (with_keys) {
			(void)buf_append_text(out, text_of(json_object_get(member, "key")));
			(void)buf_append_text(out, ": ");
			member = json_object_get(member, "value");
		}
		otlp_value_text(out, member);
	}
}

void otlp_value_text(struct buf *out, json_t *value)
{
	const char *kind;
	json_t *held;

	json_object_foreach (value, kind, held) {
		if (json_is_string(held)) {
			(void)buf_append(out, json_string_value(held),
					 json_string_length(held));
		} else if (strcmp(kind, "arrayValue") == 0) {
			(void)buf_append_text(out, "[");
			members_text(out, json_object_get(held, "values"), false);
			(void)buf_append_text(out, "]");
		} else if (strcmp(kind, "kvlistValue") == 0) {
			(void)buf_append_text(out, "{");
			members_text(out, json_object_get(held, "values"), true);
			(void)buf_append_text(out, "}");
		} else if (json_is_integer(held)) {
			(void)buf_printf(out, "%" JSON_INTEGER_FORMAT,
					 json_integer_value(held));
		} else if (json_is_real(held)) {
			(void)buf_printf(out, "%.15g", json_real_value(held));
		} else {
			(void)buf_append_text(out, json_is_true(held) ? "true" : "false");
		}
		return; /* a value has one member */
	}
}

/* --- reading ------------------------------------------------------------ */

static int read_all(struct buf *text, int fd)
{
	ssize_t n;

	do {
		if (buf_reserve(text, READ_BYTES) < 0)
			return -ENOMEM;
		n = read(fd, text->at + text->len, READ_BYTES);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			text->len += (size_t)n;
	} while (n != 0);
	return 0;
}

static int read_path(struct archive_file *file, char *ret_reason, size_t size)
{
	struct stat st;
	int fd, r;

	if (strcmp(file->path, "-") == 0) {
		r = read_all(&file->text, STDIN_FILENO);
		(void)snprintf(ret_reason, size, "standard input: %s", strerror(-r));
		return r;
	}
	fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		r = -errno;
		(void)snprintf(ret_reason, size, "%s: %s%s", file->path, strerror(-r),
			       r == -ENOENT ? "; archives are in the agent's archive.dir, "
					      "./data by default"
					    : "");
		return r;
	}
	r = fstat(fd, &st) < 0	  ? -errno
	    : S_ISDIR(st.st_mode) ? -EISDIR
				  : read_all(&file->text, fd);
	(void)close(fd);
	(void)snprintf(ret_reason, size, "%s: %s%s", file->path, strerror(-r),
		       r == -EISDIR ? "; name one *.otlp.json file in it" : "");
	return r;
}

static int add_document(struct archive_file *file, json_t *document)
{
	json_t **at = reallocarray(file->documents, file->document_count + 1, sizeof(json_t *));

	if (!at) {
		json_decref(document);
		return -ENOMEM;
	}
	file->documents = at;
	file->documents[file->document_count++] = document;
	return 0;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Where a document that begins at `at` has to be searched for its mistake. */
static unsigned line_of(const struct archive_file *file, size_t at)
{
	unsigned line = 1;

	for (size_t i = 0; i < at && i < file->text.len; i++)
		line += file->text.at[i] == '\n';
	return line;
}

static int parse(struct archive_file *file, char *ret_reason, size_t size)
{
	const char *text = (const char *)file->text.at;
	size_t at = 0, len = file->text.len;
	json_error_t error;
	json_t *document;
	int r;

	for (;;) {
		while (at < len && is_space(file->text.at[at]))
			at++;
		if (at == len)
			return 0;
		document = json_loadb(text + at, len - at,
				      JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);
		if (!document)
			break;
		at += (size_t)error.position;
		r = add_document(file, document);
		if (r < 0)
			return r;
	}
	/* A spool that is being written ends in half a line. */
	if (file->document_count > 0 && !memchr(text + at, '\n', len - at)) {
		file->torn = true;
		return 0;
	}
	(void)snprintf(ret_reason, size, "%s: line %u is not JSON: %s", file->path,
		       line_of(file, at) + (unsigned)(error.line > 0 ? error.line - 1 : 0),
		       error.text);
	return -EBADMSG;
}

/* --- spans -------------------------------------------------------------- */

static size_t count_spans(const struct archive_file *file)
{
	json_t *resource, *scope;
	size_t count = 0, i, j;

	for (size_t d = 0; d < file->document_count; d++)
		json_array_foreach (json_object_get(file->documents[d], "resourceSpans"), i,
				    resource)
			json_array_foreach (json_object_get(resource, "scopeSpans"), j, scope)
				count += json_array_size(json_object_get(scope, "spans"));
	return count;
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
		const char *key = text_of(json_object_get(attribute, "key"));
		size_t len = strlen(key);

		text = json_string_value(
			json_object_get(json_object_get(attribute, "value"), "stringValue"));
		if (len > 7 && strcmp(key + len - 7, ".module") == 0 && text)
			return text;
	}
	text = first_text(resource, others);
	return text ? text : "";
}

static int find_module(struct archive_file *file, json_t *resource_spans, uint32_t *ret_module)
{
	json_t *resource = json_object_get(resource_spans, "resource");
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
		.resource = resource,
		.name = module_name(resource),
		.instance = instance ? instance : "",
	};
	return 0;
}

static void read_span(struct archive_span *span, json_t *resource, json_t *scope, json_t *value,
		      uint32_t module)
{
	json_t *code = json_object_get(json_object_get(value, "status"), "code");

	*span = (struct archive_span){
		.resource = resource,
		.scope = scope,
		.span = value,
		.trace_id = text_of(json_object_get(value, "traceId")),
		.span_id = text_of(json_object_get(value, "spanId")),
		.parent_id = text_of(json_object_get(value, "parentSpanId")),
		.name = text_of(json_object_get(value, "name")),
		.start_ns = otlp_uint64(json_object_get(value, "startTimeUnixNano")),
		.end_ns = otlp_uint64(json_object_get(value, "endTimeUnixNano")),
		.status = (int)json_integer_value(code),
		.module = module,
	};
	/* Some writers use the enum's names, which the specification forbids. */
	if (json_is_string(code))
		span->status = strstr(text_of(code), "ERROR")
				       ? 2
				       : strstr(text_of(code), "OK") != NULL;
	if (span->end_ns < span->start_ns)
		span->end_ns = span->start_ns;
}

static int read_resource(struct archive_file *file, json_t *resource)
{
	json_t *scope, *span;
	uint32_t module;
	size_t i, j;
	int r;

	r = find_module(file, resource, &module);
	if (r < 0)
		return r;
	json_array_foreach (json_object_get(resource, "scopeSpans"), i, scope)
		json_array_foreach (json_object_get(scope, "spans"), j, span) {
			read_span(&file->spans[file->span_count++], resource, scope, span,
				  module);
			file->modules[module].spans++;
		}
	return 0;
}

static int read_spans(struct archive_file *file)
{
	json_t *resource;
	size_t i;
	int r;

	file->spans = calloc(count_spans(file) + 1, sizeof(*file->spans));
	if (!file->spans)
		return -ENOMEM;
	for (size_t d = 0; d < file->document_count; d++)
		json_array_foreach (json_object_get(file->documents[d], "resourceSpans"), i,
				    resource) {
			r = read_resource(file, resource);
			if (r < 0)
				return r;
		}
	return 0;
}

int archive_file_read(struct archive_file *file, const char *path, char *ret_reason,
		      size_t size)
{
	int r;

	*file = (struct archive_file){.path = path};
	buf_init(&file->text);
	r = read_path(file, ret_reason, size);
	if (r >= 0)
		r = parse(file, ret_reason, size);
	if (r >= 0)
		r = read_spans(file);
	if (r >= 0)
		r = span_tree_make(file);
	if (r == -ENOMEM)
		(void)snprintf(ret_reason, size, "%s: out of memory", path);
	return r < 0 ? r : 0;
}

void archive_file_free(struct archive_file *file)
{
	for (size_t i = 0; i < file->document_count; i++)
		json_decref(file->documents[i]);
	free(file->documents);
	free(file->spans);
	free(file->modules);
	free(file->traces);
	buf_fini(&file->text);
	*file = (struct archive_file){.path = file->path};
}
