#include "options_redact.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_table.h"
#include "options_texts.h"
#include "options_value.h"
#include "redact/redact.h"

/* The members of a rule that are text. */
static const struct option_text texts[] = {
	{"name", offsetof(struct redact_rule_settings, name)},
	{"keys", offsetof(struct redact_rule_settings, keys)},
	{"except", offsetof(struct redact_rule_settings, except)},
	{"pattern", offsetof(struct redact_rule_settings, pattern)},
	{"contains", offsetof(struct redact_rule_settings, contains)},
};
#define TEXTS (sizeof texts / sizeof texts[0])

int options_redact_set(struct options *options, uint32_t i, const char *member,
		       const char *value, const char **ret_right)
{
	static const char *const truth[] = {"false", "true", "no", "yes", "off", "on", NULL};
	struct redact_rule_settings *rule = &options->redact.rules[i];
	uint32_t which;

	if (i >= options->redact.rule_count) {
		*rule = (struct redact_rule_settings){.everywhere = true};
		options->redact.rule_count = i + 1;
	}
	if (strcmp(member, "action") == 0) {
		*ret_right = "mask, drop or hash";
		return option_word(value, action_words, &rule->action) ? 0 : -EINVAL;
	}
	if (strcmp(member, "everywhere") == 0) {
		*ret_right = "true or false";
		if (!option_word(value, truth, &which))
			return -EINVAL;
		rule->everywhere = which & 1;
		return 0;
	}
	return option_texts_set(rule, texts, TEXTS, member, value);
}

/* ---- whether it can be done -------------------------------------------------- */

static int check_sink(struct redact *redact, const char *key, const char *names,
		      struct redact_fault *ret_fault)
{
	struct redact_sink sink;
	struct bytes unknown;
	int r = redact_sink_init(redact, &sink, names, &unknown);

	redact_sink_fini(&sink);
	if (r == 0 || r == -ENOMEM)
		return r;
	(void)snprintf(ret_fault->key, sizeof ret_fault->key, "%s", key);
	if (r == -ENOENT)
		(void)snprintf(ret_fault->text, sizeof ret_fault->text,
			       "there is no rule '%.*s', built-in or in redact.rules",
			       (int)unknown.len, (const char *)unknown.at);
	else
		(void)snprintf(ret_fault->text, sizeof ret_fault->text,
			       "with redact.enabled: false nothing is redacted");
	return -EINVAL;
}

int options_redact_check(const struct options *options, struct redact_fault *ret_fault)
{
	struct redact redact;
	char key[48];
	int r;

	r = redact_init(&redact, &options->redact, ret_fault);
	if (r < 0)
		return r;
	r = check_sink(&redact, "archive.redact", options->archive_redact, ret_fault);
	if (r == 0)
		r = check_sink(&redact, "export.redact", options->export.redact, ret_fault);
	for (uint32_t i = 0; r == 0 && i < options->destination_count; i++) {
		(void)snprintf(key, sizeof key, "destinations[%u].redact", i);
		r = check_sink(&redact, key, options->destinations[i].redact, ret_fault);
	}
	redact_fini(&redact);
	return r;
}

/* ---- the list as a whole ------------------------------------------------------ */

static bool same_rule(const struct redact_rule_settings *a,
		      const struct redact_rule_settings *b)
{
	for (size_t i = 0; i < TEXTS; i++)
		if (!option_same_text(*option_text_at(a, &texts[i]),
				      *option_text_at(b, &texts[i])))
			return false;
	return a->action == b->action && a->everywhere == b->everywhere;
}

bool options_redact_same(const struct options *a, const struct options *b)
{
	if (a->redact.rule_count != b->redact.rule_count)
		return false;
	for (uint32_t i = 0; i < a->redact.rule_count; i++)
		if (!same_rule(&a->redact.rules[i], &b->redact.rules[i]))
			return false;
	return true;
}

void options_redact_exchange(struct options *a, struct options *b)
{
	struct redact_settings said = a->redact;
	char *archive = a->archive_redact;

	a->redact = b->redact;
	b->redact = said;
	a->archive_redact = b->archive_redact;
	b->archive_redact = archive;
}

void options_redact_show(const struct options *options,
			 void (*put_line)(const char *key, const char *value,
					  void (*put)(void *, const char *), void *arg),
			 void (*put)(void *arg, const char *text), void *arg)
{
	for (uint32_t i = 0; i < options->redact.rule_count; i++) {
		const struct redact_rule_settings *rule = &options->redact.rules[i];
		char key[48];

		for (size_t t = 0; t < TEXTS; t++) {
			(void)snprintf(key, sizeof key, "redact.rules[%u].%s", i,
				       texts[t].name);
			put_line(key, *option_text_at(rule, &texts[t]) ?: "", put, arg);
		}
		(void)snprintf(key, sizeof key, "redact.rules[%u].action", i);
		put_line(key, action_words[rule->action], put, arg);
		(void)snprintf(key, sizeof key, "redact.rules[%u].everywhere", i);
		put_line(key, rule->everywhere ? "true" : "false", put, arg);
	}
}

void options_redact_fini(struct options *options)
{
	for (uint32_t i = 0; i < options->redact.rule_count; i++)
		option_texts_free(&options->redact.rules[i], texts, TEXTS);
	options->redact.rule_count = 0;
}
