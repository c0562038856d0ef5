/* redact.rules: the list of rules in the configuration file, and whether all that is
 * said of redaction can be done. */
#ifndef AGENT_OPTIONS_REDACT_H
#define AGENT_OPTIONS_REDACT_H

#include "options.h"
#include "redact/rules.h"

/* One member of the list's i-th rule, in order; `name` begins one. 0; -ENOMEM; -EINVAL:
 * *ret_right is what the value should have been. */
int options_redact_set(struct options *options, uint32_t i, const char *member,
		       const char *value, const char **ret_right);
/* 0; -EINVAL: *ret_fault says which setting is wrong and why; -ENOMEM. */
int options_redact_check(const struct options *options, struct redact_fault *ret_fault);

/* What is said of redaction, of the archive's too, changes places. */
void options_redact_exchange(struct options *a, struct options *b);
bool options_redact_same(const struct options *a, const struct options *b);
void options_redact_show(const struct options *options,
			 void (*put_line)(const char *key, const char *value,
					  void (*put)(void *, const char *), void *arg),
			 void (*put)(void *arg, const char *text), void *arg);
void options_redact_fini(struct options *options);

#endif
