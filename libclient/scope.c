#include "scope.h"

#include "attributes.h"
#include "client.h"
#include "lock.h"

#include <sys/mman.h>

/* Records one after the other, each padded. Grows only; `used` is what may be
 * read without the lock. */
static uint8_t *records;
static _Atomic uint32_t used;
static uint32_t count_known;
static struct lock scope_lock;

static int write_one(struct thread *thread, const uint8_t *record)
{
	uint32_t length = record_head(record).length;
	struct writer writer;
	int r = writer_begin(&writer, thread, length);

	if (r < 0)
		return r;
	writer_put(&writer, record, length);
	writer_end(&writer);
	writer_commit(thread);
	return 0;
}

void scope_write_all(struct thread *thread)
{
	/* S2: acquire, pairs with the release in keep(). */
	uint32_t end = atomic_load_explicit(&used, memory_order_acquire);

	for (uint32_t at = 0; at < end;) {
		int r = write_one(thread, records + at);

		if (r < 0)
			writer_count(thread, r);
		at += record_padded(record_head(records + at).length);
	}
}

static bool text_equals(struct record_text text, const char *other)
{
	size_t length = other ? strlen(other) : 0;

	return text.length == length && (!length || memcmp(text.at, other, length) == 0);
}

static int find(const char *name, const char *version, const char *schema_url)
{
	uint32_t end = atomic_load_explicit(&used, memory_order_acquire); /* S2 */

	for (uint32_t at = 0; at < end;) {
		struct record_scope scope = record_get_scope(records + at);

		if (text_equals(scope.name, name) && text_equals(scope.version, version) &&
		    text_equals(scope.schema_url, schema_url))
			return (int)scope.fixed.number;
		at += record_padded(scope.fixed.head.length);
	}
	return 0;
}

static void put_text(struct writer *writer, const char *text, size_t length)
{
	if (length)
		writer_put(writer, text, length);
}

/* Under the lock. Returns the number; *ret_record is its record. */
static int keep(const char *name, const char *version, const char *schema_url,
		const struct spanring_attribute *attributes, size_t count,
		const uint8_t **ret_record)
{
	/* Relaxed: under the lock. */
	uint32_t at = atomic_load_explicit(&used, memory_order_relaxed);
	struct wire_scope scope = {
		.number = count_known + 1,
		.name_length = (uint32_t)strlen(name),
		.version_length = version ? (uint32_t)strlen(version) : 0,
		.schema_url_length = schema_url ? (uint32_t)strlen(schema_url) : 0,
	};
	struct writer writer = {.left = 0};
	uint64_t length;
	int error;

	length = sizeof scope + (uint64_t)scope.name_length + scope.version_length +
		 scope.schema_url_length +
		 attributes_entries_bytes(attributes, count, SPAN_LIMITS_NONE, &scope.dropped_attributes, &error);
	if (length > SCOPE_BYTES_MAX - WIRE_RECORD_ALIGN - at)
		return -ENOSPC;
	if (!records) {
		void *memory = mmap(NULL, SCOPE_BYTES_MAX, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return -ENOMEM;
		records = memory;
	}
	scope.head = record_make_head(WIRE_SCOPE, (uint32_t)length, 0, 0);
	writer.at = records + at;
	writer.end = writer.at + length;
	writer_put(&writer, &scope, sizeof scope);
	put_text(&writer, name, scope.name_length);
	put_text(&writer, version, scope.version_length);
	put_text(&writer, schema_url, scope.schema_url_length);
	attributes_write_entries(&writer, attributes, count, SPAN_LIMITS_NONE);
	*ret_record = records + at;
	count_known++;
	/* S2: release; a ring made from here on knows the scope. */
	atomic_store_explicit(&used, at + record_padded((uint32_t)length), memory_order_release);
	return (int)count_known;
}

/* Into the ring that is on; a later one gets it from the list. */
static void say(const uint8_t *record)
{
	struct thread *thread;
	int r;

	if (!client_epoch_now() || client_enter_start(&thread) < 0)
		return;
	r = write_one(thread, record);
	if (r < 0)
		writer_count(thread, r);
	thread_write_end(thread);
}

int spanring_scope_new_with(const char *name, const char *version, const char *schema_url,
			    const struct spanring_attribute *attributes, size_t count)
{
	const uint8_t *record = NULL;
	int error = errno, number;

	if (!name || !*name || strlen(name) > SCOPE_BYTES_MAX)
		return -EINVAL;
	number = lock_take(&scope_lock);
	if (number < 0)
		return number;
	number = find(name, version, schema_url);
	if (number == 0)
		number = keep(name, version, schema_url, attributes, count, &record);
	lock_give(&scope_lock);
	if (record)
		say(record);
	errno = error;
	return number;
}

int spanring_scope_new(const char *name, const char *version)
{
	return spanring_scope_new_with(name, version, NULL, NULL, 0);
}
