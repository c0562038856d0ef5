/* Loaded in front of the agent's libraries (LD_PRELOAD): allocations fail.
 * SPANRING_TEST_MEMORY="NTH,TIMES": from the NTH on, TIMES of them, or until a large
 * block is given back, which is memory for the others. How many there were is written
 * to the file SPANRING_TEST_ALLOCATIONS at the end. */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *at, size_t size);
extern void __libc_free(void *at);

#define LARGE_BYTES (1u << 20)

static _Atomic unsigned long count;
static unsigned long nth, times;
static atomic_bool relieved;

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("SPANRING_TEST_MEMORY");

	if (text && sscanf(text, "%lu,%lu", &nth, &times) != 2)
		abort();
	atomic_store(&count, 0);
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("SPANRING_TEST_ALLOCATIONS");
	FILE *file = path ? fopen(path, "we") : NULL;

	if (!file)
		return;
	(void)fprintf(file, "%lu\n", atomic_load(&count));
	(void)fclose(file);
}

static int fails(void)
{
	unsigned long n = atomic_fetch_add(&count, 1) + 1;

	if (!nth || n < nth || n - nth >= times || atomic_load(&relieved))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *at, size_t size)
{
	return fails() ? NULL : __libc_realloc(at, size);
}

void *reallocarray(void *at, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails() ? NULL : __libc_realloc(at, bytes);
}

void free(void *at)
{
	if (at && malloc_usable_size(at) >= LARGE_BYTES && nth && atomic_load(&count) >= nth)
		atomic_store(&relieved, true);
	__libc_free(at);
}
