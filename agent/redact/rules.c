#include "redact/rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ALLOW_RULE "allow-keys"

static int fault(struct redact_fault *fault, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fault(struct redact_fault *fault, const char *key, const char *format, ...)
{
	va_list args;

	(void)snprintf(fault->key, sizeof fault->key, "redact.%s", key);
	va_start(args, format);
	(void)vsnprintf(fault->text, sizeof fault->text, format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- patterns --------------------------------------------------------------- */

/* Without machine code (memory that may be written is not run: systemd's
 * MemoryDenyWriteExecute, SELinux) the same pattern is interpreted. */
static pcre2_code *compile(const char *pattern, uint32_t options, bool *jit, int *ret_error,
			   size_t *ret_at)
{
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options,
					 ret_error, ret_at, NULL);

	if (code && pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) < 0)
		*jit = false;
	return code;
}

static int compile_builtin(struct redact_rules *rules, struct redact_rule *rule)
{
	const struct redact_builtin *builtin = rule->builtin;
	uint32_t options = 0;
	size_t at;
	int error;

	/* JIT knows PCRE2_ANCHORED at this time alone. Looking ahead for what a match
	 * needs (a dot, an @) would cost thousands of bytes at each anchor. */
	if (builtin->anchors[0].text)
		options = PCRE2_ANCHORED | PCRE2_NO_START_OPTIMIZE;
	rule->pattern = compile(builtin->pattern, options, &rules->jit, &error, &at);
	return rule->pattern ? 0 : -ENOMEM;
}

static bool is_ascii(const char *text)
{
	for (; *text; text++)
		if ((uint8_t)*text > 0x7f)
			return false;
	return true;
}

/* Bytes are enough where the pattern speaks of ASCII alone. */
static int compile_own(struct redact_rules *rules, struct redact_rule *rule, const char *key,
		       const char *pattern, struct redact_fault *ret_fault)
{
	uint32_t options = PCRE2_NEVER_BACKSLASH_C;
	char text[160];
	size_t at;
	int error;

	if (!is_ascii(pattern) || strstr(pattern, "\\p") || strstr(pattern, "\\x{"))
		options |= PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
	rule->pattern = compile(pattern, options, &rules->jit, &error, &at);
	if (rule->pattern)
		return 0;
	if (error == PCRE2_ERROR_HEAP_FAILED)
		return -ENOMEM;
	(void)pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
	return fault(ret_fault, key, "the pattern is not one, at its character %zu: %s", at,
		     text);
}

/* ---- the rules -------------------------------------------------------------- */

static bool name_is_in(const char *name, const char *list)
{
	struct bytes item;

	while (list_next(&list, &item))
		if (bytes_equal(item, bytes_of(name)))
			return true;
	return false;
}

static struct redact_rule *add(struct redact_rules *rules, const char *name,
			       enum redact_action action)
{
	struct redact_rule *rule = &rules->of[rules->count++];

	*rule = (struct redact_rule){.action = action, .everywhere = true};
	(void)snprintf(rule->name, sizeof rule->name, "%s", name);
	return rule;
}

static int add_builtin(struct redact_rules *rules, const struct redact_builtin *builtin,
		       const struct redact_settings *settings)
{
	struct redact_rule *rule =
		add(rules, builtin->name, (enum redact_action)settings->action);

	rule->builtin = builtin;
	rule->everywhere = builtin->on ? !name_is_in(builtin->name, settings->disable)
				       : name_is_in(builtin->name, settings->enable);
	rule->keyed = builtin->keys != NULL;
	if (builtin->keys && globs_init(&rule->keys, builtin->keys) < 0)
		return -ENOMEM;
	return builtin->pattern ? compile_builtin(rules, rule) : 0;
}

/* Every key but these. */
static int add_allow_rule(struct redact_rules *rules, const struct redact_settings *settings)
{
	struct redact_rule *rule;

	if (!settings->allow_keys || !*settings->allow_keys)
		return 0;
	rule = add(rules, ALLOW_RULE, REDACT_DROP);
	rule->keyed = rule->top_only = true;
	if (globs_init(&rule->keys, "*") < 0)
		return -ENOMEM;
	return globs_init(&rule->except, settings->allow_keys);
}

static const struct redact_rule *find(const struct redact_rules *rules, struct bytes name)
{
	for (uint32_t i = 0; i < rules->count; i++)
		if (bytes_equal(bytes_of(rules->of[i].name), name))
			return &rules->of[i];
	return NULL;
}

static const char *name_fault(const struct redact_rules *rules, const char *name)
{
	static const char characters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";

	if (!name || !*name)
		return "every rule needs a name";
	if (strlen(name) > REDACT_NAME_MAX || name[strspn(name, characters)])
		return "a name has at most 32 small letters, digits or - _";
	if (find(rules, bytes_of(name)) || strcmp(name, ALLOW_RULE) == 0 ||
	    strcmp(name, "undecided") == 0)
		return "another rule has this name; choose another one";
	return NULL;
}

static int add_own(struct redact_rules *rules, const struct redact_rule_settings *settings,
		   uint32_t i, struct redact_fault *ret_fault)
{
	const char *wrong = name_fault(rules, settings->name);
	struct redact_rule *rule;
	char key[48];
	int r;

	(void)snprintf(key, sizeof key, "rules[%u].name", i);
	if (wrong)
		return fault(ret_fault, key, "%s", wrong);
	if (!settings->keys && !settings->pattern)
		return fault(ret_fault, key,
			     "rule %s finds nothing: give it keys, a pattern or both",
			     settings->name);
	rule = add(rules, settings->name, (enum redact_action)settings->action);
	rule->everywhere = settings->everywhere;
	rule->keyed = settings->keys != NULL;
	r = globs_init(&rule->keys, settings->keys);
	if (r == 0)
		r = globs_init(&rule->except, settings->except);
	if (r == 0 && settings->contains && *settings->contains) {
		rule->contains_text = strdup(settings->contains);
		if (!rule->contains_text)
			return -ENOMEM;
		rule->contains = bytes_of(rule->contains_text);
	}
	(void)snprintf(key, sizeof key, "rules[%u].pattern", i);
	if (r == 0 && settings->pattern)
		r = compile_own(rules, rule, key, settings->pattern, ret_fault);
	return r;
}

/* A name that is none is a wish that is not kept. */
static int check_names(const struct redact_rules *rules, const char *key, const char *names,
		       struct redact_fault *ret_fault)
{
	struct bytes unknown;
	uint64_t bits;

	if (redact_rules_named(rules, names, &bits, &unknown) == 0)
		return 0;
	return fault(ret_fault, key, "there is no built-in rule '%.*s'", (int)unknown.len,
		     (const char *)unknown.at);
}

int redact_rules_init(struct redact_rules *rules, const struct redact_settings *settings,
		      struct redact_fault *ret_fault)
{
	int r = 0;

	memset(rules, 0, sizeof *rules);
	rules->jit = true;
	for (uint32_t i = 0; r == 0 && i < redact_builtin_count; i++)
		r = add_builtin(rules, &redact_builtins[i], settings);
	if (r == 0)
		r = check_names(rules, "enable", settings->enable, ret_fault);
	if (r == 0)
		r = check_names(rules, "disable", settings->disable, ret_fault);
	for (uint32_t i = 0; r == 0 && i < settings->rule_count; i++)
		r = add_own(rules, &settings->rules[i], i, ret_fault);
	if (r == 0)
		r = add_allow_rule(rules, settings);
	if (r < 0)
		redact_rules_fini(rules);
	return r;
}

void redact_rules_fini(struct redact_rules *rules)
{
	for (uint32_t i = 0; i < rules->count; i++) {
		globs_fini(&rules->of[i].keys);
		globs_fini(&rules->of[i].except);
		pcre2_code_free(rules->of[i].pattern);
		free(rules->of[i].contains_text);
	}
	rules->count = 0;
}

int redact_rules_named(const struct redact_rules *rules, const char *names, uint64_t *ret_rules,
		       struct bytes *ret_unknown)
{
	uint64_t bits = 0;
	struct bytes item;

	while (list_next(&names, &item)) {
		const struct redact_rule *rule = find(rules, item);

		if (!rule) {
			*ret_unknown = item;
			return -ENOENT;
		}
		bits |= UINT64_C(1) << (rule - rules->of);
	}
	*ret_rules = bits;
	return 0;
}
