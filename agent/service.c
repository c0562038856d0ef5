#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/env_linux.h"
#include "base/log.h"
#include "harden.h"
#include "log_file.h"
#include "notify.h"
#include "pipeline.h"
#include "reload.h"
#include "serving.h"
#include "signals.h"

#define PRIVATE_LINGER_NS UINT64_C(10000000000)

struct service {
	struct options *options;
	struct env *env;
	struct signals signals;
	struct reload reload;
	struct pipeline pipeline;
	struct server *server; /* NULL: nothing is served */
};

/* A process's ring is more than half full, or it waits for a flush. */
static void on_doorbell(void *arg, uint32_t events)
{
	struct pipeline *pipeline = arg;

	(void)events;
	drain_wake(pipeline->drain);
}

static void on_stop(void *arg, unsigned stops)
{
	struct service *service = arg;

	service->pipeline.leave_now = stops > 1;
}

/* Whoever reads the output of a private agent's starter to its end must not wait for
 * the agent, too, when that stays for others. */
static void leave_output(void)
{
	static pid_t starter;
	int nowhere;

	if (!starter)
		starter = getppid();
	if (starter == getppid())
		return;
	nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; nowhere >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(nowhere, fd);
	if (nowhere > STDERR_FILENO)
		close(nowhere);
	starter = getppid();
}

/* A private agent leaves when every process that ever used it is gone: killing
 * the one that started it must not leave an agent behind. */
static bool abandoned(const struct pipeline *pipeline, uint64_t now_ns)
{
	static uint64_t unused_since_ns;

	if (!pipeline->options->private_dir)
		return false;
	leave_output();
	if (pipeline_in_use(pipeline) || unused_since_ns == 0)
		unused_since_ns = now_ns;
	return now_ns - unused_since_ns > PRIVATE_LINGER_NS;
}

static void obey(struct service *service)
{
	struct signals *signals = &service->signals;

	if (signals_take(&signals->reload))
		service->reload.wanted = true;
	reload_tick(&service->reload, service->options, &service->pipeline);
	if (signals_take(&signals->reopen))
		(void)log_file_open(service->options);
	if (signals_take(&signals->dump))
		pipeline_dump(&service->pipeline);
}

static void loop(struct service *service)
{
	struct pipeline *pipeline = &service->pipeline;
	struct env *env = service->env;

	while (!service->signals.stops && !abandoned(pipeline, env->ops->mono_ns(env))) {
		notify_alive(env->ops->mono_ns(env));
		server_tick(service->server, env->ops->mono_ns(env));
		if (pipeline_step(pipeline) == 0)
			pipeline_wait(pipeline);
		else
			(void)env->ops->wait(env, 0);
		obey(service);
	}
}

/* Without the doorbell the rings are polled all the same. */
static void hang_doorbell(struct service *service)
{
	(void)env_linux_doorbell(service->env, drain_doorbell(service->pipeline.drain),
				 on_doorbell, &service->pipeline);
}

static void on_ring_dir_moved(void *arg)
{
	struct service *service = arg;

	hang_doorbell(service);
	server_follow(service->server);
}

static void serve(struct service *service)
{
	const struct options *options = service->options;
	struct pipeline *pipeline = &service->pipeline;

	service->server = serving_start(pipeline);
	log_line(LOG_NOTICE, "pipeline", "serving %s, state in %s, archive %s",
		 options->ring_dir, options->state_dir,
		 options->archive_enabled ? options->archive_dir : "off");
	hang_doorbell(service);
	pipeline->ring_dir_moved = on_ring_dir_moved;
	pipeline->ring_dir_moved_arg = service;
	notify_ready();
	loop(service);
	notify_stopping(options->shutdown_deadline_ns);
	pipeline_stop(pipeline, options->shutdown_deadline_ns);
	pipeline->ring_dir_moved = NULL;
	(void)env_linux_doorbell(service->env, NULL, NULL, NULL);
	server_free(service->server);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	(void)remove(path);
	return 0;
}

/* What a private agent has is nowhere else until it is archived. */
static void remove_private(const struct pipeline *pipeline)
{
	const struct options *options = pipeline->options;

	if (!options->private_dir)
		return;
	if (pipeline_all_archived(pipeline))
		(void)nftw(options->private_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	else
		log_line(LOG_ERR, "pipeline",
			 "not all is archived: the rest is kept in %s; to have it: spanring "
			 "recover %s --archive-dir %s, then remove it",
			 options->private_dir, options->private_dir, options->archive_dir);
}

/* Signals wait from here on: one that comes while the log is read must not end
 * an agent that would have obeyed it a moment later. */
static int run(struct service *service)
{
	int r;

	r = signals_open(&service->signals, service->env, on_stop, service);
	if (r < 0) {
		log_line(LOG_ERR, "pipeline", "cannot take signals: %s", strerror(-r));
		return r;
	}
	r = pipeline_init(&service->pipeline, service->env, service->options);
	if (r == 0) {
		serve(service);
		remove_private(&service->pipeline);
	}
	pipeline_fini(&service->pipeline);
	signals_close(&service->signals);
	return r;
}

/* Every ring takes a descriptor or two; what a terminal gives its programs would
 * do for 500 processes. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* with fewer it works, for fewer */
}

int service_run(struct options *options, int argc, char **argv)
{
	struct env_linux_options env_options = {
		.uring = options->io_uring ? ENV_LINUX_URING_AUTO : ENV_LINUX_URING_NEVER,
	};
	static struct service service;
	int r;

	service = (struct service){.options = options, .reload = {.argc = argc, .argv = argv}};
	(void)umask(0027);
	raise_descriptors();
	harden();
	r = log_file_begin(options);
	if (r == 0)
		r = env_linux_new(&service.env, &env_options);
	if (r < 0) {
		log_line(LOG_ERR, "pipeline", "cannot start: %s", strerror(-r));
		return 1;
	}
	r = run(&service);
	env_linux_free(service.env);
	return r < 0 ? 1 : 0;
}
