#include "assemble_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "opentelemetry/proto/resource/v1/resource.pb-c.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/json_print.h"
#include "wire/abi.h"

#define BEGIN_MONO_NS UINT64_C(1000000000000)
#define BEGIN_WALL_NS UINT64_C(1767225600000000000)

uint64_t world_ticks(uint64_t ms)
{
	return BEGIN_MONO_NS + ms * 1000000;
}

const char *world_wall(uint64_t ms)
{
	static char text[4][32];
	static unsigned next;
	char *at = text[next++ % 4];

	(void)snprintf(at, sizeof text[0], "\"%llu\"",
		       (unsigned long long)(BEGIN_WALL_NS + ms * 1000000));
	return at;
}

/* ---- the log ---- */

static struct world_frame *frame_add(struct world *world, enum world_frame_kind kind,
				     const uint8_t *instance, const uint8_t *span_id)
{
	static const uint8_t filler[WORLD_PAYLOAD_AT];
	struct world_frame *frame;

	if (world->frame_count == world->frames_max)
		world->crashed = true;
	if (world->crashed)
		return NULL;
	world->frames = realloc(world->frames, (world->frame_count + 1) * sizeof *frame);
	assert_non_null(world->frames);
	frame = &world->frames[world->frame_count++];
	*frame = (struct world_frame){.kind = kind, .segment = world->segment};
	if (instance)
		memcpy(frame->instance, instance, 16);
	if (span_id)
		memcpy(frame->span_id, span_id, 8);
	buf_init(&frame->payload);
	assert_int_equal(buf_append(&frame->payload, filler, sizeof filler), 0);
	return frame;
}

static void frame_free(struct world_frame *frame)
{
	for (uint32_t i = 0; i < frame->n; i++)
		free((void *)(uintptr_t)frame->slices[i].records.at);
	free(frame->slices);
	free(frame->offsets);
	buf_fini(&frame->payload);
}

static struct bytes copy_bytes(struct bytes bytes)
{
	uint8_t *at = malloc(bytes.len ? bytes.len : 1);

	assert_non_null(at);
	if (bytes.len)
		memcpy(at, bytes.at, bytes.len);
	return (struct bytes){at, bytes.len};
}

/* ---- what assembly says ---- */

static char *print(const ProtobufCMessageDescriptor *type, struct bytes message)
{
	struct buf out = BUF_INIT;

	assert_int_equal(otlp_json_print(&out, type, message), 0);
	assert_int_equal(buf_append_byte(&out, 0), 0);
	return (char *)out.at;
}

static void span_keep(struct world *world, const struct finished_span *finished,
		      const uint8_t span_id[8])
{
	struct world_span *span;

	world->spans = realloc(world->spans, (world->span_count + 1) * sizeof *span);
	assert_non_null(world->spans);
	span = &world->spans[world->span_count++];
	span->number = finished->number;
	memcpy(&span->id, span_id, 8);
	memcpy(span->trace_id, finished->trace_id, 16);
	span->json = print(&opentelemetry__proto__trace__v1__span__descriptor, finished->span);
	span->resource = print(&opentelemetry__proto__resource__v1__resource__descriptor,
			       finished->resource);
	span->scope = print(&opentelemetry__proto__common__v1__instrumentation_scope__descriptor,
			    finished->scope);
}

static int op_finished(void *arg, struct finished_span *span, const uint8_t instance[16],
		       const uint8_t span_id[8], uint64_t *ret_number)
{
	struct world *world = arg;
	struct world_frame *frame;
	uint64_t number = 1;

	if (world->finished_error)
		return world->finished_error;
	for (size_t i = 0; i < world->frame_count; i++)
		number += world->frames[i].kind == WORLD_SPAN;
	span->number = number;
	*ret_number = number;
	frame = frame_add(world, WORLD_SPAN, instance, span_id);
	if (!frame)
		return 0;
	frame->number = number;
	assert_int_equal(buf_append(&frame->payload, span->span.at, span->span.len), 0);
	span_keep(world, span, span_id);
	return 0;
}

static struct world_run *run_of(struct world *world, const uint8_t trace_id[16])
{
	for (size_t i = 0; i < world->run_count; i++)
		if (memcmp(world->runs[i].trace_id, trace_id, 16) == 0)
			return &world->runs[i];
	world->runs = realloc(world->runs, (world->run_count + 1) * sizeof *world->runs);
	assert_non_null(world->runs);
	world->runs[world->run_count] = (struct world_run){0};
	memcpy(world->runs[world->run_count].trace_id, trace_id, 16);
	return &world->runs[world->run_count++];
}

static void op_run_seen(void *arg, const uint8_t trace_id[16], struct bytes service,
			uint64_t first_wall_ns)
{
	struct world *world = arg;
	struct world_run *run = run_of(world, trace_id);

	if (world->crashed)
		return;
	run->seen++;
	run->first_wall_ns = first_wall_ns;
	(void)snprintf(run->service, sizeof run->service, "%.*s", (int)service.len,
		       (const char *)service.at);
}

static void op_run_over(void *arg, const uint8_t trace_id[16], uint64_t last_number,
			bool complete)
{
	struct world *world = arg;
	struct world_run *run = run_of(world, trace_id);

	if (world->crashed)
		return;
	run->over++;
	run->last_number = last_number;
	run->complete = complete;
}

static int op_state(void *arg, const uint8_t instance[16], const uint8_t span_id[8],
		    struct bytes state, struct log_place *ret_place)
{
	struct world *world = arg;
	struct world_frame *frame;

	if (world->state_error)
		return world->state_error;
	*ret_place = (struct log_place){world->segment, (uint32_t)world->frame_count,
					WORLD_PAYLOAD_AT};
	frame = frame_add(world, WORLD_STATE, instance, span_id);
	if (frame)
		assert_int_equal(buf_append(&frame->payload, state.at, state.len), 0);
	return 0;
}

static int op_run_state(void *arg, const uint8_t trace_id[16], struct bytes state,
			uint64_t *ret_segment)
{
	struct world *world = arg;
	struct world_frame *frame;

	if (world->state_error)
		return world->state_error;
	*ret_segment = world->segment;
	frame = frame_add(world, WORLD_RUN, trace_id, NULL);
	if (frame)
		assert_int_equal(buf_append(&frame->payload, state.at, state.len), 0);
	return 0;
}

static int op_load(void *arg, const struct log_place *place, size_t len, uint8_t *at)
{
	struct world *world = arg;
	const struct world_frame *frame;

	world->loads++;
	if (world->load_error)
		return world->load_error;
	assert_in_range(place->offset, 0, world->frame_count - 1);
	frame = &world->frames[place->offset];
	assert_int_equal(frame->segment, place->segment);
	if (frame->segment < world->oldest)
		return -ENOENT;
	assert_true(place->payload + len <= frame->payload.len);
	memcpy(at, frame->payload.at + place->payload, len);
	return 0;
}

static void op_log(void *arg, int priority, const char *line)
{
	struct world *world = arg;

	(void)priority;
	(void)snprintf(world->log, sizeof world->log, "%s", line);
}

/* ---- the world ---- */

static void assemble_begin(struct world *world)
{
	struct assemble_ops ops = {
		.finished = op_finished,
		.run_seen = op_run_seen,
		.run_over = op_run_over,
		.state = op_state,
		.run_state = op_run_state,
		.load = op_load,
		.log = op_log,
		.arg = world,
	};

	assert_int_equal(
		assemble_new(&world->assemble, &world->env.env, &world->options, &ops), 0);
}

void world_init(struct world *world)
{
	*world = (struct world){
		.options = {
			.memory_bytes_max = 64u << 20,
			.idle_timeout_ns = UINT64_C(10000000000),
			.run_forget_ns = UINT64_C(86400000000000),
			.open_spans_max = 100000,
			.parked_records_max = 1000,
		},
		.frames_max = SIZE_MAX,
		.segment = 1,
	};
	assert_int_equal(test_env_init(&world->env), 0);
	assert_int_equal(world->env.mono_ns, BEGIN_MONO_NS);
	assert_int_equal(world->env.wall_ns, BEGIN_WALL_NS);
	assemble_begin(world);
}

void world_fini(struct world *world)
{
	assemble_free(world->assemble);
	for (size_t i = 0; i < world->frame_count; i++)
		frame_free(&world->frames[i]);
	for (size_t i = 0; i < world->span_count; i++) {
		free(world->spans[i].json);
		free(world->spans[i].resource);
		free(world->spans[i].scope);
	}
	free(world->frames);
	free(world->spans);
	free(world->runs);
	test_env_fini(&world->env);
}

void world_ring(struct world *world, uint32_t ring)
{
	struct ring_identity *identity = &world->rings[ring];

	if (!world->ring_known[ring]) {
		*identity = (struct ring_identity){
			.instance = {(uint8_t)(ring + 1)},
			.clock = WIRE_CLOCK_MONOTONIC,
			.anchor_ticks = world->env.mono_ns,
			.anchor_mono_ns = world->env.mono_ns,
			.anchor_boot_ns = world->env.boot_ns,
			.anchor_wall_ns = world->env.wall_ns,
			.pid = 100 + ring,
		};
		world->ring_known[ring] = true;
	}
	assert_int_equal(assemble_ring_seen(world->assemble, ring, identity), 0);
}

static void replay(struct world *world, size_t i)
{
	const struct world_frame *frame = &world->frames[i];
	struct bytes content = {frame->payload.at + WORLD_PAYLOAD_AT,
				frame->payload.len - WORLD_PAYLOAD_AT};
	struct log_place place = {frame->segment, (uint32_t)i, WORLD_PAYLOAD_AT};
	struct finished_span span = {.number = frame->number, .span = content};

	if (frame->segment < world->oldest)
		return;
	switch (frame->kind) {
	case WORLD_RECORD:
		assert_int_equal(assemble_recover_slices(world->assemble, frame->instance,
							 frame->slices, frame->n, frame->segment,
							 (uint32_t)i, frame->offsets), 0);
		break;
	case WORLD_STATE:
		assert_int_equal(assemble_recover_state(world->assemble, frame->instance,
							frame->span_id, content, &place), 0);
		break;
	case WORLD_SPAN:
		memcpy(span.trace_id, content.at + 2, 16); /* field 1 comes first */
		assemble_recover_span(world->assemble, &span, frame->instance, frame->span_id);
		break;
	case WORLD_RUN:
		assert_int_equal(assemble_recover_run(world->assemble, frame->instance, content,
						      frame->segment), 0);
		break;
	case WORLD_CLOSED:
		assemble_recover_closed(world->assemble, frame->instance);
		break;
	}
}

void world_restart(struct world *world)
{
	world->crashed = false;
	world->frames_max = SIZE_MAX;
	assemble_free(world->assemble);
	assemble_begin(world);
	for (uint32_t ring = 0; ring < WORLD_RINGS; ring++)
		if (world->ring_known[ring])
			assemble_recover_ring(world->assemble, &world->rings[ring]);
	for (size_t i = 0; i < world->frame_count; i++)
		replay(world, i);
	for (uint32_t ring = 0; ring < WORLD_RINGS; ring++)
		if (world->ring_known[ring])
			world_ring(world, ring);
}

void world_drop_segments(struct world *world, uint64_t up_to)
{
	world->oldest = up_to + 1;
}

void world_push_slices(struct world *world, uint32_t ring, const struct slice *slices, uint32_t n)
{
	uint64_t segment = world->segment;
	size_t at = world->frame_count;
	struct world_frame *frame;

	frame = frame_add(world, WORLD_RECORD, world->rings[ring].instance, NULL);
	if (!frame)
		return;
	frame->slices = calloc(n, sizeof(struct slice));
	frame->offsets = calloc(n, sizeof(uint32_t));
	frame->n = n;
	for (uint32_t i = 0; i < n; i++) {
		frame->slices[i] = slices[i];
		frame->slices[i].records = copy_bytes(slices[i].records);
		frame->offsets[i] = (uint32_t)frame->payload.len;
		assert_int_equal(buf_append(&frame->payload, slices[i].records.at,
					    slices[i].records.len), 0);
	}
	assemble_push(world->assemble, ring, frame->slices, n, segment, (uint32_t)at,
		      frame->offsets);
}

static uint32_t count_records(struct bytes records)
{
	uint32_t n = 0;
	size_t at = 0;

	while (at < records.len) {
		at += record_padded(record_head(records.at + at).length);
		n++;
	}
	return n;
}

void world_push(struct world *world, uint32_t ring, uint32_t thread, struct buf *records)
{
	struct slice slice = {.thread = thread, .records = buf_bytes(records)};

	slice.record_count = count_records(slice.records);
	world_push_slices(world, ring, &slice, 1);
	buf_fini(records);
}

void world_round(struct world *world, uint32_t ring)
{
	assemble_round_end(world->assemble, ring, ++world->round);
}

void world_tick(struct world *world)
{
	(void)assemble_tick(world->assemble, world->env.mono_ns);
}

/* ---- questions ---- */

unsigned world_span_times(const struct world *world, uint64_t id)
{
	unsigned n = 0;

	for (size_t i = 0; i < world->span_count; i++)
		n += world->spans[i].id == id;
	return n;
}

size_t world_order(const struct world *world, uint64_t id)
{
	for (size_t i = 0; i < world->span_count; i++)
		if (world->spans[i].id == id)
			return i;
	fail_msg("span %llu is not finished", (unsigned long long)id);
	return 0;
}

const struct world_span *world_span(const struct world *world, uint64_t id)
{
	if (world_span_times(world, id) != 1)
		fail_msg("span %llu finished %u times", (unsigned long long)id,
			 world_span_times(world, id));
	return &world->spans[world_order(world, id)];
}

const struct world_run *world_run(const struct world *world, uint64_t trace)
{
	static const struct world_run none;

	for (size_t i = 0; i < world->run_count; i++)
		if (memcmp(world->runs[i].trace_id, &trace, 8) == 0)
			return &world->runs[i];
	return &none;
}

void world_check_ledger(const struct world *world)
{
	const struct assemble_counters *c = assemble_counters(world->assemble);

	assert_int_equal(c->records, c->applied + c->parked + c->dropped_late +
					     c->dropped_unknown_type + c->dropped_damaged +
					     c->dropped_limit + c->dropped_duplicate_start);
}

/* ---- records ---- */

void put_start(struct buf *out, uint64_t trace, uint64_t span, uint64_t parent, uint64_t ms)
{
	size_t at = out->len;
	char name[32];

	(void)snprintf(name, sizeof name, "span-%llu", (unsigned long long)span);
	records_start(out, span, parent, 1, 1, world_ticks(ms), bytes_of(name),
		      (struct bytes){NULL, 0});
	at += offsetof(struct wire_start, trace_id);
	memcpy(out->at + at, &trace, 8);
	memcpy(out->at + at + 8, &trace, 8);
}

void put_end(struct buf *out, uint64_t span, uint64_t ms)
{
	records_end(out, span, world_ticks(ms));
}

void put_string(struct buf *out, uint64_t span, const char *key, const char *value)
{
	records_attribute(out, span, bytes_of(key), WIRE_STRING, bytes_of(value));
}

void put_status(struct buf *out, uint64_t span, unsigned code, const char *message)
{
	records_text(out, WIRE_STATUS, span, code, bytes_of(message));
}

void put_run_end(struct buf *out, uint64_t trace)
{
	struct wire_run run = {
		.head = record_make_head(WIRE_RUN, sizeof run, WIRE_RUN_END, 0),
	};

	memcpy(run.trace_id, &trace, 8);
	memcpy(run.trace_id + 8, &trace, 8);
	assert_int_equal(buf_append(out, &run, sizeof run), 0);
}

void put_process_end(struct buf *out, enum wire_process_end what, uint64_t ms, int code)
{
	struct wire_process_end_record end = {
		.head = record_make_head(WIRE_PROCESS_END, sizeof end,
					 code >= 0 ? WIRE_PROCESS_CODE_KNOWN : 0, what),
		.ticks = world_ticks(ms),
		.code = code,
	};

	assert_int_equal(buf_append(out, &end, sizeof end), 0);
}

void put_service(struct buf *out, const char *service)
{
	struct buf entries = BUF_INIT;

	records_entry(&entries, bytes_of("service.name"), WIRE_STRING, bytes_of(service));
	records_resource(out, (struct bytes){NULL, 0}, buf_bytes(&entries), 0);
	buf_fini(&entries);
}
