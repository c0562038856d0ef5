#include "arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool argument_is(const struct arguments *arguments, const char *name)
{
	return strcmp(arguments->argv[arguments->at], name) == 0;
}

bool argument_sets(const struct arguments *arguments, const struct argument_flag *flags,
		   size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (argument_is(arguments, flags[i].name)) {
			*flags[i].flag = true;
			return true;
		}
	return false;
}

bool argument_takes(struct arguments *arguments, const char *name, const char **ret_value)
{
	const char *argument = arguments->argv[arguments->at];
	size_t len = strlen(name);

	if (strncmp(argument, name, len) != 0 || (argument[len] && argument[len] != '='))
		return false;
	if (argument[len] == '=') {
		*ret_value = argument + len + 1;
	} else if (arguments->at + 1 < arguments->argc) {
		*ret_value = arguments->argv[++arguments->at];
	} else {
		*ret_value = NULL;
		(void)argument_wrong(arguments, "no value behind ", name);
	}
	return true;
}

int argument_wrong(const struct arguments *arguments, const char *problem, const char *argument)
{
	(void)fprintf(stderr, "spanring %s: %s%s; see spanring %s --help\n", arguments->verb,
		      problem, argument, arguments->verb);
	return 2;
}

bool argument_number(const char *text, uint64_t *ret_number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return !*end && errno == 0;
}

bool argument_duration(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"ns", 1},	  {"us", 1e3},	 {"ms", 1e6},	{"s", 1e9},
		     {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
	double value;
	char *end;

	if ((*text < '0' || *text > '9') && *text != '.')
		return false;
	value = strtod(text, &end);
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		value *= units[i].ns;
		if (!(value >= 0 && value < 9e18))
			return false;
		*ret_ns = (uint64_t)value;
		return true;
	}
	return false;
}
