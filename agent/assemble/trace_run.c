#include "assemble/trace_run.h"

#include <errno.h>
#include <stdlib.h>

/* The payload of a RUN frame behind its key; the service's name and the first span's
 * follow. */
struct trace_run_state {
	uint64_t boot;
	int64_t offset_ns;
	uint64_t first_wall_ns;
	uint64_t last_number;
	uint32_t flags;
	uint16_t service_length;
	uint16_t name_length; /* 0 in older frames */
};
_Static_assert(sizeof(struct trace_run_state) == 40, "RUN");

/* How soon a full log is asked again. */
#define RUN_RETRY_NS UINT64_C(10000000)

#define RUN_STATE_FLAGS (RUN_ENDED | RUN_OVER | RUN_OFFSET)

void trace_run_table_init(struct trace_run_table *table, const struct trace_run_ops *ops,
			  uint64_t seed, uint64_t idle_timeout_ns, uint64_t forget_ns)
{
	*table = (struct trace_run_table){
		.ops = *ops,
		.idle_timeout_ns = idle_timeout_ns,
		.forget_ns = forget_ns,
	};
	map_init(&table->runs, 16, seed);
	list_init(&table->quiet);
	list_init(&table->ending);
	list_init(&table->due);
	list_init(&table->over);
	list_init(&table->saved);
	list_init(&table->unsaved);
	buf_init(&table->scratch);
}

static void trace_run_free(struct trace_run *run)
{
	free(run->service);
	free(run->name);
	free(run);
}

void trace_run_table_fini(struct trace_run_table *table)
{
	size_t at = 0;
	void *run;

	while (map_next(&table->runs, &at, &run))
		trace_run_free(run);
	map_fini(&table->runs);
	buf_fini(&table->scratch);
}

struct trace_run *trace_run_find(const struct trace_run_table *table,
				 const uint8_t trace_id[16])
{
	return map_get(&table->runs, trace_id);
}

/* A run is quiet, due or over, or has open spans and is in no list. */
static void trace_run_leave(struct trace_run_table *table, struct trace_run *run)
{
	if (!list_linked(&run->state))
		return;
	if (run->flags & RUN_OVER)
		table->over_count--;
	else
		table->quiet_count--;
	list_unlink(&run->state);
}

static void trace_run_place(struct trace_run_table *table, struct trace_run *run)
{
	if (run->open)
		return;
	if (run->flags & RUN_OVER) {
		list_append(&table->over, &run->state);
		table->over_count++;
		return;
	}
	if (!(run->flags & RUN_ENDED))
		list_append(&table->quiet, &run->state);
	else
		list_append(run->writers ? &table->ending : &table->due, &run->state);
	table->quiet_count++;
}

static void trace_run_unsaved(struct trace_run_table *table, struct trace_run *run)
{
	run->flags |= RUN_UNSAVED;
	list_move(&table->unsaved, &run->saved);
}

static struct trace_run *trace_run_new(struct trace_run_table *table,
				       const uint8_t trace_id[16])
{
	struct trace_run *run = calloc(1, sizeof *run);

	if (!run)
		return NULL;
	memcpy(run->trace_id, trace_id, 16);
	run->flags = RUN_UNSEEN;
	run->user = USER_UNKNOWN;
	list_init(&run->state);
	list_init(&run->saved);
	if (map_put(&table->runs, trace_id, run) < 0) {
		free(run);
		return NULL;
	}
	trace_run_unsaved(table, run);
	return run;
}

struct trace_run *trace_run_get(struct trace_run_table *table, const uint8_t trace_id[16],
				uint64_t now_ns)
{
	struct trace_run *run = trace_run_find(table, trace_id);

	if (run)
		return run;
	run = trace_run_new(table, trace_id);
	if (!run)
		return NULL;
	run->active_mono_ns = now_ns;
	trace_run_place(table, run);
	return run;
}

void trace_run_fix_offset(struct trace_run *run, uint64_t boot, int64_t offset_ns)
{
	if ((run->flags & RUN_OFFSET) && run->boot == boot)
		return;
	run->flags |= RUN_OFFSET;
	run->boot = boot;
	run->offset_ns = offset_ns;
}

static void forget_words(struct trace_run *run)
{
	free(run->service);
	free(run->name);
	run->service = run->name = NULL;
}

/* Up to a NUL; an empty one stays NULL. -ENOMEM. */
static int keep_word(char **ret_word, struct bytes word, size_t most)
{
	if (word.len == 0)
		return 0;
	*ret_word = strndup((const char *)word.at, word.len < most ? word.len : most);
	return *ret_word ? 0 : -ENOMEM;
}

int trace_run_introduce(struct trace_run *run, const struct run_words *words,
			uint64_t first_wall_ns)
{
	if (run->first_wall_ns)
		return 0;
	if (keep_word(&run->service, words->service, RUN_SERVICE_MAX) < 0 ||
	    keep_word(&run->name, words->name, RUN_NAME_MAX) < 0) {
		forget_words(run);
		return -ENOMEM;
	}
	run->first_wall_ns = first_wall_ns ? first_wall_ns : 1;
	return 0;
}

/* Something new belongs to the run: it is not over any more. */
static void trace_run_touch(struct trace_run_table *table, struct trace_run *run,
			    uint64_t now_ns)
{
	trace_run_leave(table, run);
	run->flags &= ~(uint32_t)RUN_OVER;
	run->active_mono_ns = now_ns;
}

void trace_run_span_opened(struct trace_run_table *table, struct trace_run *run,
			   uint64_t now_ns)
{
	trace_run_touch(table, run, now_ns);
	run->open++;
	run->spans++;
}

void trace_run_span_closed(struct trace_run_table *table, struct trace_run *run,
			   uint64_t number, uint64_t now_ns)
{
	trace_run_touch(table, run, now_ns);
	run->open--;
	if (number > run->last_number)
		run->last_number = number;
	trace_run_place(table, run);
}

void trace_run_span_added(struct trace_run_table *table, struct trace_run *run, uint64_t number,
			  uint64_t now_ns)
{
	trace_run_touch(table, run, now_ns);
	if (number > run->last_number)
		run->last_number = number;
	trace_run_place(table, run);
}

void trace_run_writer_left(struct trace_run_table *table, struct trace_run *run)
{
	if (run->writers)
		run->writers--;
	if (run->writers || !(run->flags & RUN_ENDED) || (run->flags & RUN_OVER) ||
	    !list_linked(&run->state))
		return;
	list_move(&table->due, &run->state);
}

void trace_run_changed(struct trace_run_table *table, struct trace_run *run)
{
	trace_run_unsaved(table, run);
}

void trace_run_end(struct trace_run_table *table, struct trace_run *run, uint64_t now_ns)
{
	trace_run_touch(table, run, now_ns);
	run->flags |= RUN_ENDED;
	trace_run_place(table, run);
}

/* ---- saving ---- */

static int trace_run_save(struct trace_run_table *table, struct trace_run *run)
{
	struct trace_run_state state = {
		.boot = run->boot,
		.offset_ns = run->offset_ns,
		.first_wall_ns = run->first_wall_ns,
		.last_number = run->last_number,
		.flags = run->flags & RUN_STATE_FLAGS,
		.service_length = run->service ? (uint16_t)strlen(run->service) : 0,
		.name_length = run->name ? (uint16_t)strlen(run->name) : 0,
	};
	uint64_t segment;
	int r;

	buf_reset(&table->scratch);
	(void)buf_append(&table->scratch, &state, sizeof state); /* asked below */
	(void)buf_append(&table->scratch, run->service, state.service_length);
	(void)buf_append(&table->scratch, run->name, state.name_length);
	(void)buf_append(&table->scratch, &run->ledger, sizeof run->ledger);
	if (buf_failed(&table->scratch))
		return -ENOMEM;
	r = table->ops.save(table->ops.arg, run->trace_id, buf_bytes(&table->scratch),
			    &segment);
	if (r < 0)
		return r;
	run->segment = segment;
	run->flags &= ~(uint32_t)RUN_UNSAVED;
	if (!(run->flags & RUN_UNSEEN))
		list_move(&table->saved, &run->saved);
	if (run->flags & RUN_OVER) {
		/* Its file has a name by now. */
		forget_words(run);
	}
	return 0;
}

/* False: it is tried again. What was begun by a START that found no memory has
 * nothing to be known by: the next START introduces it. */
static bool trace_run_say_seen(struct trace_run_table *table, struct trace_run *run)
{
	struct run_words words = {bytes_of(run->service ?: ""), bytes_of(run->name ?: "")};

	if (!run->first_wall_ns || table->ops.seen(table->ops.arg, run->trace_id, &words,
						   run->first_wall_ns, run->user) < 0)
		return false;
	run->flags &= ~(uint32_t)RUN_UNSEEN;
	table->seen_count++;
	return true;
}

int trace_run_table_introduce(struct trace_run_table *table)
{
	struct list *node, *next;
	int work = 0;

	table->save_failed = false;
	for (node = table->unsaved.next; node != &table->unsaved; node = next) {
		struct trace_run *run = list_entry(node, struct trace_run, saved);

		next = node->next;
		if (run->flags & RUN_UNSEEN)
			work += trace_run_say_seen(table, run);
		if (!(run->flags & RUN_UNSAVED)) {
			if (!(run->flags & RUN_UNSEEN))
				list_move(&table->saved, &run->saved);
			continue;
		}
		if (table->save_failed)
			continue;
		table->save_failed = trace_run_save(table, run) < 0;
		work += !table->save_failed;
	}
	return work;
}

/* ---- being over ---- */

static void trace_run_say_over(struct trace_run_table *table, struct trace_run *run)
{
	trace_run_leave(table, run);
	run->flags |= RUN_OVER;
	trace_run_unsaved(table, run);
	trace_run_place(table, run);
	table->over_said++;
	table->ops.over(table->ops.arg, run->trace_id, run->last_number,
			run->flags & RUN_ENDED);
}

static int trace_run_table_say_over(struct trace_run_table *table, struct list *list,
				    uint64_t now_ns, uint64_t timeout_ns)
{
	struct list *node;
	int work = 0;

	while ((node = list_first(list))) {
		struct trace_run *run = list_entry(node, struct trace_run, state);

		/* `now_ns` may lie before: it is from the beginning of the turn. */
		if (now_ns < run->active_mono_ns + timeout_ns &&
		    table->quiet_count <= RUNS_QUIET_MAX)
			break;
		trace_run_say_over(table, run);
		work++;
	}
	return work;
}

static void trace_run_forget(struct trace_run_table *table, struct trace_run *run)
{
	trace_run_leave(table, run);
	list_unlink(&run->saved);
	map_remove(&table->runs, run->trace_id);
	trace_run_free(run);
	table->forgotten++;
}

static void trace_run_table_forget(struct trace_run_table *table, uint64_t now_ns)
{
	struct list *node;

	while ((node = list_first(&table->over))) {
		struct trace_run *run = list_entry(node, struct trace_run, state);

		if (now_ns < run->active_mono_ns + table->forget_ns &&
		    table->over_count <= RUNS_OVER_MAX)
			break;
		trace_run_forget(table, run);
	}
}

int trace_run_table_tick(struct trace_run_table *table, uint64_t now_ns)
{
	int work = trace_run_table_introduce(table);

	work += trace_run_table_say_over(table, &table->due, now_ns, 0);
	work += trace_run_table_say_over(table, &table->ending, now_ns, RUN_ENDING_NS);
	work += trace_run_table_say_over(table, &table->quiet, now_ns, table->idle_timeout_ns);
	trace_run_table_forget(table, now_ns);
	return work;
}

static uint64_t due_of(const struct list *list, uint64_t timeout_ns)
{
	const struct list *node = list_first(list);

	if (!node)
		return UINT64_MAX;
	return list_entry(node, const struct trace_run, state)->active_mono_ns + timeout_ns;
}

uint64_t trace_run_table_next_due(const struct trace_run_table *table, uint64_t now_ns)
{
	uint64_t due = due_of(&table->quiet, table->idle_timeout_ns);
	uint64_t ending = due_of(&table->ending, RUN_ENDING_NS);
	uint64_t forget = due_of(&table->over, table->forget_ns);

	if (!list_empty(&table->due))
		return now_ns;
	if (!list_empty(&table->unsaved))
		return table->save_failed ? now_ns + RUN_RETRY_NS : now_ns;
	if (ending < due)
		due = ending;
	return due < forget ? due : forget;
}

void trace_run_table_flush(struct trace_run_table *table, uint64_t now_ns)
{
	(void)trace_run_table_introduce(table); /* how much is not asked here */
	(void)trace_run_table_say_over(table, &table->due, now_ns, 0);
	(void)trace_run_table_say_over(table, &table->ending, now_ns, 0);
	(void)trace_run_table_say_over(table, &table->quiet, now_ns, 0);
	(void)trace_run_table_introduce(table);
}

/* ---- for status ---- */

int trace_run_archived(struct trace_run_table *table, struct trace_run *run, uint64_t spans)
{
	uint64_t before = run->ledger.archived;
	int r;

	if (before == spans)
		return 0;
	run->ledger.archived = spans;
	r = trace_run_save(table, run);
	if (r < 0)
		run->ledger.archived = before;
	return r;
}

static void view_run(const struct trace_run *run,
		     void (*each)(void *arg, const struct run_view *view), void *arg)
{
	struct run_view view = {
		.ledger = run->ledger,
		.open = run->open,
		.over = run->flags & RUN_OVER,
		.complete = run->flags & RUN_ENDED,
	};

	memcpy(view.trace_id, run->trace_id, 16);
	each(arg, &view);
}

void trace_run_table_each(const struct trace_run_table *table, uint32_t max,
			  void (*each)(void *arg, const struct run_view *view), void *arg)
{
	const struct list *lists[] = {&table->unsaved, &table->saved};
	uint32_t shown = 0;

	for (int i = 0; i < 2; i++)
		for (const struct list *node = lists[i]->next; node != lists[i] && shown < max;
		     node = node->next) {
			const struct trace_run *run =
				list_entry(node, const struct trace_run, saved);

			if (run->flags & RUN_OVER)
				continue;
			view_run(run, each, arg);
			shown++;
		}
	for (const struct list *node = table->over.prev; node != &table->over && shown < max;
	     node = node->prev, shown++)
		view_run(list_entry(node, const struct trace_run, state), each, arg);
}

/* ---- recovery ---- */

/* False: a frame of an agent that kept no ledger. */
static bool recover_ledger(struct trace_run *run, struct bytes state)
{
	struct run_ledger ledger = {0};

	if (!state.len)
		return false;
	memcpy(&ledger, state.at, state.len < sizeof ledger ? state.len : sizeof ledger);
	run->ledger = ledger;
	return true;
}

/* Open spans that the ledger does not know of, or the other way round. */
static int64_t ledger_gap(const struct trace_run *run)
{
	const struct run_ledger *l = &run->ledger;

	return (int64_t)(run->open + l->finished + l->dropped_invalid + l->lost_in_log) -
	       (int64_t)(l->started + l->received + l->found_again + l->corrected);
}

void trace_run_table_recovered(struct trace_run_table *table)
{
	size_t at = 0;
	void *value;

	while (map_next(&table->runs, &at, &value)) {
		struct trace_run *run = value;
		int64_t gap = ledger_gap(run);

		if (gap > 0)
			run->ledger.found_again += (uint64_t)gap;
		else
			run->ledger.lost_in_log += (uint64_t)-gap;
	}
}

int trace_run_recover(struct trace_run_table *table, const uint8_t trace_id[16],
		      struct bytes state, uint64_t segment, uint64_t now_ns)
{
	struct trace_run_state saved;
	struct run_words words;
	struct trace_run *run;

	if (state.len < sizeof saved)
		return -EBADMSG;
	memcpy(&saved, state.at, sizeof saved);
	state = (struct bytes){state.at + sizeof saved, state.len - sizeof saved};
	if (saved.service_length > RUN_SERVICE_MAX || saved.name_length > RUN_NAME_MAX ||
	    (size_t)saved.service_length + saved.name_length > state.len)
		return -EBADMSG;
	words.service = (struct bytes){state.at, saved.service_length};
	words.name = (struct bytes){state.at + saved.service_length, saved.name_length};
	run = trace_run_get(table, trace_id, now_ns);
	if (!run)
		return -ENOMEM;
	trace_run_leave(table, run);
	run->boot = saved.boot;
	run->offset_ns = saved.offset_ns;
	run->first_wall_ns = 0;
	forget_words(run);
	if (saved.first_wall_ns && trace_run_introduce(run, &words, saved.first_wall_ns) < 0)
		return -ENOMEM;
	if (saved.last_number > run->last_number)
		run->last_number = saved.last_number;
	run->segment = segment;
	state = (struct bytes){words.name.at + words.name.len,
			       state.len - words.service.len - words.name.len};
	/* Over with spans open cannot be: their STARTs came before it. */
	run->flags = (saved.flags & RUN_STATE_FLAGS) | RUN_UNSEEN;
	if (recover_ledger(run, state))
		run->flags |= RUN_COUNTED;
	if (run->open)
		run->flags &= ~(uint32_t)RUN_OVER;
	/* Whoever takes runs may have missed it: it is told again, unless the
	 * run is over and so long known. */
	if (run->flags & RUN_OVER)
		run->flags &= ~(uint32_t)RUN_UNSEEN;
	list_move(run->flags & RUN_UNSEEN ? &table->unsaved : &table->saved, &run->saved);
	trace_run_place(table, run);
	/* A long log has many more runs than were remembered at a time. */
	trace_run_table_forget(table, now_ns);
	return 0;
}

static int carry_list(struct trace_run_table *table, struct list *list, uint64_t segment)
{
	/* What is carried goes to the end of a list, behind this one. */
	const struct list *last = list->prev;
	struct list *node, *next;
	bool done = list_empty(list);
	int r;

	for (node = list->next; !done; node = next) {
		struct trace_run *run = list_entry(node, struct trace_run, saved);

		next = node->next;
		done = node == last;
		if (run->segment > segment && !(run->flags & RUN_UNSAVED))
			continue;
		r = trace_run_save(table, run);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What is not saved yet may be known from old records alone. */
int trace_run_table_carry(struct trace_run_table *table, uint64_t segment)
{
	int r;

	r = carry_list(table, &table->unsaved, segment);
	if (r < 0)
		return r;
	return carry_list(table, &table->saved, segment);
}
