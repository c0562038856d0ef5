#include "export/header_check.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool name_reserved(const char *name)
{
	static const char *const names[] = {
		"te",
		"content-type",
		"user-agent",
		"host",
		"connection",
		"keep-alive",
		"upgrade",
		"proxy-connection",
		"transfer-encoding",
		"content-length",
		"content-encoding",
		"expect",
	};

	if (strncmp(name, "grpc-", 5) == 0)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

int header_check(const struct export_header *header)
{
	size_t len = strspn(header->name, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

	if (!len || header->name[len] || name_reserved(header->name))
		return -EINVAL;
	for (const char *c = header->value; *c; c++)
		if (*c < ' ' || *c > '~')
			return -EINVAL;
	return 0;
}

int header_check_all(const struct export_header *headers, size_t n)
{
	int r;

	if (n > EXPORT_HEADERS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		r = header_check(&headers[i]);
		if (r < 0)
			return r;
	}
	return 0;
}
