/* What `spanring check` is made of: properties of an archive, and who tests
 * them. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "archive_file.h"

/* In the order of the help text. The names are for scripts: never changed. */
enum check_property {
	CHECK_READABLE,
	CHECK_UTF8,
	CHECK_ONE_LINE,
	CHECK_ONE_OBJECT,
	CHECK_RESOURCE_SPANS,
	CHECK_CAMEL_CASE,
	CHECK_ATTRIBUTES,
	CHECK_ESCAPES,
	CHECK_IDS,
	CHECK_UNIQUE_IDS,
	CHECK_NUMBERS,
	CHECK_ONE_TRACE,
	CHECK_ORDER,
	CHECK_NAME,
	CHECK_KIND,
	CHECK_TIMES,
	CHECK_SERVICE,
	CHECK_ROOT,
	CHECK_PARENTS,
	CHECK_FIRST_SPAN,
	CHECK_FIRST_KIND,
	CHECK_FIRST_GOAL,
	CHECK_KIND_VALUE,
	CHECK_LLM_KIND,
	CHECK_LLM_MODEL,
	CHECK_LLM_SYSTEM,
	CHECK_LLM_TOKENS,
	CHECK_PROPERTIES,
};

struct check_failure {
	enum check_property property;
	const struct archive_span *span; /* NULL: of the file */
	char message[256];
};

struct check {
	const struct archive_file *file;
	json_t *document; /* the first, with numbers in place of its spans; owned */
	struct check_failure *failures;
	size_t count, cap;
	uint32_t by_property[CHECK_PROPERTIES]; /* also those not kept */
};

const char *check_property_name(enum check_property property);

void check_fail(struct check *check, enum check_property property,
		const struct archive_span *span, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* check_text.c: the bytes of the file. */
void check_text(struct check *check);
/* check_form.c: OTLP/JSON as its readers need it. A document without its spans, each
 * of its spans, and the file as a whole. */
void check_form_document(struct check *check, size_t index, json_t *document);
void check_form_span(struct check *check, const struct archive_span *span, json_t *whole);
void check_form(struct check *check);
/* check_order.c: A12. */
void check_order(struct check *check);
/* check_run.c: the run it tells of. */
void check_run_span(struct check *check, const struct archive_span *span, json_t *whole);
void check_run(struct check *check);

/* Tests one file and appends the report: lines, or one JSON object. True: it
 * has every property. */
bool check_path(const char *path, bool json, struct buf *out);

#endif
