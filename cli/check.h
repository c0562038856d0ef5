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
	/* Rules somebody asked for. */
	CHECK_RULE_COMPLETE,
	CHECK_RULE_ERRORS,
	CHECK_RULE_MAX,
	CHECK_RULE_DURATION,
	CHECK_RULE_HAS,
	CHECK_RULE_TOKENS,
	CHECK_RULE_PROMPT,
	CHECK_PROPERTIES,
	CHECK_FIRST_RULE = CHECK_RULE_COMPLETE,
};

#define CHECK_RULES_MAX 64

/* A rule on spans by their name. */
struct check_rule {
	const char *glob;
	uint64_t max_ns;
};

struct check_options {
	bool json;
	bool quiet;	 /* only what fails */
	bool rules_only; /* not the properties of the file */
	bool complete, no_errors;
	struct check_rule max[CHECK_RULES_MAX];
	const char *has[CHECK_RULES_MAX];
	size_t max_count, has_count;
	uint64_t duration_max_ns; /* 0: any; so are the next two */
	uint64_t tokens_max, prompt_max;
};

/* Older names of attributes that were met without the newer one beside them. */
#define CHECK_OLD_NAMES_MAX 48

/* A broken file may break a rule in every span: so many are told one by one. */
#define CHECK_KEPT_EACH 5

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
	uint32_t by_property[CHECK_PROPERTIES];	 /* also those not kept */
	uint32_t old_names[CHECK_OLD_NAMES_MAX]; /* how often each was met */
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

/* check_gate.c: the rules that were asked for. How many those are. */
void check_gate(struct check *check, const struct check_options *options);
unsigned check_gate_rules(const struct check_options *options);
/* check_names.c: names of a span's or a resource's attributes; then, one by one,
 * what is to be said of those that were met. False: no more. */
void check_names(struct check *check, json_t *object);
bool check_names_next(const struct check *check, size_t *at, char *ret_sentence, size_t size);

/* check_report.c: lines, or one JSON object; and whether it has every property. */
void check_report(const struct check *check, const struct check_options *options,
		  const char *path, struct buf *out);
bool check_is_ok(const struct check *check);

/* Tests one file and appends the report. True: it is ok. */
bool check_path(const char *path, const struct check_options *options, struct buf *out);

#endif
