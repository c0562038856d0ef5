/* Which texts the helpers of <spanring/genai.h> leave out, and under which names they say who
 * serves a model: what the environment has to say of content.
 *
 * Read by spanring_init(), constant between init and shutdown; any thread. */
#ifndef LIBCLIENT_CONTENT_H
#define LIBCLIENT_CONTENT_H

#include "environment.h"
#include "spanring/genai.h"

/* SPANRING_GENAI_NAMES: gen_ai.system, gen_ai.provider.name. */
#define CONTENT_NAMES_OLD 0x1u
#define CONTENT_NAMES_NEW 0x2u

extern unsigned content_hidden; /* SPANRING_HIDDEN_... */
extern unsigned content_names;	/* CONTENT_NAMES_..., never 0 */

/* Which bits hide what. */
#define CONTENT_INPUT SPANRING_HIDDEN_INPUTS
#define CONTENT_OUTPUT SPANRING_HIDDEN_OUTPUTS
#define CONTENT_MODEL_INPUT \
	(SPANRING_HIDDEN_INPUTS | SPANRING_HIDDEN_INPUT_MESSAGES | SPANRING_HIDDEN_INPUT_TEXT)
#define CONTENT_MODEL_OUTPUT                                         \
	(SPANRING_HIDDEN_OUTPUTS | SPANRING_HIDDEN_OUTPUT_MESSAGES | \
	 SPANRING_HIDDEN_OUTPUT_TEXT)

/* Takes what `envp` (environ, or NULL) says, the first value of a name; under `secure`
 * nothing is read. What makes no sense hides nothing, and is reported. */
void content_read(char *const *envp, bool secure, const struct environment_reporter *reporter);

/* Of a text with a length of 0 for "to its NUL". */
static inline size_t content_length(const char *text, size_t length)
{
	return length || !text ? length : strlen(text);
}

/* The text under that key, or that it is hidden, by any of `bits`. */
static inline struct spanring_attribute content_text(const char *key, const char *text,
						     size_t length, unsigned bits)
{
	if (content_hidden & bits)
		return spanring_string(key, SPANRING_REDACTED);
	return spanring_string_n(key, text, content_length(text, length));
}

#endif
