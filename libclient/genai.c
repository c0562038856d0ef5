#include "genai.h"

#include "spanring/semconv.h"

#include "client.h"

/* Names of spans that are put together here: longer ones are cut. */
#define NAME_MAX_BYTES 256u

/* ---- what all steps have ---------------------------------------------------------- */

void genai_add_model(struct begin *begin, const char *vendor, const char *model)
{
	if (content_names & CONTENT_NAMES_OLD)
		begin_add_text(begin, SPANRING_ATTR_GEN_AI_SYSTEM, vendor);
	if (content_names & CONTENT_NAMES_NEW)
		begin_add_text(begin, SPANRING_ATTR_GEN_AI_PROVIDER_NAME,
			       spanring_provider_name(vendor));
	begin_add_text(begin, SPANRING_ATTR_GEN_AI_REQUEST_MODEL, model);
}

int genai_set_content(struct spanring_span *span, const char *key, const char *text,
		      size_t length, unsigned bits)
{
	struct spanring_attribute attribute;

	if (!text || !span->epoch)
		return 0;
	attribute = content_text(key, text, length, bits);
	return spanring_set_attribute(span, &attribute);
}

size_t genai_usage(const struct spanring_usage *usage, struct spanring_attribute *attributes)
{
	size_t count = 0;

	if (usage->input_tokens >= 0)
		attributes[count++] = spanring_int(SPANRING_ATTR_GEN_AI_USAGE_INPUT_TOKENS,
						   usage->input_tokens);
	if (usage->output_tokens >= 0)
		attributes[count++] = spanring_int(SPANRING_ATTR_GEN_AI_USAGE_OUTPUT_TOKENS,
						   usage->output_tokens);
	if (usage->cache_read_tokens >= 0)
		attributes[count++] =
			spanring_int(SPANRING_ATTR_GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
				     usage->cache_read_tokens);
	if (usage->cache_creation_tokens >= 0)
		attributes[count++] =
			spanring_int(SPANRING_ATTR_GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
				     usage->cache_creation_tokens);
	if (usage->reasoning_tokens >= 0)
		attributes[count++] =
			spanring_int(SPANRING_ATTR_GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
				     usage->reasoning_tokens);
	return count;
}

static int say_ok(struct spanring_span *span, int r)
{
	int s = 0;

	if (span->epoch && !(span->marks & CLIENT_MARK_ERROR))
		s = spanring_set_status(span, SPANRING_STATUS_OK, NULL);
	return r < 0 ? r : s;
}

int genai_end(struct spanring_span *span, int r)
{
	int s;

	r = say_ok(span, r);
	s = spanring_end(span);
	return r < 0 ? r : s;
}

int genai_end_run(struct spanring_span *span, int r)
{
	int s;

	r = say_ok(span, r);
	s = spanring_run_end(span);
	return r < 0 ? r : s;
}

/* ---- steps of any kind -------------------------------------------------------------- */

int spanring_step_begin(struct spanring_span *ret_span, const char *name,
			enum spanring_step step, const struct spanring_start_options *start)
{
	struct begin begin;

	if (!spanring_tracing)
		return spanring_start(ret_span, name, NULL);
	begin_init(&begin, start, SPANRING_KIND_INTERNAL);
	genai_add_step(&begin, step);
	return begin_start(&begin, ret_span, name, spanring_length_(name));
}

int spanring_step_end(struct spanring_span *span)
{
	return genai_end(span, 0);
}

int spanring_fail(struct spanring_span *span, const char *type, const char *message)
{
	int r = spanring_record_exception(span, type, message, NULL),
	    s = spanring_run_end(span);

	return r < 0 ? r : s;
}

static size_t put(char *to, size_t at, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	if (length > NAME_MAX_BYTES - at)
		length = NAME_MAX_BYTES - at;
	if (length)
		memcpy(to + at, text, length);
	return at + length;
}

int spanring_module_begin(struct spanring_span *ret_span, const char *ns, const char *module,
			  const struct spanring_start_options *start)
{
	char name[NAME_MAX_BYTES];
	struct begin begin;
	size_t length;

	if (!spanring_tracing)
		return spanring_start(ret_span, "", NULL);
	length = put(name, 0, ns);
	length = put(name, length, length ? ".module." : "module.");
	length = put(name, length, module);
	begin_init(&begin, start, SPANRING_KIND_INTERNAL);
	genai_add_step(&begin, SPANRING_STEP_CHAIN);
	return begin_start(&begin, ret_span, name, length);
}

int spanring_set_usage(struct spanring_span *span, const struct spanring_usage *usage)
{
	struct spanring_attribute attributes[GENAI_USAGE_MAX];

	if (!usage || !span->epoch)
		return 0;
	return spanring_set_attributes(span, attributes, genai_usage(usage, attributes));
}

int spanring_set_input(struct spanring_span *span, const char *text, size_t length)
{
	return genai_set_content(span, SPANRING_ATTR_INPUT_VALUE, text, length, CONTENT_INPUT);
}

int spanring_set_output(struct spanring_span *span, const char *text, size_t length)
{
	return genai_set_content(span, SPANRING_ATTR_OUTPUT_VALUE, text, length,
				 CONTENT_OUTPUT);
}
