/* Preloaded into a benchmark: counts the calls of the allocator and says how
 * many at exit, on standard error. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *at, size_t size);

static _Atomic unsigned long calls;

void *malloc(size_t size)
{
	calls++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	calls++;
	return __libc_calloc(count, size);
}

void *realloc(void *at, size_t size)
{
	calls++;
	return __libc_realloc(at, size);
}

__attribute__((destructor)) static void say(void)
{
	(void)fprintf(stderr, "allocations %lu\n", calls);
}
