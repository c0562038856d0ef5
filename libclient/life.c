#include "life.h"

#include "clock.h"
#include "directory.h"
#include "linux_numbers.h"
#include "pin.h"
#include "process_exit.h"
#include "scope.h"
#include "span_limits.h"
#include "writer.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long shutdown waits for calls of other threads to return. */
#define QUIET_TRIES 50
#define QUIET_STEP_NS 1000000

#define LOOK_AGAIN_NS UINT64_C(5000000000)

/* Labels of this file. G1: the phase. G2: the ring's address. G3: the epoch.
 * D1: the handshake of life_hold() with life_end(). */

static _Atomic uint32_t no_epoch;
_Atomic uint32_t *client_epoch = &no_epoch;

struct life_report life_report = {.reason = SPANRING_REASON_NOT_INITIALISED};
struct life_options life_options;

static _Atomic uint32_t phase_word;
static _Atomic(struct ring *) ring_now;
static _Atomic uint32_t holders;
static uint32_t epochs; /* given out; under the lock */
static _Atomic uint64_t look_again_ns;

enum life_phase life_phase(void)
{
	/* G1: acquire, pairs with the release below. */
	return (enum life_phase)atomic_load_explicit(&phase_word, memory_order_acquire);
}

void life_set_phase(enum life_phase phase)
{
	atomic_store_explicit(&phase_word, phase, memory_order_release); /* G1 */
	/* Read by the header's inline check without order: late is fine. */
	__atomic_store_n(&spanring_tracing, phase == LIFE_ON || phase == LIFE_LOOKING,
			 __ATOMIC_RELAXED);
}

/* ---- the epoch's page ------------------------------------------------------ */

/* The thread that forked may do so in a signal handler, in the middle of a write
 * that goes on in the child when the handler returns. */
static void forget_epoch_in_child(void)
{
	/* Relaxed, both: the child has one thread. */
	struct ring *ring = atomic_load_explicit(&ring_now, memory_order_relaxed);

	atomic_store_explicit(client_epoch, 0, memory_order_relaxed);
	if (ring && thread_self && thread_writing(thread_self) && thread_self->ring == ring)
		ring_stand_in(ring);
}

int life_prepare(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at;
	int r;

	if (client_epoch != &no_epoch)
		return 0;
	pin_ourselves();
	r = thread_init();
	if (r < 0)
		return r;
	at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	/* fork() wipes the page. Kernels before 4.14 do not, and there only the
	 * children of the C library's own fork() are told from their parent. */
	(void)madvise(at, page, MADV_WIPEONFORK);
	r = pthread_atfork(NULL, NULL, forget_epoch_in_child);
	if (r) {
		(void)munmap(at, page); /* our own: cannot fail */
		return -r;
	}
	client_epoch = at;
	return 0;
}

/* ---- beginning ------------------------------------------------------------- */

static enum spanring_reason reason_of(int error)
{
	switch (error) {
	case -ENOENT:
		return SPANRING_REASON_NO_DIRECTORY;
	case -EPERM:
		return SPANRING_REASON_UNTRUSTED;
	case -EACCES:
	case -EROFS:
		return SPANRING_REASON_NOT_WRITABLE;
	case -EFBIG:
	case -ENOSPC:
	case -EFAULT:
	case -EDQUOT:
		return SPANRING_REASON_NO_SPACE;
	case -ENOMEM:
		return SPANRING_REASON_NO_MEMORY;
	default:
		return SPANRING_REASON_SYSTEM;
	}
}

static void report_path(const char *path)
{
	size_t length = strlen(path);

	memcpy(life_report.path, path, length + 1);
}

/* What somebody has decided, and must decide anew; the rest is a moment's
 * trouble: a directory not made yet, no descriptor, memory or space left. */
static bool is_for_good(int error)
{
	switch (error) {
	case -EPERM:
	case -EACCES:
	case -EROFS:
	case -ENOTDIR:
	case -ELOOP:
	case -ENAMETOOLONG:
	case -EINVAL:
		return true;
	default:
		return false;
	}
}

int life_fail(int r)
{
	life_report.reason = reason_of(r);
	life_report.error = -r;
	if (r != -ENOENT)
		client_report(-r, spanring_reason_text(life_report.reason));
	if (is_for_good(r)) {
		life_set_phase(LIFE_OFF);
		return r == -EACCES || r == -EROFS ? -EPERM : r;
	}
	/* Relaxed: see life_look_is_due(). */
	atomic_store_explicit(&look_again_ns, clock_ns(CLOCK_MONOTONIC) + LOOK_AGAIN_NS,
			      memory_order_relaxed);
	life_set_phase(LIFE_LOOKING);
	return r;
}

static int make_ring(struct ring **ret_ring)
{
	struct directory directory = {.fd = -1};
	int r;

	r = directory_open(&directory, life_options.directory);
	report_path(directory.path);
	if (r < 0)
		return r;
	r = ring_new(ret_ring, &directory, &life_options.ring);
	(void)close(directory.fd); /* O_PATH: nothing to lose */
	if (r == 0)
		report_path((*ret_ring)->path);
	return r;
}

static int write_resource_record(struct thread *thread, const uint8_t *entries, size_t bytes)
{
	const char *url = life_options.resource_schema_url;
	struct wire_resource record = {.schema_url_length = url ? (uint32_t)strlen(url) : 0};
	uint64_t length = sizeof record + (uint64_t)record.schema_url_length + bytes;
	struct writer writer;
	int r;

	r = writer_begin(&writer, thread, length);
	if (r < 0)
		return r;
	record.head = record_make_head(WIRE_RESOURCE, (uint32_t)length, 0, 0);
	writer_put(&writer, &record, sizeof record);
	if (record.schema_url_length)
		writer_put(&writer, url, record.schema_url_length);
	if (bytes)
		writer_put(&writer, entries, bytes);
	writer_end(&writer);
	writer_commit(thread);
	return 0;
}

/* Without a ring that has room for them there are no spans either. */
static int write_limits(struct thread *thread)
{
	struct wire_limits record = {
		.head = record_make_head(WIRE_LIMITS, sizeof record, 0, 0),
		.attributes = client_limits.attributes,
		.events = client_limits.events,
		.links = client_limits.links,
	};
	struct writer writer;
	int r = writer_begin(&writer, thread, sizeof record);

	if (r < 0)
		return r;
	writer_put(&writer, &record, sizeof record);
	writer_end(&writer);
	writer_commit(thread);
	return 0;
}

static int write_resource(struct thread *thread)
{
	size_t size = resource_bytes_max(&life_options.resource);
	uint8_t *buffer = mmap(NULL, size + 1, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int64_t bytes;
	int r;

	if (buffer == MAP_FAILED)
		return -ENOMEM;
	bytes = resource_build(&life_options.resource, buffer, size);
	r = bytes < 0 ? (int)bytes : write_resource_record(thread, buffer, (size_t)bytes);
	(void)munmap(buffer, size + 1); /* our own: cannot fail */
	return r;
}

/* A parent's ring is not mapped here; only our notes of it are. */
static void leave_parent(void)
{
	/* Relaxed, all: a child begins with one thread, and is under the lock. */
	struct ring *old = atomic_load_explicit(&ring_now, memory_order_relaxed);

	if (!old)
		return;
	atomic_store_explicit(&ring_now, NULL, memory_order_relaxed);
	atomic_store_explicit(&holders, 0, memory_order_relaxed);
	thread_after_fork();
	ring_forget(old);
}

bool life_look_is_due(void)
{
	/* Relaxed: a wish to look early or late by one call. */
	return clock_ns(CLOCK_MONOTONIC_COARSE) >=
	       atomic_load_explicit(&look_again_ns, memory_order_relaxed);
}

int life_begin(struct thread *thread)
{
	int error = errno, r;
	struct ring *ring;

	leave_parent();
	r = make_ring(&ring);
	if (r < 0) {
		r = life_fail(r);
		errno = error;
		return r;
	}
	/* G2: release, pairs with life_hold()'s and life_join()'s. */
	atomic_store_explicit(&ring_now, ring, memory_order_release);
	epochs += CLIENT_EPOCH_STEP;
	if (!epochs)
		epochs = CLIENT_EPOCH_STEP;
	(void)life_join(thread, epochs); /* the ring was stored above */
	r = write_resource(thread);
	if (r == 0)
		r = write_limits(thread);
	if (r < 0)
		writer_count(thread, r);
	scope_write_all(thread);
	ring_look_for_agent(ring, false);
	life_report.reason = SPANRING_REASON_ON;
	life_report.error = 0;
	/* G3: release, pairs with the acquire in the slow gates: a thread that
	 * sees the epoch there sees the ring. */
	atomic_store_explicit(client_epoch, epochs, memory_order_release);
	life_set_phase(LIFE_ON);
	errno = error;
	return 0;
}

bool life_join(struct thread *thread, uint32_t epoch)
{
	struct ring *ring = atomic_load_explicit(&ring_now, memory_order_acquire); /* G2 */

	/* Shut down since the epoch was read. What is not taken away yet stays
	 * until this thread, which says that it is writing, is done. */
	if (!ring)
		return false;
	life_join_ring(thread, ring, epoch);
	return true;
}

void life_join_ring(struct thread *thread, struct ring *ring, uint32_t epoch)
{
	thread->ring = ring;
	/* Relaxed: it hands out numbers. */
	thread->number = atomic_fetch_add_explicit(&ring->threads, 1, memory_order_relaxed) + 1;
	thread->block = NULL;
	thread->line = NULL;
	thread->claimed = thread->chain_blocks = 0;
	thread->offset = thread->limit = thread->limit_of_ends = 0;
	thread->records = 0;
	thread->blocks = 0;
	thread->credit = 0;
	memset(&thread->drop, 0, sizeof thread->drop);
	thread->epoch = epoch;
	/* Threads beyond what a stamp can tell apart count as one; then no
	 * span is known to be its thread's own. */
	thread->stamp = epoch | (thread->number < CLIENT_EPOCH_STEP ? thread->number
								    : CLIENT_EPOCH_STEP - 1);
	if (thread->number >= CLIENT_EPOCH_STEP - 1)
		ring_share(ring);
}

/* ---- ending ---------------------------------------------------------------- */

/* D1, Dekker's handshake with life_end(): a holder says so before it looks at the
 * ring, life_end() takes the ring away before it looks for holders. Both need
 * one order of all four accesses, hence seq_cst. */
struct ring *life_hold(void)
{
	atomic_fetch_add_explicit(&holders, 1, memory_order_seq_cst);
	/* In a child the ring is the parent's until there is an epoch. */
	if (!client_epoch_now())
		return NULL;
	return atomic_load_explicit(&ring_now, memory_order_seq_cst); /* D1 */
}

void life_release(void)
{
	/* D1: release; life_end() sees what we did as done. */
	atomic_fetch_sub_explicit(&holders, 1, memory_order_release);
}

struct ring *client_ring(void)
{
	/* G2: acquire. */
	return client_epoch_now() ? atomic_load_explicit(&ring_now, memory_order_acquire)
				  : NULL;
}

static void count_writing(struct thread *thread, void *argument)
{
	uint32_t *count = argument;

	if (thread_writing(thread))
		++*count;
}

/* After the barrier every thread either says that it is writing or will find
 * the gate shut. */
static bool shut_for_all(void)
{
	return syscall(SYS_membarrier, LINUX_MEMBARRIER_GLOBAL, 0, 0) == 0;
}

static bool is_quiet(bool shut)
{
	const struct timespec step = {.tv_nsec = QUIET_STEP_NS};

	/* Where there is no barrier, time must do: no store waits that long to be
	 * seen. Enough for a word in the ring, not for taking it away. */
	if (!shut)
		(void)nanosleep(&step, NULL); /* cut short is fine */
	thread_reap();
	for (int i = 0; i < QUIET_TRIES; i++) {
		uint32_t busy = atomic_load_explicit(&holders, memory_order_seq_cst); /* D1 */

		thread_each(count_writing, &busy);
		if (busy == 0)
			return true;
		(void)nanosleep(&step, NULL); /* cut short is fine */
	}
	return false;
}

void life_end(void)
{
	/* Relaxed: under the lock. */
	struct ring *ring = atomic_load_explicit(&ring_now, memory_order_relaxed);
	uint32_t epoch = client_epoch_now();
	bool shut, quiet;
	int error = errno;

	life_set_phase(LIFE_SHUT_DOWN);
	/* D1. */
	atomic_store_explicit(client_epoch, 0, memory_order_seq_cst);
	atomic_store_explicit(&ring_now, NULL, memory_order_seq_cst);
	life_report.reason = SPANRING_REASON_SHUT_DOWN;
	life_report.error = 0;
	shut = ring && shut_for_all();
	quiet = ring && is_quiet(shut);
	/* The agent reads nothing that comes behind it, so it is the last word.
	 * Where somebody is still in a call the ring stays mapped, locked and
	 * unfinished as long as the process lives: what that call accepts counts. */
	if (quiet && epoch)
		(void)process_end_write(ring, epoch, WIRE_PROCESS_SHUTDOWN,
					-1); /* counted there */
	if (quiet && shut)
		ring_unmap(ring);
	errno = error;
}
