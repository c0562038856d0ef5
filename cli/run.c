/* spanring run: a command as one traced run. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spanring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_client.h"
#include "base/hex.h"
#include "verbs.h"

#define TEXTS(at) (sizeof(at) / sizeof((at)[0]))
#define FLUSH_MS 5000
#define SEALED_MS 15000
#define UNUSED_MS 2000

struct run {
	const char *name;
	bool is_named; /* by --name */
	const char *goal;
	const char *run_id;
	uint8_t trace_id[16]; /* with run_id */
	const char *archive_dir;
	const char *context_file;
	bool no_agent;
	char **command;

	struct private_agent agent;
	bool has_agent;
	struct spanring_span root;
	pid_t child;
	int status; /* as of wait(2) */
};

static const char help_text[] =
	"usage: spanring run [--name NAME] [--goal TEXT] [--run-id ID] [--archive-dir DIR]\n"
	"                    [--context-file FILE] [--no-agent] -- COMMAND [ARGUMENT]...\n\n"
	"Runs COMMAND as one run: opens the root span of a new trace, hands its place on\n"
	"in TRACEPARENT and in the file trace.context, forwards signals, and ends the root\n"
	"with the command's exit status or signal. What COMMAND starts is below that span,\n"
	"but for a program that begins a run itself and does not ask to join this one.\n\n"
	"If no agent serves the ring directory, a private one is started for this run; the\n"
	"path of the archive it leaves is printed on standard error. It stays as long as a\n"
	"traced process of the run does.\n\n"
	"  --name NAME          the run's name: of its root span, in the summary of its file,\n"
	"                       and service.name unless OTEL_SERVICE_NAME is set [the\n"
	"                       command's name, which the summary leaves out]\n"
	"  --goal TEXT          what the run is for: the attribute user_goal\n"
	"  --run-id ID          the run's trace id, 32 hexadecimal digits, where others have\n"
	"                       to know it beforehand [a new one]; a run of that id that is\n"
	"                       archived already is gone on with\n"
	"  --archive-dir DIR    where a private agent puts the archive [./data]\n"
	"  --context-file FILE  instead of trace.context; '' for none\n"
	"  --no-agent           never start one\n\n"
	"The exit status is the command's; if a signal ended the command, the same signal\n"
	"ends spanring run. 2 usage, 126 and 127 as a shell's.\n";

static int usage(const char *what, const char *argument)
{
	(void)fprintf(stderr, "spanring run: %s%s; see spanring run --help\n", what, argument);
	return 2;
}

static int bad_run_id(const char *text)
{
	(void)fprintf(stderr,
		      "spanring run: --run-id %s: a run's id is a trace id, 32 hexadecimal "
		      "digits that are not all 0; make one of any other name with: printf "
		      "%%s NAME | md5sum | cut -c1-32\n",
		      text);
	return 2;
}

static bool parse_run_id(struct run *run)
{
	static const uint8_t zero[16];

	if (strlen(run->run_id) != 32)
		return false;
	for (int i = 0; i < 32; i++) {
		int digit = hex_digit(run->run_id[i]);

		if (digit < 0)
			return false;
		run->trace_id[i / 2] = (uint8_t)(run->trace_id[i / 2] << 4 | digit);
	}
	return memcmp(run->trace_id, zero, sizeof zero) != 0;
}

/* -1: go on; otherwise the exit code. */
static int parse(struct run *run, int argc, char **argv)
{
	const struct {
		const char *flag;
		const char **at;
	} texts[] = {
		{"--name", &run->name},
		{"--goal", &run->goal},
		{"--run-id", &run->run_id},
		{"--archive-dir", &run->archive_dir},
		{"--context-file", &run->context_file},
	};
	size_t f;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			(void)fputs(help_text, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--no-agent") == 0) {
			run->no_agent = true;
			continue;
		}
		for (f = 0; f < TEXTS(texts) && strcmp(argv[i], texts[f].flag) != 0; f++)
			;
		if (f == TEXTS(texts))
			return usage("unknown argument ", argv[i]);
		if (i + 1 == argc)
			return usage("no value behind ", argv[i]);
		*texts[f].at = argv[++i];
	}
	if (i >= argc)
		return usage("no command given", "");
	run->command = argv + i;
	if (run->run_id && !parse_run_id(run))
		return bad_run_id(run->run_id);
	return -1;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool somebody_serves(void)
{
	char dir[PATH_MAX];
	json_t *status;

	agent_find_directory(dir);
	if (!*dir || agent_status(dir, &status) < 0)
		return false;
	json_decref(status);
	return true;
}

static bool collector_named(void)
{
	const char *traces = getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
	const char *all = getenv("OTEL_EXPORTER_OTLP_ENDPOINT");

	return (traces && *traces) || (all && *all);
}

static void ensure_agent(struct run *run)
{
	struct private_agent_options options = {
		.archive_dir = run->archive_dir,
		.export_too = collector_named(),
	};
	int r;

	if (run->no_agent || somebody_serves())
		return;
	r = private_agent_start(&run->agent, &options);
	if (r < 0) {
		(void)fprintf(stderr,
			      "spanring run: no agent: %s%s; running the command untraced\n",
			      strerror(-r), r == -ENOENT ? " (spanringd was not found)" : "");
		return;
	}
	run->has_agent = true;
	(void)setenv("SPANRING_DIR", run->agent.ring_dir, 1);
}

/* The root span. Tracing that cannot be had never keeps the command from
 * running. */
static void begin(struct run *run)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct spanring_start_options start = SPANRING_START_OPTIONS_INIT;
	struct spanring_run_options how = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_attribute said[2];
	struct spanring_context context;
	int r;

	if (!getenv("OTEL_SERVICE_NAME"))
		options.service_name = run->name;
	options.module = "spanring-run";
	r = spanring_init(&options);
	if (r < 0 && r != -ECANCELED && !(run->no_agent && r == -ENOENT))
		(void)fprintf(stderr, "spanring run: not traced: %s\n", strerror(-r));
	/* Arguments may hold secrets; the program's name is enough. */
	said[0] = spanring_string("spanring.run.command", base_name(run->command[0]));
	said[1] = spanring_string("spanring.run.name", run->name);
	start.attributes = said;
	start.attribute_count = run->is_named ? 2 : 1;
	start.trace_id = run->run_id ? run->trace_id : NULL;
	how.start = &start;
	how.goal = run->goal;
	how.context_file = run->context_file;
	(void)spanring_run_begin(&run->root, run->name, &how);
	if (spanring_span_context(&run->root, &context) == 0)
		(void)spanring_context_to_environment(&context);
}

/* ---- the child --------------------------------------------------------------- */

static void exec_child(const struct run *run, const sigset_t *mask)
{
	int error;

	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	(void)execvp(run->command[0], run->command);
	error = errno;
	(void)fprintf(stderr, "spanring run: %s: %s\n", run->command[0], strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

/* The terminal sends its signals to the command as well as to us; only what
 * was sent to us alone is passed on. */
static void forward(const struct run *run, const siginfo_t *seen)
{
	if (seen->si_code != SI_KERNEL)
		(void)kill(run->child, seen->si_signo);
}

static void wait_child(struct run *run, const sigset_t *set)
{
	siginfo_t seen;

	for (;;) {
		if (sigwaitinfo(set, &seen) < 0)
			continue;
		if (seen.si_signo != SIGCHLD)
			forward(run, &seen);
		else if (waitpid(run->child, &run->status, WNOHANG) == run->child)
			return;
	}
}

static int run_child(struct run *run)
{
	static const int passed[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT,
				     SIGHUP,  SIGUSR1, SIGUSR2};
	sigset_t set, before;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
		(void)sigaddset(&set, passed[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &before);
	run->child = fork();
	if (run->child < 0)
		return -errno;
	if (run->child == 0)
		exec_child(run, &before);
	wait_child(run, &set);
	return 0;
}

/* ---- the end ------------------------------------------------------------------- */

static void end(struct run *run)
{
	char message[64] = "";

	if (WIFSIGNALED(run->status)) {
		(void)snprintf(message, sizeof message, "killed by SIG%s",
			       sigabbrev_np(WTERMSIG(run->status)) ?: "?");
		(void)spanring_set_int(&run->root, "spanring.run.signal",
				       WTERMSIG(run->status));
	} else {
		if (WEXITSTATUS(run->status))
			(void)snprintf(message, sizeof message, "exit status %d",
				       WEXITSTATUS(run->status));
		(void)spanring_set_int(&run->root, "process.exit.code",
				       WEXITSTATUS(run->status));
	}
	(void)spanring_set_status(&run->root,
				  *message ? SPANRING_STATUS_ERROR : SPANRING_STATUS_OK,
				  *message ? message : NULL);
	(void)spanring_run_end(&run->root);
	if (run->has_agent)
		(void)spanring_flush(FLUSH_MS);
}

static void say_other(const char *path)
{
	(void)fprintf(stderr, "spanring: archived %s, a run of its own\n", path);
}

/* A process that lives on is still traced: its agent then stays as long as it does. */
static void finish_agent(struct run *run)
{
	char path[PATH_MAX], trace_id[SPANRING_TRACE_ID_SIZE];
	bool is_sealed;

	if (!run->has_agent)
		return;
	spanring_trace_id_hex(&run->root, trace_id);
	is_sealed = private_agent_wait_sealed(&run->agent, trace_id, SEALED_MS, path);
	(void)spanring_shutdown();
	if (is_sealed)
		(void)fprintf(stderr, "spanring: archived %s\n", path);
	private_agent_others(&run->agent, trace_id, say_other);
	if (private_agent_wait_unused(&run->agent, UNUSED_MS))
		private_agent_stop(&run->agent);
	else
		(void)fprintf(stderr,
			      "spanring: processes that the command started go on; what they "
			      "say is archived in %s until they end\n",
			      run->archive_dir);
}

/* Ends as the command did, so that whoever waits for us sees the same. */
static int end_alike(int status)
{
	struct rlimit no_core = {0, 0};
	sigset_t set;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)signal(WTERMSIG(status), SIG_DFL);
	(void)raise(WTERMSIG(status));
	(void)sigemptyset(&set);
	(void)sigaddset(&set, WTERMSIG(status));
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + WTERMSIG(status);
}

int run_main(int argc, char **argv)
{
	struct run run = {.archive_dir = "./data"};
	int r;

	r = parse(&run, argc, argv);
	if (r >= 0)
		return r;
	if (!run.context_file)
		run.context_file = getenv("SPANRING_CONTEXT_FILE") ?: "trace.context";
	run.is_named = run.name;
	if (!run.name)
		run.name = base_name(run.command[0]);
	ensure_agent(&run);
	begin(&run);
	r = run_child(&run);
	if (r < 0) {
		(void)fprintf(stderr, "spanring run: cannot start a process: %s\n",
			      strerror(-r));
		run.status = 126 << 8;
	}
	end(&run);
	finish_agent(&run);
	return end_alike(run.status);
}
