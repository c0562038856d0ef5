/* A span from a process of its own, through the real ring and agent, to a file. */
#include <errno.h>
#include <inttypes.h>
#include <spanring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent_client.h"
#include "doctor.h"

#define FLUSH_MS 5000
#define SEAL_MS 20000
#define POLL_NS 20000000

/* What the child found, sent by a pipe. */
struct outcome {
	char trace_id[33];
	int error; /* of init, or of recording */
	int flush;
	uint64_t flush_us;
	char reason[128], path[256];
};

static uint64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int record(struct outcome *outcome)
{
	char traceparent[SPANRING_TRACEPARENT_SIZE];
	struct spanring_context context;
	struct spanring_span root;
	int r;

	r = spanring_run_begin(&root, "spanring doctor", NULL);
	if (r == 0)
		r = spanring_set_string(&root, "spanring.doctor", "a test; may be removed");
	if (r == 0)
		r = spanring_span_context(&root, &context);
	if (r == 0)
		r = spanring_context_format(&context, traceparent);
	if (r == 0)
		(void)snprintf(outcome->trace_id, sizeof outcome->trace_id, "%.32s",
			       traceparent + 3);
	return r < 0 ? r : spanring_run_end(&root);
}

static void child(const struct doctor *doctor, int pipe_fd)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct spanring_report report = SPANRING_REPORT_INIT;
	struct outcome outcome = {.flush = -ECANCELED};
	uint64_t began_us;

	/* A trace of its own, whatever trace this command may be part of. */
	(void)unsetenv("TRACEPARENT");
	(void)unsetenv("SPANRING_CONTEXT_FILE");
	options.service_name = "spanring-doctor";
	options.directory = doctor->ring_dir;
	outcome.error = spanring_init(&options);
	if (outcome.error == 0)
		outcome.error = record(&outcome);
	if (outcome.error == 0) {
		began_us = now_us();
		outcome.flush = spanring_flush(FLUSH_MS);
		outcome.flush_us = now_us() - began_us;
	}
	(void)spanring_state(&report);
	(void)snprintf(outcome.reason, sizeof outcome.reason, "%s",
		       spanring_reason_text(report.reason));
	(void)snprintf(outcome.path, sizeof outcome.path, "%s", report.path);
	(void)!write(pipe_fd, &outcome, sizeof outcome);
	_exit(0);
}

static bool run_child(const struct doctor *doctor, struct outcome *ret_outcome)
{
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	(void)fflush(stdout);
	if (pipe(fds) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child(doctor, fds[1]);
	}
	close(fds[1]);
	n = pid < 0 ? -1 : read(fds[0], ret_outcome, sizeof *ret_outcome);
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof *ret_outcome;
}

/* 1: `ret_path` is the file; 0: not in time. */
static int wait_sealed(const struct doctor *doctor, const char *trace_id,
		       char ret_path[PATH_MAX])
{
	/* The same question that `spanring run` asks its own agent. */
	struct private_agent agent = {.pid = -1};

	(void)snprintf(agent.ring_dir, sizeof agent.ring_dir, "%s", doctor->ring_dir);
	return private_agent_wait_sealed(&agent, trace_id, SEAL_MS, ret_path);
}

static void look_at_archive(struct doctor *doctor, const struct outcome *outcome)
{
	char path[PATH_MAX];

	if (!doctor->status) {
		doctor_say(doctor, DOCTOR_OK, "archived", NULL,
			   "not asked: this user may not ask the agent");
		return;
	}
	if (!json_object_get(doctor->status, "archive"))
		return; /* said already */
	if (wait_sealed(doctor, outcome->trace_id, path))
		doctor_say(doctor, DOCTOR_OK, "archived", NULL, "%s", path);
	else
		doctor_say(doctor, DOCTOR_FAIL, "archived",
			   "Look at archive.dir and at the agent's log; archive.min_spans and "
			   "archive.roots may leave such a run out.",
			   "trace %s was logged, and is in no file after %d s",
			   outcome->trace_id, SEAL_MS / 1000);
}

void doctor_round_trip(struct doctor *doctor)
{
	struct outcome outcome = {.error = -EIO};

	if (!*doctor->ring_dir || !doctor->agent_is_there) {
		doctor_say(doctor, DOCTOR_FAIL, "recorded", "Start spanringd first.",
			   "not tried without an agent");
		return;
	}
	if (!run_child(doctor, &outcome)) {
		doctor_say(doctor, DOCTOR_FAIL, "recorded",
			   "Report it; with SPANRING_LOG=stderr the library may say more.",
			   "the test process did not finish");
		return;
	}
	if (outcome.error < 0) {
		doctor_say(doctor, DOCTOR_FAIL, "recorded",
			   "Mend what is said of the ring directory above; SPANRING_LOG=stderr "
			   "has the library tell more.",
			   "%s: %s (%s)", strerror(-outcome.error), outcome.reason,
			   outcome.path);
		return;
	}
	doctor_say(doctor, DOCTOR_OK, "recorded", NULL, "trace %s", outcome.trace_id);
	if (outcome.flush < 0) {
		doctor_say(doctor, DOCTOR_FAIL, "logged",
			   "The agent does not drain this ring; `spanring status` and its log "
			   "say why.",
			   "not after %d s: %s", FLUSH_MS / 1000, strerror(-outcome.flush));
		return;
	}
	doctor_say(doctor, DOCTOR_OK, "logged", NULL, "after %" PRIu64 ".%" PRIu64 " ms",
		   outcome.flush_us / 1000, outcome.flush_us / 100 % 10);
	look_at_archive(doctor, &outcome);
}
