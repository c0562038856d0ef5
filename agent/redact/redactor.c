#include "redact/redactor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define JIT_STACK_MAX ((size_t)1 << 20)
#define DEPTH_LIMIT 20000
#define HEAP_LIMIT_KIB 16384
#define HASH_KEY_MIN 16

/* ---- the key of hashes ------------------------------------------------------ */

static int file_fault(struct redact_fault *ret_fault, const char *path, const char *what)
{
	(void)snprintf(ret_fault->key, sizeof ret_fault->key, "redact.hash_key_file");
	(void)snprintf(ret_fault->text, sizeof ret_fault->text, "%s: %s", path, what);
	return -EINVAL;
}

static bool wants_hash(const struct redact_settings *settings)
{
	bool wants = settings->action == REDACT_HASH;

	for (uint32_t i = 0; i < settings->rule_count; i++)
		wants |= settings->rules[i].action == REDACT_HASH;
	return wants;
}

static int read_hash_key(struct redactor *redactor, const struct redact_settings *settings,
			 struct redact_fault *ret_fault)
{
	const char *path = settings->hash_key_file;
	struct stat st = {.st_mode = 0};
	ssize_t n;
	int fd;

	if (!path || !*path)
		return wants_hash(settings)
			       ? file_fault(ret_fault, "(none)",
					    "a rule hashes, which needs a key: name a file of "
					    "16 to 64 random bytes")
			       : 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	n = fd < 0 ? -1 : read(fd, redactor->hash_key, sizeof redactor->hash_key);
	if (n < 0 || fstat(fd, &st) < 0) {
		n = -errno;
		if (fd >= 0)
			(void)close(fd);
		return file_fault(ret_fault, path, strerror((int)-n));
	}
	(void)close(fd);
	while (n > 0 && redactor->hash_key[n - 1] == '\n')
		n--;
	redactor->hash_key_len = (size_t)n;
	if (n < HASH_KEY_MIN)
		return file_fault(ret_fault, path, "a key has at least 16 bytes");
	if (st.st_mode & S_IROTH)
		return file_fault(ret_fault, path,
				  "everybody can read it, and try secrets; chmod 0640 it");
	return 0;
}

/* ---- making rules ready ----------------------------------------------------- */

/* The three bytes that ordinary text has least: not small letters, not spaces. */
static uint8_t rarest(struct bytes text)
{
	uint32_t best = 0, best_at = 0;

	for (uint32_t i = 0; i + SCAN_MARK <= text.len; i++) {
		uint32_t rare = 0;

		for (uint32_t k = i; k < i + SCAN_MARK; k++)
			rare += text.at[k] == ' '			 ? 0
				: strchr("etaoinsrhl", text.at[k])	 ? 1
				: text.at[k] >= 'a' && text.at[k] <= 'z' ? 2
									 : 4;
		if (rare > best) {
			best = rare;
			best_at = i;
		}
	}
	return (uint8_t)best_at;
}

static int ready_builtin(struct redactor *redactor, uint32_t i)
{
	const struct redact_anchor *anchors = redactor->rules.of[i].builtin->anchors;
	int r = 0;

	for (uint8_t a = 0; r == 0 && anchors[a].text; a++)
		r = scan_add(&redactor->scan, bytes_of(anchors[a].text), anchors[a].mark,
			     anchors[a].caseless, (uint8_t)i, a);
	return r;
}

static int ready_contains(struct redactor *redactor, uint32_t i)
{
	struct bytes text = redactor->rules.of[i].contains;

	if (text.len > SCAN_ANCHOR_BYTES)
		text.len = SCAN_ANCHOR_BYTES;
	return scan_add(&redactor->scan, text, rarest(text), false, (uint8_t)i, 0);
}

/* Only what is used somewhere costs something. */
static int make_ready(struct redactor *redactor, uint64_t rules)
{
	int r = 0;

	for (rules &= ~redactor->ready; r == 0 && rules; rules &= rules - 1) {
		uint32_t i = redact_first(rules);
		const struct redact_rule *rule = &redactor->rules.of[i];

		if (rule->builtin && rule->builtin->anchors[0].text)
			r = ready_builtin(redactor, i);
		else if (rule->contains.len)
			r = ready_contains(redactor, i);
		else if (rule->pattern)
			redactor->searched |= UINT64_C(1) << i;
		if (rule->keyed)
			redactor->keyed |= UINT64_C(1) << i;
		if (rule->top_only)
			redactor->top_only |= UINT64_C(1) << i;
		redactor->ready |= UINT64_C(1) << i;
	}
	return r;
}

uint64_t redactor_plain(const struct redactor *redactor)
{
	return redactor->active & ~redactor->keyed;
}

int redactor_use(struct redactor *redactor, const char *names, uint64_t *ret_rules,
		 struct bytes *ret_unknown)
{
	uint64_t rules;
	int r = redact_rules_named(&redactor->rules, names, &rules, ret_unknown);

	if (r == 0)
		r = make_ready(redactor, rules);
	if (r < 0)
		return r == -ENOENT ? r : -ENOMEM;
	/* What was learned of keys did not know these. */
	memset(redactor->keys, 0, REDACT_KEYS_CACHED * sizeof *redactor->keys);
	*ret_rules = rules;
	return 0;
}

/* ---- life ------------------------------------------------------------------- */

static int make_matcher(struct redactor *redactor, const struct redact_settings *settings)
{
	redactor->match = pcre2_match_data_create(REDACT_MATCH_PAIRS, NULL);
	redactor->context = pcre2_match_context_create(NULL);
	redactor->keys = calloc(REDACT_KEYS_CACHED, sizeof *redactor->keys);
	if (!redactor->match || !redactor->context || !redactor->keys)
		return -ENOMEM;
	(void)pcre2_set_match_limit(redactor->context, settings->match_limit);
	(void)pcre2_set_depth_limit(redactor->context, DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(redactor->context, HEAP_LIMIT_KIB);
	/* Without it the small default holds. */
	redactor->stack = pcre2_jit_stack_create(JIT_STACK_MAX / 32, JIT_STACK_MAX, NULL);
	if (redactor->stack)
		pcre2_jit_stack_assign(redactor->context, NULL, redactor->stack);
	redactor->value_bytes_max = settings->value_bytes_max;
	return 0;
}

static int fill(struct redactor *redactor, const struct redact_settings *settings,
		struct redact_fault *ret_fault)
{
	int r = redact_rules_init(&redactor->rules, settings, ret_fault);

	if (r == 0)
		r = read_hash_key(redactor, settings, ret_fault);
	if (r == 0)
		r = make_matcher(redactor, settings);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < redactor->rules.count; i++)
		if (redactor->rules.of[i].everywhere)
			redactor->everywhere |= UINT64_C(1) << i;
	redactor->active = redactor->everywhere;
	if (getrandom(redactor->own_key, sizeof redactor->own_key, 0) < 0 ||
	    getrandom(&redactor->key_salt, sizeof redactor->key_salt, 0) < 0)
		return -errno;
	return make_ready(redactor, redactor->everywhere);
}

int redactor_new(struct redactor **ret, const struct redact_settings *settings,
		 struct redact_fault *ret_fault)
{
	struct redactor *redactor = calloc(1, sizeof *redactor);
	int r;

	*ret_fault = (struct redact_fault){"redact", "out of memory"};
	if (!redactor)
		return -ENOMEM;
	scan_init(&redactor->scan);
	r = fill(redactor, settings, ret_fault);
	if (r < 0)
		redactor_free(redactor);
	else
		*ret = redactor;
	return r;
}

void redactor_free(struct redactor *redactor)
{
	if (!redactor)
		return;
	redact_rules_fini(&redactor->rules);
	pcre2_match_data_free(redactor->match);
	pcre2_match_context_free(redactor->context);
	pcre2_jit_stack_free(redactor->stack);
	free(redactor->keys);
	free(redactor->hits);
	explicit_bzero(redactor, sizeof *redactor);
	free(redactor);
}
