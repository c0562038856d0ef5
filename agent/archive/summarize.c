/* The summary of a run that is about to be sealed: what its spans add up to, what others
 * know of it, and what its file said when it was read back, because whoever knew that may
 * have forgotten it (a run may be reopened hours later, by another agent). */
#include "archive/stage.h"
#include "archive/summary.h"
#include "otlp/keys.h"
#include "otlp/pb.h"
#include "otlp/process_key.h"

#include <errno.h>
#include <stdlib.h>

#define RESOURCE_ATTRIBUTES 1

/* --- what the root span said ---------------------------------------------- */

static void keep_text(struct buf *kept, struct bytes text)
{
	buf_reset(kept);
	/* The summary has no more of it. Without memory it has none. */
	if (text.len > SUMMARY_TEXT_MAX + 4)
		text.len = SUMMARY_TEXT_MAX + 4;
	(void)buf_append(kept, text.at, text.len);
}

void summarize_note(struct run *run, const struct span_facts *facts)
{
	struct run_said *said = &run->said;

	if (facts->parent_id || (!facts->run_name.len && !facts->goal.len))
		return;
	/* Of several roots the first one, in whatever order they come. */
	if (said->any && said->start_ns <= facts->start_ns)
		return;
	said->any = true;
	said->start_ns = facts->start_ns;
	keep_text(&said->name, facts->run_name);
	keep_text(&said->goal, facts->goal);
}

/* --- what its file said ---------------------------------------------------- */

struct process_before {
	struct process_key key;
	char how[SUMMARY_HOW_BYTES];
};

struct run_before {
	struct summary_before said;
	uint32_t process_count;
	uint32_t found; /* where the last one was */
	struct process_before processes[];
};

void summarize_forget(struct run *run)
{
	free(run->before);
	run->before = NULL;
	buf_fini(&run->said.name);
	buf_fini(&run->said.goal);
	run->said.any = false;
}

static void take_how(void *arg, uint32_t place, struct bytes how)
{
	struct run_before *before = arg;

	if (place < before->process_count && how.len < SUMMARY_HOW_BYTES) {
		memcpy(before->processes[place].how, how.at, how.len);
		before->processes[place].how[how.len] = '\0';
	}
}

/* Groups were made in the order of the file. */
static void take_keys(struct run_before *before, const struct groups *groups)
{
	for (uint32_t i = 0; i < groups->count; i++)
		if (groups->at[i].resource == i)
			(void)otlp_process_key(&before->processes[before->process_count++].key,
					       group_resource(&groups->at[i]));
}

int summarize_remember(struct run *run, const struct groups *groups, struct bytes summary)
{
	struct run_before *before =
		calloc(1, sizeof(*before) + groups->count * sizeof(before->processes[0]));

	if (!before)
		return -ENOMEM;
	take_keys(before, groups);
	summary_read(&before->said, summary);
	summary_each_how(summary, take_how, before);
	run->complete |= before->said.end_said;
	free(run->before);
	run->before = before;
	return 0;
}

/* What was known of a process before is searched for behind the last one found: both
 * files have them in one order. */
static const char *how_before(struct run_before *before, const struct process_key *key)
{
	for (uint32_t n = 0; before && n < before->process_count; n++) {
		uint32_t i = (before->found + n) % before->process_count;

		if (memcmp(&before->processes[i].key, key, sizeof(*key)) != 0)
			continue;
		before->found = i + 1;
		return before->processes[i].how;
	}
	return "";
}

/* --- its processes ---------------------------------------------------------- */

static bool ends_with(struct bytes text, const char *end)
{
	size_t len = strlen(end);

	return text.len > len && memcmp(text.at + text.len - len, end, len) == 0;
}

/* The first name it has: `<service>.module`, its program's, its service's. */
static struct bytes module_of(struct bytes resource)
{
	struct pb_reader reader = pb_read(resource);
	struct bytes program = {NULL, 0}, service = {NULL, 0};
	struct pb_field field;

	while (pb_next(&reader, &field) > 0) {
		struct bytes key;

		if (field.number != RESOURCE_ATTRIBUTES || field.wire != PB_BYTES)
			continue;
		key = key_of(field.bytes);
		if (ends_with(key, ".module") && attribute_text(field.bytes).len)
			return attribute_text(field.bytes);
		if (bytes_equal(key, bytes_of("process.executable.name")))
			program = attribute_text(field.bytes);
		else if (bytes_equal(key, bytes_of("service.name")))
			service = attribute_text(field.bytes);
	}
	if (program.len)
		return program;
	return service.len ? service : bytes_of("unknown");
}

/* Returns what it was refused. */
static uint64_t look_at_process(struct run *run, const struct group *group,
				struct summary_process *process)
{
	const struct archive_ops *ops = &run->archive->ops;
	struct process_account account = {.end = {PROCESS_UNKNOWN, 0}};
	struct process_key key;
	const char *before;

	process->module = module_of(group_resource(group));
	if (!otlp_process_key(&key, group_resource(group))) {
		summary_how(process->how, account.end);
		return 0;
	}
	if (ops->process)
		ops->process(ops->arg, run->trace_id, &key, &account);
	summary_how(process->how, account.end);
	before = how_before(run->before, &key);
	if (!summary_how_is_final(process->how) && *before && summary_how_is_final(before))
		memcpy(process->how, before, SUMMARY_HOW_BYTES);
	return account.refused;
}

static struct summary_process *look_at_processes(struct run *run, const struct seal *seal,
						 uint64_t *ret_refused)
{
	struct summary_process *processes =
		calloc(seal->tally.resource_count, sizeof(*processes));

	*ret_refused = 0;
	for (uint32_t i = 0; processes && i < seal->tally.resource_count; i++)
		*ret_refused += look_at_process(
			run, &run->spool.groups.at[seal->tally.resources[i]], &processes[i]);
	return processes;
}

/* --- all of it ---------------------------------------------------------------- */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Others count from when the run began, as the file did; the file may have seen more of it. */
static void take_account(struct run *run, struct summary *summary)
{
	const struct archive_ops *ops = &run->archive->ops;
	struct run_account account = {0};

	if (ops->account && !ops->account(ops->arg, run->trace_id, &account))
		summary->account_lost = true;
	summary->dropped_spans = account.dropped_spans;
	summary->dropped_records += account.dropped_records;
	if (!run->before)
		return;
	summary->account_lost |= run->before->said.account_lost;
	summary->dropped_spans =
		larger(summary->dropped_spans, run->before->said.dropped_spans);
	summary->dropped_records =
		larger(summary->dropped_records, run->before->said.dropped_records);
}

int summarize(struct run *run, struct seal *seal)
{
	const struct tally *tally = &seal->tally;
	uint64_t refused;
	struct summary_process *processes = look_at_processes(run, seal, &refused);
	struct summary summary = {
		.trace_id = run->trace_id,
		.name = buf_bytes(&run->said.name),
		.goal = buf_bytes(&run->said.goal),
		.end_said = run->complete,
		.spans = seal->count,
		.errors = tally->errors,
		.ended_by_us = tally->ended_by_us,
		.dropped_records = refused,
		.input_tokens = tally->input_tokens,
		.output_tokens = tally->output_tokens,
		.start_ns = tally->start_ns,
		.end_ns = tally->end_ns,
		.processes = processes,
		.process_count = tally->resource_count,
	};
	struct buf attributes = BUF_INIT;
	int r = processes ? 0 : -ENOMEM;

	take_account(run, &summary);
	if (r == 0)
		r = summary_write(&attributes, &summary);
	if (r < 0)
		seal_fini(seal);
	else
		r = seal_summarize(seal, buf_bytes(&attributes));
	buf_fini(&attributes);
	free(processes);
	return r;
}
