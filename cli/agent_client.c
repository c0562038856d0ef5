#include "agent_client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent_http.h"

#define START_TIMEOUT_MS 10000
#define POLL_MS 10

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void pause_ms(uint32_t ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	(void)nanosleep(&ts, NULL);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void agent_find_directory(char ret_dir[PATH_MAX])
{
	const char *named = getenv("SPANRING_DIR"), *runtime = getenv("XDG_RUNTIME_DIR");

	if (named && *named) {
		(void)snprintf(ret_dir, PATH_MAX, "%s", named);
		return;
	}
	(void)snprintf(ret_dir, PATH_MAX, "/run/spanring/ring");
	if (is_directory(ret_dir))
		return;
	if (runtime && *runtime == '/') {
		(void)snprintf(ret_dir, PATH_MAX, "%s/spanring", runtime);
		if (is_directory(ret_dir))
			return;
	}
	(void)snprintf(ret_dir, PATH_MAX, "/dev/shm/spanring-%u", (unsigned)geteuid());
	if (!is_directory(ret_dir))
		ret_dir[0] = '\0';
}

int agent_status(const char *dir, json_t **ret_status)
{
	struct buf content = BUF_INIT;
	json_t *status;
	int r, http;

	r = agent_get(dir, "/status", &content, &http);
	if (r < 0)
		goto free;
	status =
		http == 200 ? json_loadb((const char *)content.at, content.len, 0, NULL) : NULL;
	if (status)
		*ret_status = status;
	else
		r = -EBADMSG;
free:
	buf_fini(&content);
	return r;
}

/* ---- a private agent ------------------------------------------------------- */

/* Beside this program, as both the build and the installation have it; else
 * execvp() looks into PATH. */
static void agent_program(char ret_path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret_path, PATH_MAX - 1);
	char *slash;

	if (n > 0) {
		ret_path[n] = '\0';
		slash = strrchr(ret_path, '/');
		if (slash && (size_t)(slash - ret_path) + sizeof "/spanringd" < PATH_MAX) {
			(void)strcpy(slash, "/spanringd");
			if (access(ret_path, X_OK) == 0)
				return;
		}
	}
	(void)strcpy(ret_path, "spanringd");
}

/* Short names: a unix socket's path has 107 characters. */
static int make_private_dir(struct private_agent *agent)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (access("/dev/shm", W_OK) < 0 && runtime && *runtime == '/')
		(void)snprintf(agent->dir, sizeof agent->dir, "%s/spanring-run-XXXXXX",
			       runtime);
	else
		(void)snprintf(agent->dir, sizeof agent->dir, "/dev/shm/spanring-run-XXXXXX");
	if (!mkdtemp(agent->dir))
		return -errno;
	if (snprintf(agent->ring_dir, sizeof agent->ring_dir, "%s/ring", agent->dir) >=
	    (int)sizeof agent->ring_dir)
		return -ENAMETOOLONG;
	return 0;
}

static void exec_agent(const struct private_agent *agent,
		       const struct private_agent_options *options)
{
	char program[PATH_MAX], idle[128];
	const char *arguments[12] = {"spanringd",     "--private",	    agent->dir,
				     "--archive-dir", options->archive_dir, "--log-level",
				     "warning"};
	sigset_t none;
	int n = 7;

	/* A Ctrl-C in the terminal is for the traced command; this agent is
	 * ended by its starter, or leaves when nobody is left. */
	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (!options->export_too)
		arguments[n++] = "--no-export";
	if (options->idle_timeout) {
		(void)snprintf(idle, sizeof idle, "archive.idle_timeout=%s",
			       options->idle_timeout);
		arguments[n++] = "--set";
		arguments[n++] = idle;
	}
	agent_program(program);
	(void)execvp(program, (char *const *)arguments);
	_exit(127);
}

static int wait_ready(const struct private_agent *agent)
{
	uint64_t until = now_ms() + START_TIMEOUT_MS;
	int fd, status;

	while (now_ms() < until) {
		fd = agent_connect(agent->ring_dir);
		if (fd >= 0) {
			close(fd);
			return 0;
		}
		if (waitpid(agent->pid, &status, WNOHANG) == agent->pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : -EIO;
		pause_ms(POLL_MS);
	}
	return -ETIMEDOUT;
}

int private_agent_start(struct private_agent *ret_agent,
			const struct private_agent_options *options)
{
	struct private_agent agent = {.pid = -1};
	int r;

	r = make_private_dir(&agent);
	if (r < 0)
		return r;
	agent.pid = fork();
	if (agent.pid < 0)
		return -errno;
	if (agent.pid == 0)
		exec_agent(&agent, options);
	r = wait_ready(&agent);
	if (r < 0) {
		if (r == -ETIMEDOUT)
			private_agent_stop(&agent);
		else
			(void)rmdir(agent.dir);
		return r;
	}
	*ret_agent = agent;
	return 0;
}

/* A question to a status: 1 yes, and then `ret_path` is what it was about; 0 not yet;
 * -1 it will hardly be. */
typedef int status_question(json_t *status, const char *argument, char ret_path[PATH_MAX]);

static int ask_until(const struct private_agent *agent, status_question *question,
		     const char *argument, uint32_t timeout_ms, char ret_path[PATH_MAX])
{
	uint64_t until = now_ms() + timeout_ms;
	json_t *status;
	int answer = 0;

	while (!answer && now_ms() < until) {
		if (agent_status(agent->ring_dir, &status) == 0) {
			answer = question(status, argument, ret_path);
			json_decref(status);
		}
		if (!answer)
			pause_ms(POLL_MS);
	}
	return answer;
}

static json_t *newest_files(json_t *status)
{
	return json_object_get(json_object_get(status, "archive"), "newest");
}

static bool has_condition(json_t *status, const char *name)
{
	json_t *condition;
	size_t i;

	json_array_foreach (json_object_get(status, "conditions"), i, condition)
		if (strcmp(json_string_value(json_object_get(condition, "name")) ?: "", name) ==
		    0)
			return true;
	return false;
}

static int is_sealed(json_t *status, const char *trace_id, char ret_path[PATH_MAX])
{
	json_t *run;
	size_t i;

	json_array_foreach (newest_files(status), i, run) {
		const char *id = json_string_value(json_object_get(run, "trace_id"));
		const char *path = json_string_value(json_object_get(run, "path"));

		if (!id || !path || strcmp(id, trace_id) != 0)
			continue;
		(void)snprintf(ret_path, PATH_MAX, "%s", path);
		return 1;
	}
	return has_condition(status, "archive_failing") ? -1 : 0;
}

static int is_unused(json_t *status, const char *unused, char ret_path[PATH_MAX])
{
	(void)unused;
	(void)ret_path;
	return json_array_size(json_object_get(status, "rings")) == 0;
}

static json_int_t member(json_t *status, const char *part, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(status, part), key));
}

static int is_idle(json_t *status, const char *unused, char ret_path[PATH_MAX])
{
	json_t *files = newest_files(status);
	size_t count = json_array_size(files);
	const char *path;

	(void)unused;
	if (json_array_size(json_object_get(status, "rings")) || count == 0 ||
	    member(status, "spans", "open") || member(status, "archive", "open_runs"))
		return 0;
	path = json_string_value(json_object_get(json_array_get(files, count - 1), "path"));
	(void)snprintf(ret_path, PATH_MAX, "%s", path ?: "");
	return 1;
}

int private_agent_wait_sealed(const struct private_agent *agent, const char *trace_id_hex,
			      uint32_t timeout_ms, char ret_path[PATH_MAX])
{
	return ask_until(agent, is_sealed, trace_id_hex, timeout_ms, ret_path) > 0;
}

int private_agent_wait_unused(const struct private_agent *agent, uint32_t timeout_ms)
{
	char unused[PATH_MAX];

	return ask_until(agent, is_unused, NULL, timeout_ms, unused);
}

void private_agent_others(const struct private_agent *agent, const char *trace_id_hex,
			  private_agent_file *file)
{
	json_t *status, *run;
	size_t i;

	if (agent_status(agent->ring_dir, &status) < 0)
		return;
	json_array_foreach (newest_files(status), i, run) {
		const char *id = json_string_value(json_object_get(run, "trace_id"));
		const char *path = json_string_value(json_object_get(run, "path"));

		if (id && path && strcmp(id, trace_id_hex) != 0)
			file(path);
	}
	json_decref(status);
}

int private_agent_wait_idle(const struct private_agent *agent, uint32_t timeout_ms,
			    char ret_path[PATH_MAX])
{
	return ask_until(agent, is_idle, NULL, timeout_ms, ret_path);
}

void private_agent_stop(struct private_agent *agent)
{
	int status;

	if (agent->pid <= 0)
		return;
	(void)kill(agent->pid, SIGTERM);
	while (waitpid(agent->pid, &status, 0) < 0 && errno == EINTR)
		;
	agent->pid = -1;
}
