/* The setting `kinds`: a list of rules, which only the configuration file has. */
#ifndef AGENT_OPTIONS_KINDS_H
#define AGENT_OPTIONS_KINDS_H

#include "options.h"

#define OPTIONS_KINDS_KEY "kinds["

/* What the file has under a key `kinds[i].member`, entry by entry. *ret_right is
 * written when the value is wrong: what would be right. -ENOMEM. */
int options_kinds_set(struct options *options, const char *key, const char *value,
		      const char **ret_right);
/* What is wrong with the first rule that cannot be one, and its key; NULL: nothing. */
const char *options_kinds_fault(const struct options *options, char *ret_key, size_t len);
bool options_kinds_same(const struct options *a, const struct options *b);
/* Each then has, and owns, the other's. */
void options_kinds_exchange(struct options *a, struct options *b);
/* Each rule as a key and what it says. */
void options_kinds_show(const struct options *options,
			void (*show)(const char *key, const char *value,
				     void (*put)(void *arg, const char *text), void *arg),
			void (*put)(void *arg, const char *text), void *arg);
void options_kinds_fini(struct options *options);

#endif
