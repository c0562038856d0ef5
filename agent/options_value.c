#include "options_value.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{"", 1},	 {"B", 1},	    {"K", 1u << 10},	{"KiB", 1u << 10},
	{"M", 1u << 20}, {"MiB", 1u << 20}, {"G", 1u << 30},	{"GiB", 1u << 30},
	{"kB", 1000},	 {"MB", 1000000},   {"GB", 1000000000}, {NULL, 0},
};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};
static const struct unit time_units[] = {
	{"", 1000000},
	{"ms", 1000000},
	{"s", 1000000000},
	{"us", 1000},
	{"ns", 1},
	{"min", 60000000000},
	{"m", 60000000000},
	{"h", 3600000000000},
	{"d", 86400000000000},
	{NULL, 0},
};

static bool parse_units(const char *text, const struct unit *units, uint64_t *ret)
{
	uint64_t number, product;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno)
		return false;
	while (*end == ' ')
		end++;
	for (; units->name; units++) {
		if (strcmp(units->name, end) != 0)
			continue;
		if (__builtin_mul_overflow(number, units->factor, &product))
			return false;
		*ret = product;
		return true;
	}
	return false;
}

bool option_word(const char *text, const char *const *words, uint32_t *ret)
{
	for (uint32_t i = 0; words[i]; i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

bool option_size(const char *text, uint64_t *ret_bytes)
{
	return parse_units(text, size_units, ret_bytes);
}

bool option_duration(const char *text, uint64_t *ret_ns)
{
	return parse_units(text, time_units, ret_ns);
}

bool option_limit(const char *text, uint32_t *ret_limit)
{
	uint64_t number;

	if (!parse_units(text, count_units, &number) || number > UINT32_MAX)
		return false;
	*ret_limit = (uint32_t)number;
	return true;
}

bool option_count(const char *text, uint32_t *ret_count)
{
	uint32_t number;

	if (!option_limit(text, &number) || number == 0)
		return false;
	*ret_count = number;
	return true;
}

bool option_same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}
