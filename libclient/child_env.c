/* The environment of a child: a copy of one, with a context in it. The names of
 * variables are OpenTelemetry's "Environment Variables as Context Propagation
 * Carriers". */
#include "spanring/propagation.h"

#include "environment.h"

#include <errno.h>
#include <stdlib.h>

extern char **environ;

/* The longest is "X_B3_PARENTSPANID". */
#define NAME_SIZE 32u

/* Every variable that a propagator sets: one of an older context must not stay
 * beside the new ones. */
static const char *const names[] = {
	"TRACEPARENT", "TRACESTATE",	    "BAGGAGE",	    "B3",	  "X_B3_TRACEID",
	"X_B3_SPANID", "X_B3_PARENTSPANID", "X_B3_SAMPLED", "X_B3_FLAGS",
};

#define NAMES (sizeof names / sizeof *names)

/* Upper case; what is no letter, digit or '_' becomes '_', and so does the lack
 * of a name. Our names never begin with a digit. False: too long to be ours. */
static bool variable_name(const char *name, char ret_name[NAME_SIZE])
{
	size_t length = strlen(name);

	if (length == 0 || length >= NAME_SIZE)
		return false;
	for (size_t i = 0; i <= length; i++) {
		char c = name[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - ('a' - 'A'));
		else if (c && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
			c = '_';
		ret_name[i] = c;
	}
	return true;
}

static bool is_variable(const char *entry, const char *name)
{
	size_t length = strlen(name);

	return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

static bool is_ours(const char *entry)
{
	for (size_t i = 0; i < NAMES; i++)
		if (is_variable(entry, names[i]))
			return true;
	return false;
}

const char *spanring_get_variable(void *carrier, const char *name)
{
	char *const *envp = carrier;
	char variable[NAME_SIZE];

	if (!variable_name(name, variable))
		return NULL;
	if (!envp)
		return environment_get(variable);
	for (; *envp; envp++)
		if (is_variable(*envp, variable) && (*envp)[strlen(variable) + 1])
			return *envp + strlen(variable) + 1;
	return NULL;
}

/* ---- the copy -------------------------------------------------------------------- */

/* First only measured, then filled: the pointers, and behind them the texts. */
struct copy {
	char **envp; /* NULL: measured */
	size_t count;
	char *text;
	size_t bytes;
};

static void add_variable(void *carrier, const char *name, const char *value)
{
	char variable[NAME_SIZE];
	struct copy *copy = carrier;
	size_t name_length, value_length = strlen(value);

	if (!variable_name(name, variable))
		return;
	name_length = strlen(variable);
	if (copy->envp) {
		char *at = copy->text + copy->bytes;

		copy->envp[copy->count] = at;
		memcpy(at, variable, name_length);
		at[name_length] = '=';
		memcpy(at + name_length + 1, value, value_length + 1);
	}
	copy->count++;
	copy->bytes += name_length + value_length + 2;
}

static void add_others(struct copy *copy, char *const *envp)
{
	for (; envp && *envp; envp++) {
		if (is_ours(*envp))
			continue;
		if (copy->envp)
			copy->envp[copy->count] = *envp;
		copy->count++;
	}
}

int spanring_environment_for_child(const struct spanring_span *span, char *const *envp,
				   char ***ret_envp)
{
	struct copy copy = {.count = 0};
	size_t pointers;
	int r;

	*ret_envp = NULL;
	if (!envp)
		envp = environ;
	add_others(&copy, envp);
	(void)spanring_inject(span, add_variable, &copy); /* says the same below */
	pointers = (copy.count + 1) * sizeof *copy.envp;
	copy.envp = malloc(pointers + copy.bytes);
	if (!copy.envp)
		return -ENOMEM;
	copy.text = (char *)copy.envp + pointers;
	copy.count = copy.bytes = 0;
	add_others(&copy, envp);
	r = spanring_inject(span, add_variable, &copy);
	copy.envp[copy.count] = NULL;
	*ret_envp = copy.envp;
	return r;
}
