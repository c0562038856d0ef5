#include "assemble/source.h"

#include <errno.h>
#include <stdlib.h>

#include "otlp/encode.h"
#include "wire/record.h"

struct source *source_new(const uint8_t instance[16], uint64_t seed)
{
	struct source *source = calloc(1, sizeof *source);

	if (!source)
		return NULL;
	memcpy(source->instance, instance, 16);
	source->ring = SOURCE_NO_RING;
	map_init(&source->spans, 8, seed);
	map_init(&source->scopes, 8, seed);
	list_init(&source->among_gone);
	list_init(&source->ended);
	list_init(&source->ended_before);
	list_init(&source->parked);
	list_init(&source->parked_before);
	return source;
}

static void scope_free(struct source_scope *scope)
{
	buf_fini(&scope->record);
	buf_fini(&scope->encoded);
	free(scope);
}

void source_free(struct source *source)
{
	size_t at = 0;
	void *scope;

	while (map_next(&source->scopes, &at, &scope))
		scope_free(scope);
	list_unlink(&source->among_gone);
	map_fini(&source->scopes);
	map_fini(&source->spans);
	buf_fini(&source->resource_record);
	buf_fini(&source->resource);
	free(source);
}

void source_identify(struct source *source, const struct clock *clock,
		     const struct ring_identity *identity)
{
	/* The clock was worked out when the ring was first seen; doing it again
	 * could only bend the times of spans that are already open. */
	if (source->identified)
		return;
	source->identity = *identity;
	source->resource_encoded = false; /* it says whose the ring is */
	source_clock_init(&source->clock, clock, identity);
	source->identified = true;
}

/* The record with its padding, so that several can stand behind each other. */
static int keep_record(struct buf *out, const uint8_t *record)
{
	static const uint8_t zero[WIRE_RECORD_ALIGN];
	uint32_t length = record_head(record).length;

	buf_reset(out);
	if (buf_append(out, record, length) < 0)
		return -ENOMEM;
	return buf_append(out, zero, record_padded(length) - length);
}

int source_set_resource(struct source *source, const uint8_t *record)
{
	source->resource_encoded = false;
	return keep_record(&source->resource_record, record);
}

int source_set_scope(struct source *source, const uint8_t *record)
{
	uint64_t number = record_get_scope(record).fixed.number;
	struct source_scope *scope = map_get(&source->scopes, &number);
	int r;

	if (!scope) {
		scope = calloc(1, sizeof *scope);
		if (!scope)
			return -ENOMEM;
		scope->number = number;
		if (map_put(&source->scopes, &number, scope) < 0) {
			free(scope);
			return -ENOMEM;
		}
	}
	buf_reset(&scope->encoded);
	source->scopes_bytes -= scope->record.len;
	r = keep_record(&scope->record, record);
	source->scopes_bytes += scope->record.len;
	return r;
}

static struct otlp_owner owner_of(const struct source *source)
{
	const struct ring_identity *identity = &source->identity;

	return (struct otlp_owner){
		.uid_known = identity->known & RING_UID_KNOWN,
		.pid_known = identity->known & RING_PID_KNOWN,
		.uid = identity->uid,
		.pid = identity->pid,
	};
}

void source_set_limits(struct source *source, const uint8_t *record)
{
	memcpy(&source->limits, record, sizeof source->limits);
	source->limits.head = record_make_head(WIRE_LIMITS, sizeof source->limits, 0, 0);
}

int source_resource(struct source *source, struct bytes *ret_resource,
		    struct bytes *ret_schema_url)
{
	struct otlp_owner owner = owner_of(source);
	const struct buf *record = &source->resource_record;
	int r = 0;

	if (!source->resource_encoded) {
		buf_reset(&source->resource);
		source->resource_schema_url = (struct bytes){NULL, 0};
		r = otlp_encode_resource(&source->resource, record->len ? record->at : NULL,
					 &owner, &source->resource_schema_url);
		if (r < 0)
			return r;
		source->resource_encoded = true;
	}
	*ret_resource = buf_bytes(&source->resource);
	*ret_schema_url = source->resource_schema_url;
	return r;
}

int source_scope(struct source *source, uint32_t number, struct bytes *ret_scope,
		 struct bytes *ret_schema_url)
{
	uint64_t key = number;
	struct source_scope *scope = number ? map_get(&source->scopes, &key) : NULL;
	int r = 0;

	if (!scope || !scope->record.len) {
		*ret_scope = (struct bytes){NULL, 0};
		*ret_schema_url = (struct bytes){NULL, 0};
		return 0;
	}
	if (!scope->encoded.len) {
		r = otlp_encode_scope(&scope->encoded, scope->record.at, &scope->schema_url);
		if (r < 0)
			return r;
	}
	*ret_scope = buf_bytes(&scope->encoded);
	*ret_schema_url = scope->schema_url;
	return r;
}

struct bytes source_service(const struct source *source)
{
	static const char key[] = "service.name";
	struct record_resource resource;
	struct record_entry entry;
	const uint8_t *at;

	if (!source->resource_record.len)
		return (struct bytes){NULL, 0};
	resource = record_get_resource(source->resource_record.at);
	at = resource.entries.at;
	while (record_entry_next(&at, resource.entries.at + resource.entries.length, &entry) >
	       0)
		if (entry.type == WIRE_STRING && entry.key_length == sizeof key - 1 &&
		    memcmp(entry.key, key, sizeof key - 1) == 0)
			return (struct bytes){entry.value, entry.value_length};
	return (struct bytes){NULL, 0};
}

bool source_closes(const struct source *source, const struct open_span *span)
{
	if (span->flags & SPAN_WALL_TIME)
		return !(span->flags & SPAN_AFTER_CLOSING);
	return source->closing.wall || span->start_ticks <= source->closing.ticks;
}

uint64_t source_last_mono_ns(const struct source *source, const struct clock *clock)
{
	/* It lived when it made its ring. */
	uint64_t anchor = source->clock.ticks.anchor_mono_ns, last;

	if (!source->ticks_seen)
		return anchor;
	last = clock_mono_ns(clock, &source->clock, source->last_ticks);
	return last > anchor ? last : anchor;
}

static void write_end(struct buf *out, const struct source_end *end, enum wire_process_end what)
{
	struct wire_process_end_record record = {
		.head = record_make_head(WIRE_PROCESS_END, sizeof record,
					 end->wall ? WIRE_TIME_WALL : 0, what),
		.ticks = end->ticks,
		.code = end->code,
	};

	if (!end->said)
		return;
	if (end->code_known)
		record.head.flags |= WIRE_PROCESS_CODE_KNOWN;
	(void)buf_append(out, &record, sizeof record); /* the caller asks buf_failed() */
}

int source_write_state(const struct source *source, struct buf *out)
{
	size_t at = 0;
	void *value;

	(void)buf_append(out, source->resource_record.at, source->resource_record.len);
	if (source->limits.head.length)
		(void)buf_append(out, &source->limits, sizeof source->limits);
	while (map_next(&source->scopes, &at, &value)) {
		const struct source_scope *scope = value;

		(void)buf_append(out, scope->record.at, scope->record.len);
	}
	write_end(out, &source->exit, WIRE_PROCESS_EXIT);
	write_end(out, &source->closing,
		  source->closing_kind == SPAN_CLOSE_SIGTERM ? WIRE_PROCESS_SIGTERM
							     : WIRE_PROCESS_SHUTDOWN);
	return buf_failed(out) ? -ENOMEM : 0;
}
