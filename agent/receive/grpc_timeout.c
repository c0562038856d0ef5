#include "receive/grpc_timeout.h"

#include <errno.h>

#define DIGITS_MAX 8

static uint64_t unit_ns(uint8_t unit)
{
	switch (unit) {
	case 'H':
		return UINT64_C(3600000000000);
	case 'M':
		return UINT64_C(60000000000);
	case 'S':
		return UINT64_C(1000000000);
	case 'm':
		return 1000000;
	case 'u':
		return 1000;
	case 'n':
		return 1;
	default:
		return 0;
	}
}

int grpc_timeout_parse(struct bytes text, uint64_t *ret_timeout_ns)
{
	uint64_t number = 0, unit;
	size_t digits = text.len ? text.len - 1 : 0;

	if (digits == 0 || digits > DIGITS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -EINVAL;
		number = number * 10 + (uint64_t)(text.at[i] - '0');
	}
	unit = unit_ns(text.at[digits]);
	if (!unit)
		return -EINVAL;
	/* 292 years are as good as 11,000. */
	if (__builtin_mul_overflow(number, unit, ret_timeout_ns) || *ret_timeout_ns > INT64_MAX)
		*ret_timeout_ns = INT64_MAX;
	return 0;
}
