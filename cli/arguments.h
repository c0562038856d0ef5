/* What stands behind a verb. */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arguments {
	const char *verb;
	int argc;
	char **argv;
	int at; /* of the one at hand */
};

/* Whether the one at hand is that option; it takes no value. */
bool argument_is(const struct arguments *arguments, const char *name);

struct argument_flag {
	const char *name;
	bool *flag;
};

/* Whether the one at hand is one of these, which take no value: then its flag is set. */
bool argument_sets(const struct arguments *arguments, const struct argument_flag *flags,
		   size_t n);

/* Whether it is that option with a value, `--name VALUE` or `--name=VALUE`, which
 * is taken. `*ret_value` is NULL where there is none; that was said. */
bool argument_takes(struct arguments *arguments, const char *name, const char **ret_value);

/* Says on standard error what is wrong with `argument`, and returns 2. */
int argument_wrong(const struct arguments *arguments, const char *problem,
		   const char *argument);

/* A whole number. False: it is none. */
bool argument_number(const char *text, uint64_t *ret_number);

/* "30s", "1.5m", "250ms", "2h", "7d", in ns. False: it is none. */
bool argument_duration(const char *text, uint64_t *ret_ns);

#endif
