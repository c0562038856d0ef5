#include "ids.h"

#include "cancel.h"
#include "w3c.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* SplitMix64: spreads whatever little entropy its input has over 64 bits. */
static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t clock_word(clockid_t clock)
{
	struct timespec now = {0};

	(void)clock_gettime(clock, &now); /* zero is as good as any other word here */
	return (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
}

/* For a kernel or a sandbox without getrandom(): unique rather than secret. */
static void random_stand_in(uint8_t *at, size_t count)
{
	const void *auxiliary = (const void *)getauxval(AT_RANDOM);
	uint64_t state = 0;

	if (auxiliary)
		memcpy(&state, auxiliary, sizeof state);
	state ^= clock_word(CLOCK_REALTIME) ^ ids_rotate(clock_word(CLOCK_MONOTONIC), 23);
	state ^= (uint64_t)getpid() << 40 ^ (uint64_t)syscall(SYS_gettid) << 8;
	state ^= (uint64_t)(uintptr_t)at;
	while (count) {
		uint64_t word = mix(&state);
		size_t take = count < sizeof word ? count : sizeof word;

		memcpy(at, &word, take);
		at += take;
		count -= take;
	}
}

void ids_random(void *ret_bytes, size_t count)
{
	int error = errno, cancel_state = cancel_hold();
	uint8_t *at = ret_bytes;

	while (count) {
		ssize_t got = getrandom(at, count, GRND_NONBLOCK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			/* A module that starts before the kernel's pool is
			 * ready must not wait for it. */
			random_stand_in(at, count);
			break;
		}
		at += got;
		count -= (size_t)got;
	}
	cancel_release(cancel_state);
	errno = error;
}

void ids_seed(struct ids *ids, uint32_t epoch)
{
	do {
		ids_random(ids->state, sizeof ids->state);
	} while (!(ids->state[0] | ids->state[1] | ids->state[2] | ids->state[3]));
	ids->epoch = epoch;
}

void ids_uuid(char ret_text[IDS_UUID_LENGTH + 1])
{
	static const uint8_t group_bytes[] = {4, 2, 2, 2, 6};
	uint8_t bytes[16], *from = bytes;
	char *at = ret_text;

	ids_random(bytes, sizeof bytes);
	bytes[6] = (bytes[6] & 0x0f) | 0x40; /* version 4 */
	bytes[8] = (bytes[8] & 0x3f) | 0x80; /* variant 1 */
	for (size_t i = 0; i < sizeof group_bytes; i++) {
		if (i)
			*at++ = '-';
		w3c_hex(from, group_bytes[i], at);
		at += 2 * group_bytes[i];
		from += group_bytes[i];
	}
	*at = '\0';
}
