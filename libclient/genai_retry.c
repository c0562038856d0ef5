/* Trying again: the spans of it, and how long to wait. */
#include "genai.h"

#include "spanring/semconv.h"

#include "client.h"
#include "ids.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

int spanring_retry_begin(struct spanring_retry *ret_retry, const char *name,
			 uint32_t attempts_max, const struct spanring_start_options *start)
{
	struct begin begin;

	memset(ret_retry, 0, sizeof *ret_retry);
	ret_retry->attempts_max = attempts_max ? attempts_max : 1;
	if (!spanring_tracing)
		return spanring_start(&ret_retry->span, name, NULL);
	begin_init(&begin, start, SPANRING_KIND_INTERNAL);
	genai_add_step(&begin, SPANRING_STEP_CHAIN);
	begin_add(&begin,
		  spanring_int(SPANRING_ATTR_RETRY_MAX_ATTEMPTS, ret_retry->attempts_max));
	return begin_start(&begin, &ret_retry->span, name, spanring_length_(name));
}

static void end_open_attempt(struct spanring_retry *retry)
{
	if (retry->open)
		(void)spanring_end(&retry->attempt); /* counted there */
	retry->open = false;
}

bool spanring_attempt_begin(struct spanring_retry *retry)
{
	uint32_t number = retry->attempts;
	struct begin begin;
	char name[24];
	int length;

	end_open_attempt(retry);
	if (retry->succeeded || number >= retry->attempts_max)
		return false;
	retry->attempts++;
	retry->open = true;
	if (!spanring_tracing) {
		(void)spanring_start(&retry->attempt, "", NULL); /* cannot fail while off */
		return true;
	}
	begin_init(&begin, NULL, SPANRING_KIND_INTERNAL);
	begin.start.parent = &retry->span;
	begin_add(&begin, spanring_int(SPANRING_ATTR_RETRY_ATTEMPT, number));
	length = snprintf(name, sizeof name, "attempt_%u", (unsigned)number);
	(void)begin_start(&begin, &retry->attempt, name, (size_t)length); /* counted there */
	return true;
}

int spanring_attempt_end(struct spanring_retry *retry)
{
	retry->open = false;
	retry->succeeded = true;
	return genai_end(&retry->attempt, 0);
}

int spanring_attempt_fail(struct spanring_retry *retry, const char *type, const char *message)
{
	retry->open = false;
	return spanring_fail(&retry->attempt, type, message);
}

int spanring_retry_end(struct spanring_retry *retry)
{
	char text[64] = "All retry attempts failed";
	int r, s;

	end_open_attempt(retry);
	if (retry->succeeded)
		return genai_end(&retry->span, 0);
	if (retry->attempts < retry->attempts_max)
		(void)snprintf(text, sizeof text, "Given up after %u of %u attempts",
			       (unsigned)retry->attempts, (unsigned)retry->attempts_max);
	r = spanring_set_status(&retry->span, SPANRING_STATUS_ERROR, text);
	s = spanring_end(&retry->span);
	return r < 0 ? r : s;
}

/* ---- waiting ------------------------------------------------------------------------ */

uint32_t spanring_backoff_ms(const struct spanring_backoff *backoff, uint32_t attempt,
			     uint32_t random)
{
	struct spanring_backoff known = SPANRING_BACKOFF_INIT;
	uint64_t delay;

	if (backoff)
		memcpy(&known, backoff, begin_known_size(backoff->size, sizeof known));
	/* Beyond 32 doublings any base but 0 is above the most. */
	delay = attempt < 32 ? (uint64_t)known.base_ms << attempt
			     : (known.base_ms ? UINT32_MAX : 0);
	delay += (uint64_t)known.jitter_ms * random >> 32;
	return delay < known.most_ms ? (uint32_t)delay : known.most_ms;
}

int spanring_retry_sleep(const struct spanring_retry *retry,
			 const struct spanring_backoff *backoff)
{
	uint32_t delay_ms, random;
	struct timespec time;
	int error = errno, r = 0;

	if (retry->succeeded || retry->attempts == 0 || retry->attempts >= retry->attempts_max)
		return 0;
	ids_random(&random, sizeof random);
	delay_ms = spanring_backoff_ms(backoff, retry->attempts - 1, random);
	time.tv_sec = (time_t)(delay_ms / 1000);
	time.tv_nsec = (long)(delay_ms % 1000) * 1000000;
	if (nanosleep(&time, NULL) < 0)
		r = -errno;
	errno = error;
	return r;
}
