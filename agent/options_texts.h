/* The members of a rule in the configuration that are text: a table of them serves
 * setting, comparing, showing and freeing. */
#ifndef AGENT_OPTIONS_TEXTS_H
#define AGENT_OPTIONS_TEXTS_H

#include <stddef.h>

struct option_text {
	const char *name;
	size_t offset; /* of the char *, which the rule owns, in it */
};

static inline char **option_text_at(const void *rule, const struct option_text *text)
{
	return (char **)((const char *)rule + text->offset);
}

/* The member of that name becomes a copy of `value`; another name is none of them. -ENOMEM. */
int option_texts_set(void *rule, const struct option_text *texts, size_t n, const char *member,
		     const char *value);
void option_texts_free(void *rule, const struct option_text *texts, size_t n);

#endif
