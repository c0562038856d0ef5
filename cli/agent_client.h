/* Asking an agent, and running one of our own.
 *
 * A private agent serves one directory that nobody else uses, archives into a
 * directory of the caller's choice, leaves by itself once no process uses it
 * any more, and removes its directory, unless something in there could not be
 * archived: killing its starter loses nothing. */
#ifndef CLI_AGENT_CLIENT_H
#define CLI_AGENT_CLIENT_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The ring directory a process started here would use: SPANRING_DIR, else the
 * first of the usual places that exists, else "". */
void agent_find_directory(char ret_dir[PATH_MAX]);

/* The agent's status, to be freed with json_decref().
 * -ENOENT, -ECONNREFUSED: no agent serves `dir`. -EBADMSG: not its answer. */
int agent_status(const char *dir, json_t **ret_status);

struct private_agent {
	pid_t pid;
	char dir[PATH_MAX];	 /* everything of it */
	char ring_dir[PATH_MAX]; /* for SPANRING_DIR */
};

/* Starts one and waits until it serves. `export_too`: send to the collector the
 * environment names. -ENOENT: spanringd is not beside this program nor in
 * PATH. -ETIMEDOUT: it did not get ready. -EIO: it left; it has said why. */
struct private_agent_options {
	const char *archive_dir;
	const char *idle_timeout; /* archive.idle_timeout; NULL: the default */
	bool export_too;
};
int private_agent_start(struct private_agent *ret_agent,
			const struct private_agent_options *options);

/* Waits until the run's file is sealed. 1: `ret_path` is it; 0: not in time. */
int private_agent_wait_sealed(const struct private_agent *agent, const char *trace_id_hex,
			      uint32_t timeout_ms, char ret_path[PATH_MAX]);

/* Waits until no process is traced. 1: none is; 0: not in time. */
int private_agent_wait_unused(const struct private_agent *agent, uint32_t timeout_ms);

/* Tells `file` of the newest archives that are of other runs than this. */
typedef void private_agent_file(const char *path);
void private_agent_others(const struct private_agent *agent, const char *trace_id_hex,
			  private_agent_file *file);

/* Waits until no process is traced, no span open and every run sealed.
 * 1: `ret_path` is the newest file; 0: not in time. */
int private_agent_wait_idle(const struct private_agent *agent, uint32_t timeout_ms,
			    char ret_path[PATH_MAX]);

/* Stops it; its directory goes with it, unless the agent says why not. */
void private_agent_stop(struct private_agent *agent);

#endif
