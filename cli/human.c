#include "human.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

void human_duration(char *text, size_t size, uint64_t ns)
{
	static const struct {
		uint64_t below;
		double divide;
		const char *unit;
	} units[] = {
		{UINT64_C(1000), 1, "ns"},
		{UINT64_C(999500), 1e3, "us"},
		{UINT64_C(999500000), 1e6, "ms"},
		{UINT64_C(59950000000), 1e9, "s"},
	};
	uint64_t seconds = ns / 1000000000 + (ns % 1000000000 >= 500000000);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double value = (double)ns / units[i].divide;

		if (ns >= units[i].below)
			continue;
		(void)snprintf(text, size, "%.*f %s", i == 0 || value >= 99.95 ? 0 : 1, value,
			       units[i].unit);
		return;
	}
	if (seconds < 3600)
		(void)snprintf(text, size, "%" PRIu64 " m %02" PRIu64 " s", seconds / 60,
			       seconds % 60);
	else if (seconds < 360000)
		(void)snprintf(text, size, "%" PRIu64 " h %02" PRIu64 " m", seconds / 3600,
			       seconds / 60 % 60);
	else if (seconds < UINT64_C(100) * 86400)
		(void)snprintf(text, size, "%" PRIu64 " d %02" PRIu64 " h", seconds / 86400,
			       seconds / 3600 % 24);
	else
		(void)snprintf(text, size, "%" PRIu64 " %c",
			       seconds < UINT64_C(1000) * 86400 ? seconds / 86400
								: seconds / 31556952,
			       seconds < UINT64_C(1000) * 86400 ? 'd' : 'y');
}

void human_number(struct buf *out, int64_t number)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRId64, number);

	for (int i = 0; i < n; i++) {
		(void)buf_append_byte(out, (uint8_t)digits[i]);
		if ((n - i) % 3 == 1 && i + 1 < n && digits[i] != '-')
			(void)buf_append_byte(out, ',');
	}
}

void human_time(char *text, size_t size, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	struct tm utc;

	(void)gmtime_r(&seconds, &utc);
	if (strftime(text, size, "%Y-%m-%d %H:%M:%S", &utc) == 0)
		*text = '\0';
}
