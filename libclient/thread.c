#include "thread.h"

#include "blocks.h"
#include "client.h"
#include "writer.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The table: chunks that are made when first needed. */
#define CHUNK_THREADS 32u
#define CHUNKS_MAX 512u

THREAD_LOCAL struct thread *thread_self;

static _Atomic(struct thread *) chunks[CHUNKS_MAX];
static pthread_key_t exit_key;
static bool exit_key_made;

static struct thread *chunk_get(uint32_t index)
{
	struct thread *chunk, *expected = NULL;
	size_t bytes = CHUNK_THREADS * sizeof *chunk;

	/* H1: acquire, pairs with the release below. */
	chunk = atomic_load_explicit(&chunks[index], memory_order_acquire);
	if (chunk)
		return chunk;
	chunk = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (chunk == MAP_FAILED)
		return NULL;
	/* H1: release on success; acquire on failure, to use the winner's. */
	if (atomic_compare_exchange_strong_explicit(&chunks[index], &expected, chunk,
						    memory_order_acq_rel,
						    memory_order_acquire))
		return chunk;
	(void)munmap(chunk, bytes); /* our own: cannot fail */
	return expected;
}

static struct thread *take(void)
{
	for (uint32_t i = 0; i < CHUNKS_MAX; i++) {
		struct thread *chunk = chunk_get(i);

		if (!chunk)
			return NULL;
		for (uint32_t j = 0; j < CHUNK_THREADS; j++) {
			uint32_t untaken = 0;

			/* H2: acquire, pairs with the release in thread_leave():
			 * what its last owner left is ours to read. */
			if (atomic_compare_exchange_strong_explicit(
				    &chunk[j].taken, &untaken, 1, memory_order_acquire,
				    memory_order_relaxed))
				return &chunk[j];
		}
	}
	return NULL;
}

static void give_back(struct thread *thread)
{
	thread->epoch = 0;
	thread->stamp = 0;
	thread->depth = 0;
	thread->nested = 0;
	thread->block = NULL;
	thread->offset = thread->limit = thread->limit_of_ends = 0;
	/* H2: release, see take(). */
	atomic_store_explicit(&thread->taken, 0, memory_order_release);
}

/* The thread's destructor: closes its block, so that the agent need not wait
 * for more, and gives its reserve back. */
static void thread_leave(void *argument)
{
	struct thread *thread = argument;
	int error = errno;

	if (client_enter_thread(thread)) {
		writer_say_drops(thread);
		block_seal(thread);
		reserve_leave(thread);
		thread_write_end(thread);
	}
	if (thread_self == thread)
		thread_self = NULL;
	give_back(thread);
	errno = error;
}

int thread_init(void)
{
	int r;

	if (exit_key_made)
		return 0;
	r = pthread_key_create(&exit_key, thread_leave);
	if (r == 0)
		exit_key_made = true;
	return -r;
}

static struct thread *install(struct thread *fresh)
{
	fresh->tid = (uint32_t)syscall(SYS_gettid);
	fresh->pid = (uint32_t)getpid();
	if (exit_key_made)
		(void)pthread_setspecific(exit_key, fresh); /* at worst it is not told */
	return fresh;
}

struct thread *thread_get(void)
{
	struct thread *fresh, *none = NULL;
	int error = errno;

	if (thread_self)
		return thread_self;
	fresh = take();
	errno = error;
	if (!fresh)
		return NULL;
	/* An exchange, because a signal handler may have come in between.
	 * Relaxed: this thread alone. */
	if (!__atomic_compare_exchange_n(&thread_self, &none, fresh, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED)) {
		give_back(fresh);
		return none;
	}
	install(fresh);
	errno = error;
	return fresh;
}

struct thread *thread_replace(struct thread *abandoned)
{
	int error = errno;
	struct thread *fresh = take();

	if (fresh) {
		fresh->depth = abandoned->depth;
		memcpy(fresh->stack, abandoned->stack, sizeof fresh->stack);
		atomic_signal_fence(memory_order_seq_cst);
		thread_self = fresh;
		install(fresh);
	}
	errno = error;
	return fresh;
}

struct thread *thread_borrow(void)
{
	int error = errno;
	struct thread *fresh = take();

	if (fresh) {
		fresh->tid = (uint32_t)syscall(SYS_gettid);
		fresh->pid = (uint32_t)getpid();
	}
	errno = error;
	return fresh;
}

void thread_return(struct thread *thread)
{
	give_back(thread);
}

void thread_each(void (*each)(struct thread *thread, void *argument), void *argument)
{
	for (uint32_t i = 0; i < CHUNKS_MAX; i++) {
		struct thread *chunk =
			atomic_load_explicit(&chunks[i], memory_order_acquire); /* H1 */

		for (uint32_t j = 0; chunk && j < CHUNK_THREADS; j++)
			/* H2: what `each` reads is atomic itself. */
			if (atomic_load_explicit(&chunk[j].taken, memory_order_acquire))
				each(&chunk[j], argument);
	}
}

static void free_strangers(struct thread *thread, void *argument)
{
	uint32_t pid = (uint32_t)getpid();

	(void)argument;
	if (thread == thread_self) {
		thread->pid = pid;
		thread->tid = (uint32_t)syscall(SYS_gettid);
	} else if (thread->pid != pid) {
		/* Its thread did not come along; a write of it never ends. */
		thread_write_end(thread);
		give_back(thread);
	}
}

void thread_after_fork(void)
{
	thread_each(free_strangers, NULL);
}
