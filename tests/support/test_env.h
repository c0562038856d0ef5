/* A world for tests: real files and sockets, a clock that stands still until
 * the test moves it, and randomness from a seed.
 *
 * wait() lets real descriptors become ready for at most `patience_ms` of real
 * time (so a server of another process can answer) and never moves the clock.
 * Name resolution and syncs are done at once and reported by the next wait(). */
#ifndef SUPPORT_TEST_ENV_H
#define SUPPORT_TEST_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "base/env.h"

#define TEST_ENV_WATCHES 1024

struct test_env_watch {
	env_watch_fn *fn;
	void *arg;
};

struct test_env_later;

struct test_env {
	struct env env; /* first: a `struct env *` is a `struct test_env *` */
	uint64_t mono_ns;
	uint64_t boot_ns;
	uint64_t wall_ns;
	uint64_t ticks;
	uint64_t seed;
	int epoll;
	int patience_ms;
	struct test_env_watch watches[TEST_ENV_WATCHES]; /* by descriptor */
	struct test_env_later *later;

	/* Faults: the next so many connects fail with this -errno. */
	int connect_failures, connect_error;
	int accept_failures, accept_error; /* the same of accepts */
	/* What every name has, where there are any. */
	struct env_address addresses[ENV_ADDRESSES_MAX];
	unsigned address_count;
	/* Seen by the test. */
	unsigned connects, accepts, sends;
	uint64_t sent_bytes;
};

/* 0 or -errno. The clock starts at 1,000 s, the wall at 2026-01-01. */
int test_env_init(struct test_env *env);
void test_env_fini(struct test_env *env);

/* Moves all clocks. */
void test_env_advance(struct test_env *env, uint64_t ns);
void test_env_advance_ms(struct test_env *env, uint64_t ms);

#endif
