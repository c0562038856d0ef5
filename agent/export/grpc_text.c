#include "export/grpc_text.h"

#include <stdio.h>

#include "base/hex.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#define RETRY_INFO_TYPE "google.rpc.RetryInfo"
#define DELAY_NS_MAX ((uint64_t)INT64_MAX)

void grpc_text_unescape(char *ret, size_t len, const char *escaped)
{
	size_t n = 0;

	if (!len)
		return;
	while (*escaped && n + 1 < len) {
		int high = -1, low = -1;

		if (escaped[0] == '%') {
			high = hex_digit(escaped[1]);
			low = high < 0 ? -1 : hex_digit(escaped[2]);
		}
		if (low < 0) {
			ret[n++] = *escaped++;
			continue;
		}
		/* An escaped NUL would end our text early. */
		ret[n++] = high || low ? (char)(high << 4 | low) : '?';
		escaped += 3;
	}
	ret[n] = '\0';
}

void grpc_text_timeout(char ret[GRPC_TIMEOUT_TEXT_MAX], uint64_t timeout_ns)
{
	static const struct {
		uint64_t ns;
		char unit;
	} units[] = {
		{1, 'n'},	   {1000, 'u'},	       {1000000, 'm'},
		{1000000000, 'S'}, {60000000000, 'M'}, {3600000000000, 'H'},
	};
	size_t i = 0;
	uint64_t n;

	if (!timeout_ns)
		timeout_ns = 1;
	while (i < 5 && timeout_ns / units[i].ns > 99999999)
		i++;
	/* The coarsest unit that loses nothing reads best: 10S, not 10000000u. */
	while (i < 5 && timeout_ns % units[i + 1].ns == 0)
		i++;
	n = timeout_ns / units[i].ns;
	(void)snprintf(ret, GRPC_TIMEOUT_TEXT_MAX, "%u%c",
		       (unsigned)(n > 99999999 ? 99999999 : n), units[i].unit);
}

/* A type URL names the message after its last slash. */
static bool is_retry_info(const char *type_url)
{
	const char *slash = type_url ? strrchr(type_url, '/') : NULL;
	const char *name = slash ? slash + 1 : type_url;

	return name && strcmp(name, RETRY_INFO_TYPE) == 0;
}

static uint64_t delay_ns(const Google__Protobuf__Duration *delay)
{
	uint64_t ns;

	if (!delay || delay->seconds < 0 || delay->nanos < 0)
		return 0;
	if (__builtin_mul_overflow((uint64_t)delay->seconds, 1000000000, &ns) ||
	    __builtin_add_overflow(ns, (uint64_t)delay->nanos, &ns) || ns > DELAY_NS_MAX)
		return DELAY_NS_MAX;
	return ns;
}

static bool retry_info_read(const Google__Protobuf__Any *detail, uint64_t *ret_delay_ns)
{
	Google__Rpc__RetryInfo *retry;

	if (!is_retry_info(detail->type_url))
		return false;
	retry = google__rpc__retry_info__unpack(NULL, detail->value.len, detail->value.data);
	if (!retry)
		return false;
	*ret_delay_ns = delay_ns(retry->retry_delay);
	google__rpc__retry_info__free_unpacked(retry, NULL);
	return true;
}

bool grpc_text_retry_delay(struct bytes bytes, uint64_t *ret_delay_ns)
{
	Google__Rpc__Status *status;
	bool found = false;

	status = google__rpc__status__unpack(NULL, bytes.len, bytes.at);
	if (!status)
		return false;
	for (size_t i = 0; i < status->n_details && !found; i++)
		found = retry_info_read(status->details[i], ret_delay_ns);
	google__rpc__status__free_unpacked(status, NULL);
	return found;
}
