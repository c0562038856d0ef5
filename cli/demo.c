/* spanring demo: the main job, seen working. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_client.h"
#include "verbs.h"

#define IDLE_MS 20000

struct demo {
	const char *archive_dir;
	char modules[PATH_MAX]; /* where the example programs are */
	char context_file[PATH_MAX];
	struct private_agent agent;
};

static const char help_text[] =
	"usage: spanring demo [--archive-dir DIR]\n\n"
	"Starts an agent on a private directory, runs the three modules of the example\n"
	"pipeline one after the other, kills the second with SIGKILL in the middle of a span,\n"
	"and shows the archived run: everything the killed module had said is there, and the\n"
	"spans it left open are closed and marked. Only the archive is left behind\n"
	"[./data].\n";

static int usage(const char *argument)
{
	(void)fprintf(stderr,
		      "spanring demo: '%s' is not understood; see spanring demo --help\n",
		      argument);
	return 2;
}

/* The build tree has the modules beside the command, an installation below
 * the prefix's lib. */
static const char *const places[] = {"examples", "../lib/spanring/examples"};

static int find_modules(struct demo *demo)
{
	char self[PATH_MAX - 64], program[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		(void)snprintf(demo->modules, sizeof demo->modules, "%s/%s", self, places[i]);
		(void)snprintf(program, sizeof program, "%s/agento_plan", demo->modules);
		if (access(program, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/* Starts a module; ret_out reads its standard output. */
static pid_t start_module(const struct demo *demo, const char *module, const char *hang_in,
			  FILE **ret_out)
{
	char program[PATH_MAX + 64];
	int ends[2];
	pid_t pid;

	(void)snprintf(program, sizeof program, "%s/%s", demo->modules, module);
	if (pipe(ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		(void)execl(program, module, "-w", "120", "-c", demo->context_file,
			    hang_in ? "-H" : (char *)NULL, hang_in, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	*ret_out = fdopen(ends[0], "r");
	return pid;
}

static int run_module(const struct demo *demo, const char *module)
{
	FILE *out = NULL;
	int status = -1;
	pid_t pid;

	printf("  %-16s runs ... ", module);
	(void)fflush(stdout);
	pid = start_module(demo, module, NULL, &out);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0) {
		printf("failed\n");
		return -EIO;
	}
	(void)fclose(out);
	printf("done\n");
	return 0;
}

/* The module says when it hangs; it is killed right there. */
static int kill_module(const struct demo *demo, const char *module, const char *step)
{
	char line[256] = "";
	FILE *out = NULL;
	int status;
	pid_t pid;

	printf("  %-16s runs ... ", module);
	(void)fflush(stdout);
	pid = start_module(demo, module, step, &out);
	if (pid < 0 || !out || !fgets(line, sizeof line, out)) {
		printf("failed\n");
		return -EIO;
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	(void)fclose(out);
	printf("killed with SIGKILL in the middle of %s\n", step);
	return 0;
}

static int pipeline(const struct demo *demo)
{
	int r;

	r = run_module(demo, "agento_plan");
	if (r == 0)
		r = kill_module(demo, "agento_ingest", "generate_revision_requests");
	if (r == 0)
		r = run_module(demo, "agento_revise");
	return r;
}

static int show(const char *path)
{
	char *arguments[] = {(char *)"show", (char *)path, NULL};

	printf("\n");
	(void)fflush(stdout);
	return show_main(2, arguments);
}

static int parse(struct demo *demo, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			(void)fputs(help_text, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--archive-dir") != 0 || i + 1 == argc)
			return usage(argv[i]);
		demo->archive_dir = argv[++i];
	}
	return -1;
}

static int fail(const char *what, int error)
{
	(void)fprintf(stderr, "spanring demo: %s: %s\n", what, strerror(-error));
	return 1;
}

int demo_main(int argc, char **argv)
{
	struct demo demo = {.archive_dir = "./data"};
	char path[PATH_MAX];
	int r;

	r = parse(&demo, argc, argv);
	if (r >= 0)
		return r;
	r = find_modules(&demo);
	if (r < 0) {
		(void)fprintf(
			stderr,
			"spanring demo: its three modules (agento_plan, agento_ingest, "
			"agento_revise) are neither in %s nor in %s, beside this command; "
			"in the source tree `make demo` builds and runs them, `make "
			"examples install` puts them there\n",
			places[0], places[1]);
		return 1;
	}
	r = private_agent_start(&demo.agent, &(struct private_agent_options){
						     .archive_dir = demo.archive_dir,
						     .idle_timeout = "400ms",
					     });
	if (r == -ENOENT)
		return fail("spanringd was not found, beside this command or in PATH", r);
	if (r < 0)
		return fail("the agent did not start", r);
	(void)snprintf(demo.context_file, sizeof demo.context_file, "%.*s/trace.context",
		       PATH_MAX - 16, demo.agent.dir);
	(void)setenv("SPANRING_DIR", demo.agent.ring_dir, 1);
	(void)unsetenv("TRACEPARENT");
	printf("agent on %s, three modules of one pipeline:\n", demo.agent.dir);
	r = pipeline(&demo);
	if (r == 0 && !private_agent_wait_idle(&demo.agent, IDLE_MS, path))
		r = -ETIMEDOUT;
	private_agent_stop(&demo.agent);
	if (r < 0)
		return fail("the pipeline was not archived", r);
	r = show(path);
	printf("\nThe spans marked above were open when their process was killed. What it had\n"
	       "said of them is kept; the agent closed them and says why and when.\n"
	       "archive: %s\n",
	       path);
	return r;
}
