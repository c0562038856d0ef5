/* Random identities: of traces, spans, rings and service instances.
 *
 * Each thread has its own generator (xoshiro256**), so an id costs a few
 * instructions and no system call. It is seeded by getrandom() when first
 * used, and again whenever the caller's epoch differs from the one it was
 * seeded in: a child must not repeat its parent's ids after fork, so the
 * client changes the epoch there. Epoch 0 is "never seeded"; a generator that
 * is all zero needs no initialisation.
 *
 * A generator may be used by its own thread only, and not by a signal handler
 * that interrupted it there: the client's in-write guard sees to that.
 *
 * The rightmost seven bytes of a trace id are as random as the rest, which is
 * what Level 2 of W3C Trace Context demands of whoever sets its random flag;
 * setting the flag is left to the caller. */
#ifndef LIBCLIENT_IDS_H
#define LIBCLIENT_IDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ids {
	uint64_t state[4];
	uint32_t epoch;
};

/* Fills the generator anew. Never fails: where the kernel has no randomness to
 * give, clocks, process id and the auxiliary vector's random bytes stand in. */
void ids_seed(struct ids *ids, uint32_t epoch);

/* Random bytes straight from the kernel, or its stand-in. For what is made
 * once per process; costs a system call. Keeps errno. */
void ids_random(void *ret_bytes, size_t count);

#define IDS_UUID_LENGTH 36u

/* A random (version 4) UUID as lower-case text with an ending NUL. */
void ids_uuid(char ret_text[IDS_UUID_LENGTH + 1]);

static inline uint64_t ids_rotate(uint64_t word, int left)
{
	return word << left | word >> (64 - left);
}

static inline uint64_t ids_next(struct ids *ids)
{
	uint64_t *s = ids->state;
	uint64_t result = ids_rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = ids_rotate(s[3], 45);
	return result;
}

/* A span's id; never zero. `epoch` must not be 0. */
static inline void ids_span(struct ids *ids, uint32_t epoch, uint8_t ret_id[8])
{
	uint64_t word;

	if (__builtin_expect(ids->epoch != epoch, 0))
		ids_seed(ids, epoch);
	do {
		word = ids_next(ids);
	} while (__builtin_expect(word == 0, 0));
	memcpy(ret_id, &word, 8);
}

/* A trace's id; neither half is zero, hence nor is the whole. */
static inline void ids_trace(struct ids *ids, uint32_t epoch, uint8_t ret_id[16])
{
	ids_span(ids, epoch, ret_id);
	ids_span(ids, epoch, ret_id + 8);
}

#endif
