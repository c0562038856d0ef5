#include "thread.h"

#include "blocks.h"
#include "client.h"
#include "clock.h"
#include "life.h"
#include "writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The table: chunks that are made when first needed. */
#define CHUNK_THREADS 32u
#define CHUNKS_MAX 512u

#define REAP_INTERVAL_NS UINT64_C(100000000)

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

static struct thread *take_of(struct thread *chunk)
{
	for (uint32_t j = 0; j < CHUNK_THREADS; j++) {
		uint32_t untaken = 0;

		/* H2: acquire, pairs with the release in give_back(): what its
		 * last owner left is ours to read. */
		if (atomic_compare_exchange_strong_explicit(&chunk[j].taken, &untaken, 1,
							    memory_order_acquire,
							    memory_order_relaxed))
			return &chunk[j];
	}
	return NULL;
}

static struct thread *take_made(void)
{
	for (uint32_t i = 0; i < CHUNKS_MAX; i++) {
		struct thread *chunk =
			atomic_load_explicit(&chunks[i], memory_order_acquire); /* H1 */
		struct thread *thread = chunk ? take_of(chunk) : NULL;

		if (thread)
			return thread;
	}
	return NULL;
}

/* Before the table grows, what nobody needs any more is looked for. */
static struct thread *take(void)
{
	struct thread *thread = take_made(), *chunk;

	if (!thread) {
		thread_reap();
		thread = take_made();
	}
	for (uint32_t i = 0; i < CHUNKS_MAX && !thread; i++) {
		chunk = chunk_get(i);
		if (!chunk)
			return NULL;
		thread = take_of(chunk);
	}
	return thread;
}

static void give_back(struct thread *thread)
{
	thread->epoch = 0;
	thread->stamp = 0;
	thread->depth = 0;
	thread->nested = 0;
	thread->block = NULL;
	thread->line = NULL;
	thread->offset = thread->limit = thread->limit_of_ends = 0;
	thread->claimed = thread->chain_blocks = 0;
	thread_write_end(thread);
	/* Relaxed: H2 orders it; whose thread it is, is not known again before
	 * the next owner says so. */
	atomic_store_explicit(&thread->tid, 0, memory_order_relaxed);
	/* H2: release, see take(). */
	atomic_store_explicit(&thread->taken, 0, memory_order_release);
}

/* For a thread that will not write any more and may have been in a write: what
 * it had committed stays said, what it had claimed is free again. */
static void abandon(struct thread *thread)
{
	struct ring *ring = life_hold();

	if (ring && thread->ring == ring && thread->epoch == client_epoch_now()) {
		block_abandon(thread);
		reserve_leave(thread);
	}
	life_release();
}

/* The thread's destructor: closes its block, so that the agent need not wait
 * for more, and gives its reserve back. It was in a write if it was cancelled
 * there, or left from a signal handler. */
static void thread_leave(void *argument)
{
	struct thread *thread = argument;
	int error = errno;

	if (client_enter_thread(thread)) {
		writer_say_drops(thread);
		block_seal(thread);
		reserve_leave(thread);
		thread_write_end(thread);
	} else if (thread_writing(thread)) {
		abandon(thread);
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

/* T4: the thread is known from the release of its tid on; who reaps loads it
 * with acquire. */
static void name_owner(struct thread *thread)
{
	atomic_store_explicit(&thread->pid, (uint32_t)getpid(), memory_order_relaxed);
	atomic_store_explicit(&thread->tid, (uint32_t)syscall(SYS_gettid),
			      memory_order_release);
}

static struct thread *install(struct thread *fresh)
{
	name_owner(fresh);
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

	if (fresh)
		name_owner(fresh);
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

/* ---- reaping --------------------------------------------------------------- */

static _Atomic uint32_t reaping;
static _Atomic uint64_t reap_due_ns;

/* Relaxed: T4 ordered it before the tid. */
static uint32_t pid_of(const struct thread *thread)
{
	return atomic_load_explicit(&thread->pid, memory_order_relaxed);
}

/* The kernel forgets a thread's number only after its last instruction. Where
 * another thread got the number, it is asked for again later. */
static bool is_over(const struct thread *thread, uint32_t pid)
{
	uint32_t tid = atomic_load_explicit(&thread->tid, memory_order_acquire); /* T4 */

	return tid && pid_of(thread) == pid && syscall(SYS_tgkill, pid, tid, 0) < 0 &&
	       errno == ESRCH;
}

static void reap_one(struct thread *thread, void *argument)
{
	const uint32_t *pid = argument;

	if (!is_over(thread, *pid))
		return;
	abandon(thread);
	give_back(thread);
}

void thread_reap(void)
{
	uint32_t pid = (uint32_t)getpid();
	int error = errno;

	/* One at a time: what is over is nobody's, and two would share it. N1:
	 * acquire, pairs with the release. */
	if (atomic_exchange_explicit(&reaping, 1, memory_order_acquire))
		return;
	thread_each(reap_one, &pid);
	atomic_store_explicit(&reaping, 0, memory_order_release); /* N1 */
	errno = error;
}

void thread_reap_at_times(void)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
	/* Relaxed: it only paces us; the exchange lets one thread through. */
	uint64_t due = atomic_load_explicit(&reap_due_ns, memory_order_relaxed);

	if (now >= due && atomic_compare_exchange_strong_explicit(
				  &reap_due_ns, &due, now + REAP_INTERVAL_NS,
				  memory_order_relaxed, memory_order_relaxed))
		thread_reap();
}

/* ---- in a child -------------------------------------------------------------- */

static void free_strangers(struct thread *thread, void *argument)
{
	(void)argument;
	if (thread == thread_self)
		name_owner(thread);
	else if (pid_of(thread) != (uint32_t)getpid())
		give_back(thread); /* its thread did not come along */
}

void thread_after_fork(void)
{
	/* Relaxed: whoever was reaping did not come along. */
	atomic_store_explicit(&reaping, 0, memory_order_relaxed);
	thread_each(free_strangers, NULL);
}
