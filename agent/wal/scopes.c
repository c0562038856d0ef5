#include "wal/scopes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/crc32c.h"

/* More in one segment is not a log of ours: a SCOPE frame takes 56 bytes. */
#define SCOPES_MAX (WAL_CHAIN_BYTES_MAX / 56)

void scopes_init(struct scopes *scopes)
{
	*scopes = (struct scopes){.bytes = BUF_INIT};
}

void scopes_fini(struct scopes *scopes)
{
	free(scopes->entries);
	free(scopes->slots);
	buf_fini(&scopes->bytes);
}

void scopes_forget(struct scopes *scopes)
{
	if (scopes->slots)
		memset(scopes->slots, 0, scopes->slot_count * sizeof *scopes->slots);
	scopes->count = 0;
	scopes->recent = 0;
	buf_reset(&scopes->bytes);
}

static void span_parts(const struct finished_span *span, struct bytes ret_parts[4])
{
	ret_parts[0] = span->resource;
	ret_parts[1] = span->resource_schema_url;
	ret_parts[2] = span->scope;
	ret_parts[3] = span->scope_schema_url;
}

static bool entry_equals(const struct scopes *scopes, uint32_t number,
			 const struct bytes parts[4])
{
	const struct scopes_entry *entry = &scopes->entries[number - 1];
	const uint8_t *at = scopes->bytes.at + entry->at;
	int i;

	for (i = 0; i < 4; i++) {
		if (!bytes_equal((struct bytes){at, entry->lengths[i]}, parts[i]))
			return false;
		at += entry->lengths[i];
	}
	return true;
}

static uint32_t parts_hash(const struct bytes parts[4])
{
	uint32_t hash = 0;
	int i;

	for (i = 0; i < 4; i++)
		hash = crc32c(hash + (uint32_t)parts[i].len, parts[i].at, parts[i].len);
	return hash;
}

uint32_t scopes_find(struct scopes *scopes, const struct finished_span *span)
{
	struct bytes parts[4];
	uint32_t hash, i, number;

	span_parts(span, parts);
	if (scopes->recent && entry_equals(scopes, scopes->recent, parts))
		return scopes->recent;
	if (!scopes->slot_count)
		return 0;
	hash = parts_hash(parts);
	for (i = hash & (scopes->slot_count - 1);; i = (i + 1) & (scopes->slot_count - 1)) {
		number = scopes->slots[i];
		if (!number)
			return 0;
		if (scopes->entries[number - 1].hash == hash &&
		    entry_equals(scopes, number, parts)) {
			scopes->recent = number;
			return number;
		}
	}
}

static void slot_put(struct scopes *scopes, uint32_t hash, uint32_t number)
{
	uint32_t i = hash & (scopes->slot_count - 1);

	while (scopes->slots[i])
		i = (i + 1) & (scopes->slot_count - 1);
	scopes->slots[i] = number;
}

static int slots_grow(struct scopes *scopes)
{
	uint32_t count = scopes->slot_count ? scopes->slot_count * 2 : 64, number;
	uint32_t *slots;

	if (scopes->count * 2 < scopes->slot_count)
		return 0;
	slots = calloc(count, sizeof *slots);
	if (!slots)
		return -ENOMEM;
	free(scopes->slots);
	scopes->slots = slots;
	scopes->slot_count = count;
	for (number = 1; number <= scopes->count; number++)
		slot_put(scopes, scopes->entries[number - 1].hash, number);
	return 0;
}

static int entries_reserve(struct scopes *scopes, uint32_t count)
{
	struct scopes_entry *entries;
	uint32_t cap = scopes->cap ? scopes->cap : 16;

	if (count <= scopes->cap)
		return 0;
	while (cap < count)
		cap *= 2;
	entries = realloc(scopes->entries, cap * sizeof *entries);
	if (!entries)
		return -ENOMEM;
	scopes->entries = entries;
	scopes->cap = cap;
	return 0;
}

static int bytes_reserve(struct scopes *scopes, size_t more)
{
	int r;

	/* One more, so that even nothing has an address. */
	r = buf_reserve(&scopes->bytes, more + 1);
	if (r < 0)
		scopes->bytes.failed = false; /* what it holds is whole */
	return r;
}

static size_t parts_bytes(const struct bytes parts[4])
{
	return parts[0].len + parts[1].len + parts[2].len + parts[3].len;
}

int scopes_reserve(struct scopes *scopes, const struct finished_span *span)
{
	struct bytes parts[4];
	int r;

	span_parts(span, parts);
	r = entries_reserve(scopes, scopes->count + 1);
	if (r == 0)
		r = slots_grow(scopes);
	if (r == 0)
		r = bytes_reserve(scopes, parts_bytes(parts));
	return r;
}

static void entry_fill(struct scopes *scopes, struct scopes_entry *entry, uint32_t number,
		       const struct bytes parts[4])
{
	int i;

	*entry = (struct scopes_entry){.number = number, .at = scopes->bytes.len};
	for (i = 0; i < 4; i++) {
		entry->lengths[i] = (uint32_t)parts[i].len;
		(void)buf_append(&scopes->bytes, parts[i].at, parts[i].len); /* reserved */
	}
}

int scopes_add(struct scopes *scopes, const struct finished_span *span)
{
	struct scopes_entry *entry;
	struct bytes parts[4];
	int r;

	r = scopes_reserve(scopes, span);
	if (r < 0)
		return r;
	span_parts(span, parts);
	entry = &scopes->entries[scopes->count++];
	entry_fill(scopes, entry, scopes->count, parts);
	entry->hash = parts_hash(parts);
	slot_put(scopes, entry->hash, entry->number);
	scopes->recent = entry->number;
	return 0;
}

static int scope_parts(struct bytes payload, struct wal_scope *ret_head,
		       struct bytes ret_parts[4])
{
	uint64_t left;
	int i;

	if (payload.len < sizeof *ret_head)
		return -EBADMSG;
	memcpy(ret_head, payload.at, sizeof *ret_head);
	ret_parts[0].len = ret_head->resource_length;
	ret_parts[1].len = ret_head->resource_schema_url_length;
	ret_parts[2].len = ret_head->scope_length;
	ret_parts[3].len = ret_head->scope_schema_url_length;
	payload.at += sizeof *ret_head;
	left = payload.len - sizeof *ret_head;
	for (i = 0; i < 4; i++) {
		if (ret_parts[i].len > left)
			return -EBADMSG;
		ret_parts[i].at = payload.at;
		payload.at += ret_parts[i].len;
		left -= ret_parts[i].len;
	}
	return left == 0 ? 0 : -EBADMSG;
}

int scopes_take(struct scopes *scopes, struct bytes payload)
{
	struct bytes parts[4];
	struct wal_scope head;
	int r;

	r = scope_parts(payload, &head, parts);
	if (r < 0)
		return r;
	if (head.number == 0 || head.number > SCOPES_MAX)
		return -EBADMSG;
	r = entries_reserve(scopes, head.number);
	if (r == 0)
		r = bytes_reserve(scopes, parts_bytes(parts));
	if (r < 0)
		return r;
	/* A damaged SCOPE frame leaves a hole, which must read as unknown. */
	while (scopes->count < head.number)
		scopes->entries[scopes->count++] = (struct scopes_entry){0};
	entry_fill(scopes, &scopes->entries[head.number - 1], head.number, parts);
	return 0;
}

int scopes_resolve(const struct scopes *scopes, uint32_t number, struct finished_span *span)
{
	static const struct scopes_entry none;
	const struct scopes_entry *entry = &none;
	const uint8_t *at = (const uint8_t *)"";
	struct bytes parts[4];
	int i;

	if (number - 1 < scopes->count)
		entry = &scopes->entries[number - 1];
	if (entry->number)
		at = scopes->bytes.at + entry->at;
	for (i = 0; i < 4; i++) {
		parts[i] = (struct bytes){at, entry->lengths[i]};
		at += entry->lengths[i];
	}
	span->resource = parts[0];
	span->resource_schema_url = parts[1];
	span->scope = parts[2];
	span->scope_schema_url = parts[3];
	return entry->number ? 0 : -ENOENT;
}
