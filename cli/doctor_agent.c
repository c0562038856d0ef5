/* The agent: is it there, is it well, do its numbers add up. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent_client.h"
#include "agent_http.h"
#include "base/env_kernel.h"
#include "doctor.h"
#include "numbers.h"
#include "pipeline_view.h"
#include "wire/abi.h"

#define LEDGER_TRIES 10
#define LEDGER_PAUSE_NS 100000000

static bool page_is_locked(const struct doctor *doctor)
{
	char path[PATH_MAX + 16];
	int fd, r;

	(void)snprintf(path, sizeof path, "%s/%s", doctor->ring_dir, WIRE_PAGE_NAME);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	r = env_kernel_locked(NULL, fd);
	close(fd);
	return r == 1;
}

static void say_absent(struct doctor *doctor, int error)
{
	doctor->agent_is_there = page_is_locked(doctor);
	if (!doctor->agent_is_there)
		doctor_say(doctor, DOCTOR_FAIL, "agent",
			   "Start spanringd. Programs record into their rings meanwhile, until "
			   "those are full.",
			   "none serves %s", *doctor->ring_dir ? doctor->ring_dir : "anything");
	else if (error == -EACCES || error == -EPERM)
		doctor_say(doctor, DOCTOR_WARN, "agent",
			   "Its socket is for its owner and group: run this as one of them to "
			   "see more.",
			   "it is there, but this user may not ask it");
	else
		doctor_say(doctor, DOCTOR_FAIL, "agent",
			   "Look at its log; if it hangs, kill it and start it again: nothing "
			   "is lost.",
			   "it is there and does not answer: %s", strerror(-error));
}

static void say_present(struct doctor *doctor)
{
	json_t *agent = json_object_get(doctor->status, "agent");
	const char *version = json_string_value(json_object_get(agent, "version")) ?: "?";
	const char *io = json_string_value(json_object_get(agent, "io")) ?: "?";
	json_int_t pid = json_integer_value(json_object_get(agent, "pid"));

	if (strcmp(version, SPANRING_VERSION) == 0)
		doctor_say(doctor, DOCTOR_OK, "agent", NULL,
			   "pid %" JSON_INTEGER_FORMAT ", version %s, syncs by %s", pid,
			   version, io);
	else
		doctor_say(doctor, DOCTOR_WARN, "agent",
			   "Restart it after an upgrade; rings and log are kept.",
			   "pid %" JSON_INTEGER_FORMAT " is version %s, this command %s", pid,
			   version, SPANRING_VERSION);
}

/* Its own word, line by line: "fail     unsent otlp  312.0 s of at most ...: why". */
static void look_at_readiness(struct doctor *doctor)
{
	struct buf text = BUF_INIT;
	int http = 0;
	char *at, *line;

	if (agent_get(doctor->ring_dir, "/readyz", &text, &http) < 0 ||
	    buf_append_byte(&text, 0) < 0) {
		buf_fini(&text);
		return;
	}
	at = (char *)text.at;
	while ((line = strsep(&at, "\n"))) {
		if (strncmp(line, "fail", 4) == 0)
			doctor_say(doctor, DOCTOR_FAIL, "ready",
				   "See /readyz and the agent's log.", "%s", line + 9);
		else if (strncmp(line, "degraded", 8) == 0)
			doctor_say(doctor, DOCTOR_WARN, "degraded",
				   "It returns to normal by itself once this is mended.", "%s",
				   line + 9);
	}
	if (http == 200)
		doctor_say(doctor, DOCTOR_OK, "ready", NULL,
			   "nothing waits longer than it may");
	buf_fini(&text);
}

static void look_at_refusals(struct doctor *doctor)
{
	json_t *refused =
		json_object_get(json_object_get(doctor->status, "all_rings"), "refused");
	const char *reason;
	json_t *count;
	json_int_t sum = 0;
	char list[256] = "";

	json_object_foreach (refused, reason, count) {
		size_t len = strlen(list);

		sum += json_integer_value(count);
		(void)snprintf(list + len, sizeof list - len, "%s%s %" JSON_INTEGER_FORMAT,
			       len ? ", " : "", reason, json_integer_value(count));
	}
	if (sum == 0)
		doctor_say(doctor, DOCTOR_OK, "refused calls", NULL, "none");
	else
		doctor_say(
			doctor, DOCTOR_WARN, "refused calls",
			"ring_full: raise SPANRING_RING_MAX, or set SPANRING_WAIT_MS to wait "
			"for room; no_memory: make the tmpfs larger; the others are calls "
			"that spanring.h explains.",
			"%s", list);
}

static void look_at_quarantine(struct doctor *doctor)
{
	json_int_t rings = json_integer_value(
		json_object_get(json_object_get(doctor->status, "drain"), "rings_quarantined"));

	if (rings)
		doctor_say(doctor, DOCTOR_WARN, "quarantined rings",
			   "A program wrote over its own ring; the agent's log names the "
			   "process.",
			   "%" JSON_INTEGER_FORMAT, rings);
}

static void look_at_export(struct doctor *doctor)
{
	json_t *destination;
	size_t i;

	json_array_foreach (json_object_get(doctor->status, "export"), i, destination) {
		const char *where =
			json_string_value(json_object_get(destination, "authority"));
		const char *error =
			json_string_value(json_object_get(destination, "last_error"));
		json_int_t unsent = json_integer_value(json_object_get(destination, "unsent"));
		bool connected = json_is_true(json_object_get(destination, "connected"));

		if (connected || unsent == 0)
			doctor_say(doctor, DOCTOR_OK, "collector", NULL, "%s, %s", where ?: "?",
				   connected ? "connected" : "nothing to send");
		else
			doctor_say(
				doctor, DOCTOR_WARN, "collector",
				"Start it, or name another with --endpoint; spans wait in the "
				"log, and are archived all the same.",
				"%s, not connected, %" JSON_INTEGER_FORMAT " spans wait: %s",
				where ?: "?", unsent, error ?: "");
	}
}

/* 0: it may not be looked at. */
static uint64_t descriptors_of(json_int_t pid)
{
	char path[64], line[256];
	uint64_t soft = 0;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%" JSON_INTEGER_FORMAT "/limits", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file))
		if (strncmp(line, "Max open files", 14) == 0)
			soft = strtoull(line + 14, NULL, 10);
	if (file)
		(void)fclose(file);
	return soft;
}

static void look_at_descriptors(struct doctor *doctor)
{
	uint64_t soft = descriptors_of(json_integer_value(
		json_object_get(json_object_get(doctor->status, "agent"), "pid")));

	if (soft == 0)
		return;
	if (soft >= 1024)
		doctor_say(doctor, DOCTOR_OK, "its open files", NULL,
			   "at most %" PRIu64 ", for about %" PRIu64 " processes", soft,
			   (soft - 64) / 3);
	else
		doctor_say(doctor, DOCTOR_WARN, "its open files",
			   "It needs about three for each process; raise the limit (ulimit -n, "
			   "LimitNOFILE=) and start it again.",
			   "at most %" PRIu64, soft);
}

void doctor_agent(struct doctor *doctor)
{
	int r = *doctor->ring_dir ? agent_status(doctor->ring_dir, &doctor->status) : -ENOENT;

	if (r < 0) {
		say_absent(doctor, r);
		return;
	}
	doctor->agent_is_there = true;
	say_present(doctor);
	look_at_descriptors(doctor);
	look_at_readiness(doctor);
	look_at_refusals(doctor);
	look_at_quarantine(doctor);
	look_at_export(doctor);
}

/* ---- ledgers ---------------------------------------------------------------------------- */

/* The first that does not add up, or NULL. */
static const char *broken_ledger(json_t *status, uint64_t *ret_in, uint64_t *ret_out)
{
	const struct {
		const char *name;
		struct numbers numbers;
	} ledgers[] = {
		{"all_rings",
		 {json_object_get(status, "all_rings"), {&drain_ring_counter_table}}},
		{"records", {json_object_get(status, "records"), {&assemble_record_table}}},
		{"spans", {json_object_get(status, "spans"), {&assemble_span_table}}},
		{"archive",
		 {json_object_get(status, "archive"),
		  {&archive_counter_table, &archive_view_table}}},
	};

	for (size_t i = 0; i < sizeof ledgers / sizeof ledgers[0]; i++)
		if (ledgers[i].numbers.part &&
		    !numbers_add_up(&ledgers[i].numbers, ret_in, ret_out))
			return ledgers[i].name;
	return NULL;
}

/* What is being written right now is in one column and not yet in another, so it is
 * asked again for a while. */
void doctor_ledgers(struct doctor *doctor)
{
	const char *broken = NULL;
	uint64_t in = 0, out = 0;

	if (!doctor->status)
		return;
	for (int i = 0; i < LEDGER_TRIES; i++) {
		json_t *status;

		if (agent_status(doctor->ring_dir, &status) < 0)
			return;
		broken = broken_ledger(status, &in, &out);
		json_decref(status);
		if (!broken)
			break;
		(void)nanosleep(&(struct timespec){0, LEDGER_PAUSE_NS}, NULL);
	}
	if (!broken)
		doctor_say(doctor, DOCTOR_OK, "ledgers", NULL,
			   "every record and every span is accounted for");
	else
		doctor_say(doctor, DOCTOR_WARN, "ledgers",
			   "Under load this may be what is being written just now; if it stays "
			   "when all is quiet, report it with `spanring status --json`.",
			   "%s: %" PRIu64 " came, %" PRIu64 " are accounted for", broken, in,
			   out);
}
