#include "archive_world.h"

#include "otlp/pb.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void on_condition(void *arg, int priority, const char *stage, const char *line)
{
	struct archive_world *world = arg;

	(void)buf_printf(&world->said, "<%d>%s: %s\n", priority, stage, line);
}

void world_init(struct archive_world *world)
{
	memset(world, 0, sizeof(*world));
	file_env_init(&world->env, 7);
	conditions_init(&world->conditions, &world->env.env, on_condition, world);
	world->root = test_directory_new();
	snprintf(world->dir, sizeof(world->dir), "%s/deep/data", world->root);
	snprintf(world->state_dir, sizeof(world->state_dir), "%s/state", world->root);
	world->options = (struct archive_options){
		.dir = world->dir,
		.state_dir = world->state_dir,
		.min_spans = 1,
		.checkpoint_ns = UINT64_C(1000000000),
		.open_files_max = 8,
		.conditions = &world->conditions,
	};
	world->spans = calloc(WORLD_SPANS_MAX, sizeof(*world->spans));
	assert_non_null(world->spans);
}

static void frames_clear(struct world_frame *frames, unsigned *count)
{
	for (unsigned i = 0; i < *count; i++)
		buf_fini(&frames[i].payload);
	*count = 0;
}

void world_fini(struct archive_world *world)
{
	if (world->archive)
		world_stop(world);
	for (uint64_t i = 0; i < world->span_count; i++)
		buf_fini(&world->spans[i].bytes);
	free(world->spans);
	frames_clear(world->logged, &world->logged_count);
	frames_clear(world->pending, &world->pending_count);
	buf_fini(&world->said);
	test_directory_remove(world->root);
	free(world->root);
}

/* The newest is last, as in the log: what one says may depend on those before it. */
static void frame_put(struct world_frame *frames, unsigned *count, const uint8_t trace_id[16],
		      struct bytes payload)
{
	struct world_frame frame = {0};
	unsigned i = 0;

	while (i < *count && memcmp(frames[i].trace_id, trace_id, 16) != 0)
		i++;
	if (i < *count) {
		frame = frames[i];
		memmove(&frames[i], &frames[i + 1], (--*count - i) * sizeof frame);
	}
	assert_true(*count < WORLD_KEYS_MAX);
	memcpy(frame.trace_id, trace_id, 16);
	buf_reset(&frame.payload);
	assert_int_equal(buf_append(&frame.payload, payload.at, payload.len), 0);
	frames[(*count)++] = frame;
}

static int on_state(void *arg, const uint8_t trace_id[16], struct bytes state,
		    uint64_t *ret_segment)
{
	struct archive_world *world = arg;

	if (world->log_full)
		return -ENOBUFS;
	if (!world->keep_no_frames)
		frame_put(world->pending, &world->pending_count, trace_id, state);
	*ret_segment = 1;
	return 0;
}

static void on_sealed(void *arg, const uint8_t trace_id[16], const char *path, uint64_t spans,
		      bool complete)
{
	struct archive_world *world = arg;

	(void)trace_id;
	snprintf(world->sealed_path, sizeof(world->sealed_path), "%s", path);
	world->sealed_spans = spans;
	world->sealed_complete = complete;
	world->sealed_count++;
}

static bool on_awaited(void *arg, const uint8_t trace_id[16])
{
	const struct archive_world *world = arg;

	(void)trace_id;
	return world->awaited;
}

static void on_process(void *arg, const uint8_t trace_id[16], const struct process_key *key,
		       struct process_account *ret_account)
{
	const struct archive_world *world = arg;

	(void)trace_id;
	assert_true(key->pid < WORLD_PROCESSES_MAX);
	*ret_account =
		(struct process_account){world->ends[key->pid], world->refused[key->pid]};
}

static uint64_t on_sent(void *arg)
{
	const struct archive_world *world = arg;

	return world->sends ? world->sent : UINT64_MAX;
}

static void on_dropped(void *arg, const uint8_t trace_id[16], uint64_t spans)
{
	struct archive_world *world = arg;

	(void)trace_id;
	world->account.dropped_spans += spans;
}

static bool on_account(void *arg, const uint8_t trace_id[16], struct run_account *ret_account)
{
	const struct archive_world *world = arg;

	(void)trace_id;
	if (!world->account_lost)
		*ret_account = world->account;
	return !world->account_lost;
}

static void on_log(void *arg, int priority, const char *line)
{
	struct archive_world *world = arg;

	(void)buf_printf(&world->said, "<%d>%s\n", priority, line);
}

void world_commit(struct archive_world *world)
{
	for (unsigned i = 0; i < world->pending_count; i++)
		frame_put(world->logged, &world->logged_count, world->pending[i].trace_id,
			  buf_bytes(&world->pending[i].payload));
	frames_clear(world->pending, &world->pending_count);
}

void world_start(struct archive_world *world)
{
	struct archive_ops ops = {
		.state = on_state,
		.sealed = on_sealed,
		.awaited = on_awaited,
		.process = on_process,
		.account = on_account,
		.dropped = on_dropped,
		.sent = on_sent,
		.log = on_log,
		.arg = world,
	};

	assert_int_equal(archive_new(&world->archive, &world->env.env, &world->options, &ops),
			 0);
	/* Twice: a real log holds older frames of the same runs as well. */
	for (unsigned i = 0; i < 2 * world->logged_count; i++) {
		const struct world_frame *frame = &world->logged[i % world->logged_count];

		assert_int_equal(archive_recover(world->archive, frame->trace_id,
						 buf_bytes(&frame->payload), 1),
				 0);
	}
	assert_int_equal(archive_recovered(world->archive), 0);
	world->pushed = archive_first_number(world->archive);
	for (unsigned i = 0; i < world->seal_count; i++)
		world->seals[i].requested &= world->assembly_forgets;
}

void world_crash(struct archive_world *world)
{
	int open_count;

	frames_clear(world->pending, &world->pending_count);
	world->env.crashed = true;
	archive_free(world->archive);
	world->archive = NULL;
	open_count = world->env.open_count;
	assert_int_equal(open_count, 0);
	file_env_init(&world->env, 7);
}

void world_stop(struct archive_world *world)
{
	archive_free(world->archive);
	world->archive = NULL;
	if (!world->env.crashed)
		world_commit(world);
	assert_int_equal(world->env.open_count, 0);
	file_env_init(&world->env, 7);
}

/* --- spans -------------------------------------------------------------- */

static void put_attribute(struct buf *out, uint32_t field, const char *key, struct bytes text)
{
	struct pb_nested attribute = pb_open(out, field, 64), value;

	pb_bytes(out, 1, bytes_of(key));
	value = pb_open(out, 2, 64);
	pb_bytes(out, 1, text);
	pb_close(out, value);
	pb_close(out, attribute);
}

static void put_number(struct buf *out, uint32_t field, const char *key, int64_t number)
{
	struct pb_nested attribute = pb_open(out, field, 64), value;

	pb_bytes(out, 1, bytes_of(key));
	value = pb_open(out, 2, 64);
	pb_varint(out, 3, (uint64_t)number);
	pb_close(out, value);
	pb_close(out, attribute);
}

static struct bytes id_bytes(uint64_t id, uint8_t at[8])
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(id >> (56 - 8 * i));
	return (struct bytes){at, 8};
}

static void put_span(struct buf *out, const struct span_recipe *recipe, const uint8_t trace[16])
{
	uint8_t id[8];

	pb_bytes(out, 1, (struct bytes){trace, 16});
	pb_bytes(out, 2, id_bytes(recipe->id, id));
	if (recipe->parent)
		pb_bytes(out, 4, id_bytes(recipe->parent, id));
	pb_bytes(out, 5, bytes_of(recipe->name ? recipe->name : "step"));
	pb_varint(out, 6, 1);
	pb_fixed64(out, 7, recipe->start_ns);
	pb_fixed64(out, 8, recipe->end_ns ? recipe->end_ns : recipe->start_ns + 1000);
	if (recipe->text.len)
		put_attribute(out, 9, recipe->key ? recipe->key : "text", recipe->text);
	for (int i = 0; i < 2; i++)
		if (recipe->count_keys[i])
			put_number(out, 9, recipe->count_keys[i], recipe->counts[i]);
	if (recipe->error)
		pb_bytes(out, 15, (struct bytes){(const uint8_t[]){3 << 3, 2}, 2});
}

static void put_process(struct buf *out, uint8_t pid)
{
	char id[32];

	if (!pid)
		return;
	(void)snprintf(id, sizeof id, "instance %u", pid);
	put_attribute(out, 1, "service.instance.id", bytes_of(id));
	put_number(out, 1, "spanring.uid", 1000);
	put_number(out, 1, "spanring.pid", pid);
}

uint64_t world_add(struct archive_world *world, const struct span_recipe *recipe)
{
	struct world_span *span = &world->spans[world->span_count];
	struct buf *bytes = &span->bytes;
	size_t resource, scope;

	assert_true(world->span_count < WORLD_SPANS_MAX);
	buf_init(bytes);
	put_attribute(bytes, 1, "service.name",
		      bytes_of(recipe->service ? recipe->service : "demo"));
	if (recipe->module)
		put_attribute(bytes, 1, "demo.module", bytes_of(recipe->module));
	put_process(bytes, recipe->pid);
	resource = bytes->len;
	pb_bytes(bytes, 1, bytes_of(recipe->scope ? recipe->scope : "lib"));
	scope = bytes->len;
	memset(span->span.trace_id, recipe->trace, 16);
	put_span(bytes, recipe, span->span.trace_id);
	assert_false(buf_failed(bytes));
	span->span.resource = (struct bytes){bytes->at, resource};
	span->span.scope = (struct bytes){bytes->at + resource, scope - resource};
	span->span.span = (struct bytes){bytes->at + scope, bytes->len - scope};
	if (recipe->resource_schema_url)
		span->span.resource_schema_url = bytes_of(recipe->resource_schema_url);
	if (recipe->scope_schema_url)
		span->span.scope_schema_url = bytes_of(recipe->scope_schema_url);
	span->span.number = ++world->span_count;
	return span->span.number;
}

void world_seal(struct archive_world *world, uint8_t trace, uint64_t number, bool complete)
{
	struct world_seal *seal = &world->seals[world->seal_count++];

	assert_true(world->seal_count <= WORLD_SEALS_MAX);
	memset(seal->trace_id, trace, 16);
	seal->number = number;
	seal->complete = complete;
	seal->requested = false;
}

/* --- working ------------------------------------------------------------ */

/* What a damaged spool lost, as far as the log has it. */
static void push_again(struct archive_world *world)
{
	if (!archive_wants_again(world->archive))
		return;
	archive_again_begin(world->archive);
	for (uint64_t i = world->cleaned; i < world->span_count; i++)
		archive_again(world->archive, &world->spans[i].span);
	archive_again_done(world->archive);
}

void world_turn(struct archive_world *world)
{
	struct archive *archive = world->archive;

	push_again(world);
	while (world->pushed < world->span_count && !world->env.crashed) {
		if (archive_push(archive, &world->spans[world->pushed].span) < 0)
			break;
		world->pushed++;
	}
	for (unsigned i = 0; i < world->seal_count; i++) {
		if (world->seals[i].requested)
			continue;
		world->seals[i].requested = true;
		assert_int_equal(archive_seal(archive, world->seals[i].trace_id,
					      world->seals[i].number, world->seals[i].complete),
				 0);
	}
	archive_tick(archive, world->env.mono_ns);
	(void)world->env.env.ops->wait(&world->env.env, 0);
	if (!world->env.crashed)
		world_commit(world);
	file_env_advance(&world->env, 300000000);
}

bool world_work(struct archive_world *world, unsigned turns)
{
	for (unsigned i = 0; i < turns && !world->env.crashed; i++) {
		const struct archive_counters *counters = archive_counters(world->archive);

		world_turn(world);
		if (!world->env.crashed && world->pushed == world->span_count &&
		    archive_mark(world->archive) == world->span_count && counters->waiting == 0)
			return true;
	}
	return false;
}

/* --- looking ------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

unsigned world_list(const struct archive_world *world, const char *ending, char ***ret_names)
{
	DIR *dir = opendir(world->dir);
	char **names = calloc(20000, sizeof(char *));
	struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), tail = strlen(ending);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (len >= tail && strcmp(entry->d_name + len - tail, ending) == 0)
			names[n++] = strdup(entry->d_name);
	}
	if (dir)
		closedir(dir);
	qsort(names, n, sizeof(*names), by_name);
	*ret_names = names;
	return n;
}

void world_free_names(char **names, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

struct buf world_read(const struct archive_world *world, const char *name)
{
	struct buf text = BUF_INIT;
	char path[1024];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", world->dir, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	do {
		assert_int_equal(buf_reserve(&text, 65536), 0);
		n = fread(text.at + text.len, 1, 65536, file);
		text.len += n;
	} while (n > 0);
	fclose(file);
	return text;
}

void world_write(const struct archive_world *world, const char *name, struct bytes text)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", world->dir, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
	fclose(file);
}

json_t *world_json(const struct archive_world *world, const char *name)
{
	struct buf text = world_read(world, name);
	json_t *root = json_loadb((char *)text.at, text.len, JSON_ALLOW_NUL, NULL);

	assert_non_null(root);
	buf_fini(&text);
	return root;
}

void world_each_span(json_t *root, world_span_fn *fn, void *arg)
{
	json_t *resource, *scope, *span;
	size_t i, j, k;

	json_array_foreach (json_object_get(root, "resourceSpans"), i, resource)
		json_array_foreach (json_object_get(resource, "scopeSpans"), j, scope)
			json_array_foreach (json_object_get(scope, "spans"), k, span)
				fn(arg, resource, scope, span);
}

struct counting {
	char id[17];
	unsigned count;
};

static void count_span(void *arg, json_t *resource, json_t *scope, json_t *span)
{
	struct counting *counting = arg;

	(void)resource;
	(void)scope;
	counting->count +=
		strcmp(json_string_value(json_object_get(span, "spanId")), counting->id) == 0;
}

unsigned world_count(const struct archive_world *world, uint64_t id)
{
	struct counting counting = {.count = 0};
	unsigned n;
	char **names;

	snprintf(counting.id, sizeof(counting.id), "%016" PRIx64, id);
	n = world_list(world, ".otlp.json", &names);
	for (unsigned i = 0; i < n; i++) {
		json_t *root = world_json(world, names[i]);

		world_each_span(root, count_span, &counting);
		json_decref(root);
	}
	world_free_names(names, n);
	return counting.count;
}
