#include "content.h"

#include <string.h>

unsigned content_hidden;
unsigned content_names = CONTENT_NAMES_OLD | CONTENT_NAMES_NEW;

/* A switch of OpenInference and what it hides. */
static const struct hide {
	char variable[48];
	unsigned bits;
} hides[] = {
	{"OPENINFERENCE_HIDE_INPUTS", SPANRING_HIDDEN_INPUTS},
	{"OPENINFERENCE_HIDE_OUTPUTS", SPANRING_HIDDEN_OUTPUTS},
	{"OPENINFERENCE_HIDE_INPUT_MESSAGES", SPANRING_HIDDEN_INPUT_MESSAGES},
	{"OPENINFERENCE_HIDE_OUTPUT_MESSAGES", SPANRING_HIDDEN_OUTPUT_MESSAGES},
	{"OPENINFERENCE_HIDE_INPUT_TEXT", SPANRING_HIDDEN_INPUT_TEXT},
	{"OPENINFERENCE_HIDE_OUTPUT_TEXT", SPANRING_HIDDEN_OUTPUT_TEXT},
	{"OPENINFERENCE_HIDE_PROMPTS", SPANRING_HIDDEN_INPUT_MESSAGES},
	{"OPENINFERENCE_HIDE_CHOICES", SPANRING_HIDDEN_OUTPUT_MESSAGES},
	{"OPENINFERENCE_HIDE_EMBEDDINGS_TEXT", SPANRING_HIDDEN_EMBEDDINGS_TEXT},
	{"OPENINFERENCE_HIDE_LLM_INVOCATION_PARAMETERS", SPANRING_HIDDEN_PARAMETERS},
};

#define HIDES (sizeof hides / sizeof hides[0])

static const char capture[] = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
static const char names[] = "SPANRING_GENAI_NAMES";

/* A NUL between words, and one more at the end. */
static const char words_true[] = "true\0001\0yes\0on\0";
static const char words_false[] = "false\0000\0no\0off\0";
static const char words_captured[] = "span_only\0span_and_event\0";
static const char words_not_captured[] = "no_content\0event_only\0";

static bool equals(const char *text, const char *word)
{
	for (; *text && *word; text++, word++)
		if ((*text >= 'A' && *text <= 'Z' ? *text + ('a' - 'A') : *text) != *word)
			return false;
	return *text == *word;
}

static bool is_one_of(const char *text, const char *words)
{
	for (; *words; words += strlen(words) + 1)
		if (equals(text, words))
			return true;
	return false;
}

/* The first value of that name that says something. */
static const char *find(char *const *envp, const char *name)
{
	size_t length = strlen(name);

	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=' &&
		    (*envp)[length + 1] != '\0')
			return *envp + length + 1;
	return NULL;
}

static void report(const struct environment_reporter *reporter, const char *variable,
		   const char *problem)
{
	if (reporter && reporter->report)
		reporter->report(reporter->owner, variable, problem);
}

static unsigned read_hide(const struct hide *hide, const char *value,
			  const struct environment_reporter *reporter)
{
	if (!value || is_one_of(value, words_false))
		return 0;
	if (is_one_of(value, words_true))
		return hide->bits;
	report(reporter, hide->variable, "neither true nor false; nothing is hidden by it");
	return 0;
}

static unsigned read_capture(const char *value, const struct environment_reporter *reporter)
{
	if (!value || is_one_of(value, words_true) || is_one_of(value, words_captured))
		return 0;
	if (is_one_of(value, words_false) || is_one_of(value, words_not_captured))
		return SPANRING_HIDDEN_INPUTS | SPANRING_HIDDEN_OUTPUTS;
	report(reporter, capture,
	       "knows true, false, no_content, event_only, span_only and span_and_event; "
	       "nothing is hidden by it");
	return 0;
}

static unsigned read_names(const char *value, const struct environment_reporter *reporter)
{
	if (value && equals(value, "old"))
		return CONTENT_NAMES_OLD;
	if (value && equals(value, "new"))
		return CONTENT_NAMES_NEW;
	if (value && !equals(value, "both"))
		report(reporter, names, "knows old, new and both; both are written");
	return CONTENT_NAMES_OLD | CONTENT_NAMES_NEW;
}

void content_read(char *const *envp, bool secure, const struct environment_reporter *reporter)
{
	unsigned hidden;

	if (secure)
		envp = NULL;
	hidden = read_capture(find(envp, capture), reporter);
	for (size_t i = 0; i < HIDES; i++)
		hidden |= read_hide(&hides[i], find(envp, hides[i].variable), reporter);
	content_hidden = hidden;
	content_names = read_names(find(envp, names), reporter);
}

unsigned spanring_hidden(void)
{
	return content_hidden;
}
