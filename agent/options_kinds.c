#include "options_kinds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_texts.h"

/* The members of a rule that are text. */
static const struct option_text texts[] = {
	{"name", offsetof(struct kind_rule, name)},
	{"attribute", offsetof(struct kind_rule, attribute)},
	{"scope", offsetof(struct kind_rule, scope)},
};
#define TEXTS (sizeof texts / sizeof texts[0])

static const char *text_of(const struct kind_rule *rule, size_t i)
{
	return *option_text_at(rule, &texts[i]);
}

/* ---- one rule ------------------------------------------------------------------ */

static bool find_kind(const char *word, uint32_t *ret_kind)
{
	for (uint32_t kind = 1; kind < KIND_WORDS; kind++) {
		if (strcmp(word, kind_words[kind]) == 0) {
			*ret_kind = kind;
			return true;
		}
	}
	return false;
}

int options_kinds_set(struct options *options, const char *key, const char *value,
		      const char **ret_right)
{
	struct kind_rules *kinds = &options->kinds;
	char *end;
	uint32_t i = (uint32_t)strtoul(key + sizeof OPTIONS_KINDS_KEY - 1, &end, 10);
	const char *member = end + 2; /* behind "]." */

	if (i >= KIND_RULES_MAX)
		return 0; /* the file's form allows no more */
	if (i >= kinds->count)
		kinds->count = i + 1;
	if (strcmp(member, "kind") != 0)
		return option_texts_set(&kinds->rules[i], texts, TEXTS, member, value);
	if (*value && !find_kind(value, &kinds->rules[i].kind))
		*ret_right = "internal, server, client, producer or consumer";
	return 0;
}

const char *options_kinds_fault(const struct options *options, char *ret_key, size_t len)
{
	for (uint32_t i = 0; i < options->kinds.count; i++) {
		const struct kind_rule *rule = &options->kinds.rules[i];

		(void)snprintf(ret_key, len, "kinds[%u]", i);
		if (!rule->kind)
			return "it has no kind; write internal, server, client, producer or "
			       "consumer";
		if (!rule->name && !rule->attribute && !rule->scope)
			return "of which spans? write `name`, `attribute` or `scope`: how "
			       "their name, an attribute's key or their scope's name begins";
	}
	return NULL;
}

/* ---- all of them ----------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_rule(const struct kind_rule *a, const struct kind_rule *b)
{
	for (size_t i = 0; i < TEXTS; i++)
		if (!same_text(text_of(a, i), text_of(b, i)))
			return false;
	return a->kind == b->kind;
}

bool options_kinds_same(const struct options *a, const struct options *b)
{
	if (a->kinds.count != b->kinds.count)
		return false;
	for (uint32_t i = 0; i < a->kinds.count; i++)
		if (!same_rule(&a->kinds.rules[i], &b->kinds.rules[i]))
			return false;
	return true;
}

void options_kinds_exchange(struct options *a, struct options *b)
{
	struct kind_rules kinds = a->kinds;

	a->kinds = b->kinds;
	b->kinds = kinds;
}

void options_kinds_show(const struct options *options,
			void (*show)(const char *key, const char *value,
				     void (*put)(void *arg, const char *text), void *arg),
			void (*put)(void *arg, const char *text), void *arg)
{
	char key[32], value[384];

	for (uint32_t i = 0; i < options->kinds.count; i++) {
		const struct kind_rule *rule = &options->kinds.rules[i];
		size_t len =
			(size_t)snprintf(value, sizeof value, "%s", kind_words[rule->kind]);

		for (size_t t = 0; t < TEXTS && len < sizeof value; t++)
			if (text_of(rule, t))
				len += (size_t)snprintf(value + len, sizeof value - len,
							", %s: %s", texts[t].name,
							text_of(rule, t));
		(void)snprintf(key, sizeof key, "kinds[%u]", i);
		show(key, value, put, arg);
	}
}

void options_kinds_fini(struct options *options)
{
	for (uint32_t i = 0; i < options->kinds.count; i++)
		option_texts_free(&options->kinds.rules[i], texts, TEXTS);
}
