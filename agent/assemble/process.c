#include "assemble/process.h"

#include <errno.h>
#include <stdlib.h>

#include "assemble/stage.h"
#include "otlp/process_key.h"

/* The payload of a PROCESS frame behind its key. */
struct process_state {
	uint32_t how; /* enum process_how */
	int32_t number;
	uint64_t refused;
};
_Static_assert(sizeof(struct process_state) == 16, "PROCESS");

void process_table_init(struct process_table *table, uint64_t seed)
{
	*table = (struct process_table){0};
	map_init(&table->processes, sizeof(struct process_key), seed);
	list_init(&table->ended);
	list_init(&table->unsaved);
}

static void process_free(struct process *process)
{
	free(process->refusals);
	free(process);
}

void process_table_fini(struct process_table *table)
{
	size_t at = 0;
	void *process;

	while (map_next(&table->processes, &at, &process))
		process_free(process);
	map_fini(&table->processes);
}

static struct process *process_get(struct process_table *table, const struct process_key *key)
{
	struct process *process = map_get(&table->processes, key);

	if (process)
		return process;
	process = calloc(1, sizeof *process);
	if (!process)
		return NULL;
	process->key = *key;
	list_init(&process->among);
	list_init(&process->to_save);
	if (map_put(&table->processes, key, process) < 0) {
		free(process);
		return NULL;
	}
	return process;
}

/* ---- its life ---- */

static void join_ended(struct assemble *a, struct process *process)
{
	process->ended_mono_ns = a->clock.mono_ns;
	a->processes.ended_count += !list_linked(&process->among);
	list_move(&a->processes.ended, &process->among);
}

static void leave_ended(struct process_table *table, struct process *process)
{
	table->ended_count -= list_linked(&process->among);
	list_unlink(&process->among);
}

static void forget(struct process_table *table, struct process *process)
{
	if (process->source)
		process->source->process = NULL;
	leave_ended(table, process);
	list_unlink(&process->to_save);
	(void)map_remove(&table->processes, &process->key); /* itself */
	process_free(process);
}

/* Of one that ended its tracing and begins again, the later ring counts. */
static void attach(struct assemble *a, struct process *process, struct source *source)
{
	if (process->source)
		process->source->process = NULL;
	process->source = source;
	source->process = process;
	process->end = (struct process_end){PROCESS_ALIVE, 0};
	leave_ended(&a->processes, process);
	process_refused(a, source);
	if (source->dead)
		process_ends(a, source);
}

void process_see(struct assemble *a, struct source *source)
{
	struct bytes resource, schema_url;
	struct process_key key;
	struct process *process;
	int r;

	if (source->process && source->resource_encoded)
		return;
	/* Its resource is another one now. */
	process_leave(a, source);
	if (!source->identified || !source->resource_record.len)
		return;
	r = source_resource(source, &resource, &schema_url);
	if (r < 0)
		return;
	a->counters.limits.depth += (unsigned)r;
	if (!otlp_process_key(&key, resource))
		return;
	process = process_get(&a->processes, &key);
	if (process)
		attach(a, process, source);
}

void process_ends(struct assemble *a, struct source *source)
{
	struct process *process = source->process;

	if (!process)
		return;
	process->end = death_end(source);
	join_ended(a, process);
	list_move(&a->processes.unsaved, &process->to_save);
}

void process_leave(struct assemble *a, struct source *source)
{
	struct process *process = source->process;

	if (!process)
		return;
	source->process = NULL;
	process->source = NULL;
	if (process->end.how != PROCESS_ALIVE)
		return;
	process->end.how = PROCESS_UNKNOWN;
	join_ended(a, process);
}

/* ---- refusals ---- */

/* The two oldest are one, as late as the later: rather too many calls are a run's than too
 * few. */
static void merge_oldest(struct process *process)
{
	struct refusal *at = process->refusals;

	at[1].calls += at[0].calls;
	memmove(at, at + 1, --process->refusal_count * sizeof *at);
}

static int add_refusal(struct process *process, uint64_t mono_ns, uint64_t calls)
{
	if (!process->refusals)
		process->refusals = calloc(PROCESS_REFUSALS_MAX, sizeof *process->refusals);
	if (!process->refusals)
		return -ENOMEM;
	if (process->refusal_count == PROCESS_REFUSALS_MAX)
		merge_oldest(process);
	process->refusals[process->refusal_count++] = (struct refusal){mono_ns, calls};
	return 0;
}

void process_refused(struct assemble *a, struct source *source)
{
	uint64_t calls = source->refused - source->refused_told;

	if (!source->process || calls == 0 ||
	    add_refusal(source->process, a->clock.mono_ns, calls) < 0)
		return;
	source->refused_told = source->refused;
}

static uint64_t refused_since(const struct process *process, uint64_t since_mono_ns)
{
	uint64_t calls = 0;

	for (uint32_t i = 0; i < process->refusal_count; i++)
		if (process->refusals[i].mono_ns >= since_mono_ns)
			calls += process->refusals[i].calls;
	return calls;
}

void process_look(const struct process_table *table, const struct process_key *key,
		  uint64_t since_mono_ns, struct process_view *ret_view)
{
	const struct process *process = map_get(&table->processes, key);

	*ret_view = (struct process_view){.end = {PROCESS_UNKNOWN, 0}};
	if (!process)
		return;
	ret_view->end = process->end;
	ret_view->refused = refused_since(process, since_mono_ns);
}

/* ---- the log ---- */

static int save(struct assemble *a, struct process *process)
{
	struct process_state state = {
		.how = process->end.how,
		.number = process->end.number,
		.refused = refused_since(process, 0),
	};
	uint64_t segment = 0;
	int r = 0;

	if (a->ops.process_state)
		r = a->ops.process_state(a->ops.arg, &process->key,
					 (struct bytes){(const uint8_t *)&state, sizeof state},
					 &segment);
	if (r < 0)
		return r;
	process->segment = segment;
	list_unlink(&process->to_save);
	return 0;
}

static void forget_old(struct assemble *a)
{
	struct process_table *table = &a->processes;
	struct list *oldest;

	while ((oldest = list_first(&table->ended)) != NULL) {
		struct process *process = list_entry(oldest, struct process, among);

		if (a->clock.mono_ns < process->ended_mono_ns + a->options.run_forget_ns &&
		    table->ended_count <= PROCESSES_ENDED_MAX)
			return;
		forget(table, process);
	}
}

int process_tick(struct assemble *a)
{
	struct list *node;
	int work = 0;

	while ((node = list_first(&a->processes.unsaved)) != NULL) {
		if (save(a, list_entry(node, struct process, to_save)) < 0)
			break; /* the log takes it later */
		work++;
	}
	forget_old(a);
	return work;
}

int process_carry(struct assemble *a, uint64_t segment)
{
	struct list *node;

	for (node = a->processes.ended.next; node != &a->processes.ended; node = node->next) {
		struct process *process = list_entry(node, struct process, among);
		int r;

		if (!process->segment || process->segment > segment)
			continue;
		r = save(a, process);
		if (r < 0)
			return r;
	}
	return 0;
}

int process_recover(struct assemble *a, const struct process_key *key, struct bytes payload,
		    uint64_t segment)
{
	struct process_state state;
	struct process *process;

	if (payload.len < sizeof state)
		return -EBADMSG;
	memcpy(&state, payload.at, sizeof state);
	process = process_get(&a->processes, key);
	if (!process)
		return -ENOMEM;
	if (state.how <= PROCESS_SHUTDOWN)
		process->end = (struct process_end){(enum process_how)state.how, state.number};
	process->segment = segment;
	process->refusal_count = 0;
	if (state.refused && add_refusal(process, UINT64_MAX, state.refused) < 0)
		return -ENOMEM;
	join_ended(a, process);
	return 0;
}
