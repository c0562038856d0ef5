#include "assemble_scene.h"

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

uint64_t scene_ticks(uint64_t ms)
{
	return BEGIN_MONO_NS + ms * 1000000;
}

const char *scene_wall(uint64_t ms)
{
	static char text[4][32];
	static unsigned next;
	char *at = text[next++ % 4];

	(void)snprintf(at, sizeof text[0], "\"%llu\"",
		       (unsigned long long)(BEGIN_WALL_NS + ms * 1000000));
	return at;
}

/* ---- the log ---- */

/* Room for one more item. Grows at powers of two: under the address sanitizer
 * every step is a copy. */
static void *one_more(void *items, size_t count, size_t size)
{
	if (count && (count & (count - 1)))
		return items;
	items = realloc(items, (count ? count * 2 : 1) * size);
	assert_non_null(items);
	return items;
}

static struct scene_frame *frame_add(struct scene *scene, enum scene_frame_kind kind,
				     const uint8_t *instance, const uint8_t *span_id)
{
	static const uint8_t filler[SCENE_PAYLOAD_AT];
	struct scene_frame *frame;

	if (scene->frame_count == scene->frames_max)
		scene->crashed = true;
	if (scene->crashed)
		return NULL;
	scene->frames = one_more(scene->frames, scene->frame_count, sizeof *frame);
	frame = &scene->frames[scene->frame_count++];
	*frame = (struct scene_frame){.kind = kind, .segment = scene->segment};
	if (instance)
		memcpy(frame->instance, instance, 16);
	if (span_id)
		memcpy(frame->span_id, span_id, 8);
	buf_init(&frame->payload);
	assert_int_equal(buf_append(&frame->payload, filler, sizeof filler), 0);
	return frame;
}

static void frame_free(struct scene_frame *frame)
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

static void span_keep(struct scene *scene, const struct finished_span *finished,
		      const uint8_t span_id[8])
{
	struct scene_span *span;

	scene->spans = one_more(scene->spans, scene->span_count, sizeof *span);
	span = &scene->spans[scene->span_count++];
	span->number = finished->number;
	memcpy(&span->id, span_id, 8);
	memcpy(span->trace_id, finished->trace_id, 16);
	span->json = print(&opentelemetry__proto__trace__v1__span__descriptor, finished->span);
	span->resource = print(&opentelemetry__proto__resource__v1__resource__descriptor,
			       finished->resource);
	span->scope =
		print(&opentelemetry__proto__common__v1__instrumentation_scope__descriptor,
		      finished->scope);
}

static int op_finished(void *arg, struct finished_span *span, const uint8_t instance[16],
		       const uint8_t span_id[8], uint64_t *ret_number)
{
	struct scene *scene = arg;
	struct scene_frame *frame;
	uint64_t number = 1;

	if (scene->finished_error)
		return scene->finished_error;
	for (size_t i = 0; i < scene->frame_count; i++)
		number += scene->frames[i].kind == SCENE_SPAN;
	span->number = number;
	*ret_number = number;
	frame = frame_add(scene, SCENE_SPAN, instance, span_id);
	if (!frame)
		return 0;
	frame->number = number;
	frame->stale = span->stale;
	assert_int_equal(buf_append(&frame->payload, span->span.at, span->span.len), 0);
	span_keep(scene, span, span_id);
	return 0;
}

static struct scene_run *run_of(struct scene *scene, const uint8_t trace_id[16])
{
	for (size_t i = 0; i < scene->run_count; i++)
		if (memcmp(scene->runs[i].trace_id, trace_id, 16) == 0)
			return &scene->runs[i];
	scene->runs = one_more(scene->runs, scene->run_count, sizeof *scene->runs);
	scene->runs[scene->run_count] = (struct scene_run){0};
	memcpy(scene->runs[scene->run_count].trace_id, trace_id, 16);
	return &scene->runs[scene->run_count++];
}

static int op_run_seen(void *arg, const uint8_t trace_id[16], const struct run_words *words,
		       uint64_t first_wall_ns, uint32_t user)
{
	struct scene *scene = arg;
	struct scene_run *run = run_of(scene, trace_id);

	if (scene->crashed)
		return 0;
	run->seen++;
	run->first_wall_ns = first_wall_ns;
	run->user = user;
	(void)snprintf(run->service, sizeof run->service, "%.*s", (int)words->service.len,
		       (const char *)words->service.at);
	return 0;
}

static void op_run_over(void *arg, const uint8_t trace_id[16], uint64_t last_number,
			bool complete)
{
	struct scene *scene = arg;
	struct scene_run *run = run_of(scene, trace_id);

	if (scene->crashed)
		return;
	run->over++;
	run->last_number = last_number;
	run->complete = complete;
}

static int op_state(void *arg, const uint8_t instance[16], const uint8_t span_id[8],
		    struct bytes state, struct log_place *ret_place)
{
	struct scene *scene = arg;
	struct scene_frame *frame;

	if (scene->state_error)
		return scene->state_error;
	*ret_place = (struct log_place){scene->segment, (uint32_t)scene->frame_count,
					SCENE_PAYLOAD_AT};
	frame = frame_add(scene, SCENE_STATE, instance, span_id);
	if (frame)
		assert_int_equal(buf_append(&frame->payload, state.at, state.len), 0);
	return 0;
}

static int op_run_state(void *arg, const uint8_t trace_id[16], struct bytes state,
			uint64_t *ret_segment)
{
	struct scene *scene = arg;
	struct scene_frame *frame;

	if (scene->state_error)
		return scene->state_error;
	*ret_segment = scene->segment;
	frame = frame_add(scene, SCENE_RUN, trace_id, NULL);
	if (frame)
		assert_int_equal(buf_append(&frame->payload, state.at, state.len), 0);
	return 0;
}

static int op_process_state(void *arg, const struct process_key *key, struct bytes state,
			    uint64_t *ret_segment)
{
	struct scene *scene = arg;
	struct scene_frame *frame;

	if (scene->state_error)
		return scene->state_error;
	*ret_segment = scene->segment;
	frame = frame_add(scene, SCENE_PROCESS, (const uint8_t *)key, NULL);
	if (frame)
		assert_int_equal(buf_append(&frame->payload, state.at, state.len), 0);
	return 0;
}

static int op_load(void *arg, const struct log_place *place, size_t len, uint8_t *at)
{
	struct scene *scene = arg;
	const struct scene_frame *frame;

	scene->loads++;
	if (scene->load_error)
		return scene->load_error;
	assert_in_range(place->offset, 0, scene->frame_count - 1);
	frame = &scene->frames[place->offset];
	assert_int_equal(frame->segment, place->segment);
	if (frame->segment < scene->oldest)
		return -ENOENT;
	assert_true(place->payload + len <= frame->payload.len);
	memcpy(at, frame->payload.at + place->payload, len);
	return 0;
}

static void op_log(void *arg, int priority, const char *line)
{
	struct scene *scene = arg;

	(void)priority;
	(void)snprintf(scene->log, sizeof scene->log, "%s", line);
}

/* ---- the scene ---- */

static void assemble_begin(struct scene *scene)
{
	struct assemble_ops ops = {
		.finished = op_finished,
		.run_seen = op_run_seen,
		.run_over = op_run_over,
		.state = op_state,
		.run_state = op_run_state,
		.process_state = op_process_state,
		.load = op_load,
		.log = op_log,
		.arg = scene,
	};

	assert_int_equal(assemble_new(&scene->assemble, &scene->env.env, &scene->options, &ops),
			 0);
}

void scene_init(struct scene *scene)
{
	*scene = (struct scene){
		.options =
			{
				.memory_bytes_max = 64u << 20,
				.idle_timeout_ns = UINT64_C(10000000000),
				.run_forget_ns = UINT64_C(86400000000000),
				.open_spans_max = 100000,
				.limits = {.parked_records_max = 1000},
			},
		.frames_max = SIZE_MAX,
		.segment = 1,
	};
	assert_int_equal(test_env_init(&scene->env), 0);
	assert_int_equal(scene->env.mono_ns, BEGIN_MONO_NS);
	assert_int_equal(scene->env.wall_ns, BEGIN_WALL_NS);
	assemble_begin(scene);
	assemble_recovered(scene->assemble);
}

void scene_fini(struct scene *scene)
{
	assemble_free(scene->assemble);
	for (size_t i = 0; i < scene->frame_count; i++)
		frame_free(&scene->frames[i]);
	for (size_t i = 0; i < scene->span_count; i++) {
		free(scene->spans[i].json);
		free(scene->spans[i].resource);
		free(scene->spans[i].scope);
	}
	free(scene->frames);
	free(scene->spans);
	free(scene->runs);
	test_env_fini(&scene->env);
}

void scene_ring(struct scene *scene, uint32_t ring)
{
	struct ring_identity *identity = &scene->rings[ring];

	if (!scene->ring_known[ring]) {
		*identity = (struct ring_identity){
			.instance = {(uint8_t)(ring + 1)},
			.clock = WIRE_CLOCK_MONOTONIC,
			.anchor_ticks = scene->env.mono_ns,
			.anchor_mono_ns = scene->env.mono_ns,
			.anchor_boot_ns = scene->env.boot_ns,
			.anchor_wall_ns = scene->env.wall_ns,
			.pid = 100 + ring,
			.uid = scene->uids[ring],
			.known = scene->owners_known ? RING_UID_KNOWN | RING_PID_KNOWN : 0,
		};
		scene->ring_known[ring] = true;
	}
	assert_int_equal(assemble_ring_seen(scene->assemble, ring, identity), 0);
}

static void replay(struct scene *scene, size_t i)
{
	const struct scene_frame *frame = &scene->frames[i];
	struct bytes content = {frame->payload.at + SCENE_PAYLOAD_AT,
				frame->payload.len - SCENE_PAYLOAD_AT};
	struct log_place place = {frame->segment, (uint32_t)i, SCENE_PAYLOAD_AT};
	struct finished_span span = {.number = frame->number, .span = content};

	if (frame->segment < scene->oldest)
		return;
	switch (frame->kind) {
	case SCENE_RECORD:
		assert_int_equal(assemble_recover_slices(
					 scene->assemble, frame->instance, frame->slices,
					 frame->n, frame->segment, (uint32_t)i, frame->offsets),
				 0);
		break;
	case SCENE_STATE:
		assert_int_equal(assemble_recover_state(scene->assemble, frame->instance,
							frame->span_id, content, &place),
				 0);
		break;
	case SCENE_SPAN:
		memcpy(span.trace_id, content.at + 2, 16); /* field 1 comes first */
		span.stale = frame->stale;
		assemble_recover_span(scene->assemble, &span, frame->instance, frame->span_id);
		break;
	case SCENE_RUN:
		assert_int_equal(assemble_recover_run(scene->assemble, frame->instance, content,
						      frame->segment),
				 0);
		break;
	case SCENE_CLOSED:
		assemble_recover_closed(scene->assemble, frame->instance, false);
		break;
	case SCENE_PROCESS:
		assert_int_equal(assemble_recover_process(
					 scene->assemble,
					 (const struct process_key *)frame->instance, content,
					 frame->segment),
				 0);
		break;
	case SCENE_LEDGER:
		assemble_recover_ledger(scene->assemble, content);
		break;
	}
}

void scene_restart(struct scene *scene)
{
	scene->crashed = false;
	scene->frames_max = SIZE_MAX;
	assemble_free(scene->assemble);
	assemble_begin(scene);
	for (uint32_t ring = 0; ring < SCENE_RINGS; ring++)
		if (scene->ring_known[ring])
			assemble_recover_ring(scene->assemble, &scene->rings[ring]);
	for (size_t i = 0; i < scene->frame_count; i++)
		replay(scene, i);
	assemble_recovered(scene->assemble);
	for (uint32_t ring = 0; ring < SCENE_RINGS; ring++)
		if (scene->ring_known[ring])
			scene_ring(scene, ring);
}

void scene_ledger(struct scene *scene)
{
	struct scene_frame *frame = frame_add(scene, SCENE_LEDGER, NULL, NULL);
	struct assemble_ledger ledger;

	if (!frame)
		return;
	assemble_ledger(scene->assemble, &ledger);
	assert_int_equal(buf_append(&frame->payload, &ledger, sizeof ledger), 0);
}

void scene_drop_segments(struct scene *scene, uint64_t up_to)
{
	scene->oldest = up_to + 1;
}

void scene_push_slices(struct scene *scene, uint32_t ring, const struct slice *slices,
		       uint32_t n)
{
	uint64_t segment = scene->segment;
	size_t at = scene->frame_count;
	struct scene_frame *frame;

	frame = frame_add(scene, SCENE_RECORD, scene->rings[ring].instance, NULL);
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
					    slices[i].records.len),
				 0);
	}
	assemble_push(scene->assemble, ring, frame->slices, n, segment, (uint32_t)at,
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

void scene_push(struct scene *scene, uint32_t ring, uint32_t thread, struct buf *records)
{
	struct slice slice = {.thread = thread, .records = buf_bytes(records)};

	slice.record_count = count_records(slice.records);
	scene_push_slices(scene, ring, &slice, 1);
	buf_fini(records);
}

void scene_round(struct scene *scene, uint32_t ring)
{
	assemble_round_end(scene->assemble, ring, ++scene->round);
}

void scene_tick(struct scene *scene)
{
	(void)assemble_tick(scene->assemble, scene->env.mono_ns);
}

/* ---- questions ---- */

unsigned scene_span_times(const struct scene *scene, uint64_t id)
{
	unsigned n = 0;

	for (size_t i = 0; i < scene->span_count; i++)
		n += scene->spans[i].id == id;
	return n;
}

size_t scene_order(const struct scene *scene, uint64_t id)
{
	for (size_t i = 0; i < scene->span_count; i++)
		if (scene->spans[i].id == id)
			return i;
	fail_msg("span %llu is not finished", (unsigned long long)id);
	return 0;
}

const struct scene_span *scene_span(const struct scene *scene, uint64_t id)
{
	if (scene_span_times(scene, id) != 1)
		fail_msg("span %llu finished %u times", (unsigned long long)id,
			 scene_span_times(scene, id));
	return &scene->spans[scene_order(scene, id)];
}

const struct scene_run *scene_run(const struct scene *scene, uint64_t trace)
{
	static const struct scene_run none;

	for (size_t i = 0; i < scene->run_count; i++)
		if (memcmp(scene->runs[i].trace_id, &trace, 8) == 0)
			return &scene->runs[i];
	return &none;
}

void scene_check_ledger(const struct scene *scene)
{
	const struct assemble_counters *c = assemble_counters(scene->assemble);

	assert_int_equal(c->records, c->applied + c->parked + c->dropped_late +
					     c->dropped_unknown_type + c->dropped_damaged +
					     c->dropped_limit + c->dropped_duplicate_start);
	assert_int_equal(c->started + c->received + c->found_again + c->corrected,
			 c->finished + c->open + c->dropped_invalid + c->lost_in_log);
}

/* ---- records ---- */

void put_start(struct buf *out, uint64_t trace, uint64_t span, uint64_t parent, uint64_t ms)
{
	size_t at = out->len;
	char name[32];

	(void)snprintf(name, sizeof name, "span-%llu", (unsigned long long)span);
	records_start(out, span, parent, 1, 1, scene_ticks(ms), bytes_of(name),
		      (struct bytes){NULL, 0});
	at += offsetof(struct wire_start, trace_id);
	memcpy(out->at + at, &trace, 8);
	memcpy(out->at + at + 8, &trace, 8);
}

void put_end(struct buf *out, uint64_t span, uint64_t ms)
{
	records_end(out, span, scene_ticks(ms));
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
		.ticks = scene_ticks(ms),
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
