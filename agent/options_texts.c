#include "options_texts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int option_texts_set(void *rule, const struct option_text *texts, size_t n, const char *member,
		     const char *value)
{
	for (size_t i = 0; i < n; i++) {
		char *copy;

		if (strcmp(member, texts[i].name) != 0)
			continue;
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
		free(*option_text_at(rule, &texts[i]));
		*option_text_at(rule, &texts[i]) = copy;
	}
	return 0;
}

void option_texts_free(void *rule, const struct option_text *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(*option_text_at(rule, &texts[i]));
}
