/* spanringd: reads its settings, runs the pipeline until a signal, stops it. */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/env_linux.h"
#include "base/log.h"
#include "harden.h"
#include "notify.h"
#include "options.h"
#include "pipeline.h"
#include "serve/status_socket.h"

#define PRIVATE_LINGER_NS UINT64_C(10000000000)

static void say(void *arg, const char *line)
{
	(void)arg;
	(void)fprintf(stderr, "spanringd: %s\n", line);
}

static void put(void *arg, const char *text)
{
	(void)fputs(text, arg);
}

static void on_signal(void *arg, uint32_t events)
{
	int *stop = arg;

	(void)events;
	*stop = 1;
}

/* Signals come through a descriptor, so that nothing runs in a handler. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A process's ring is more than half full, or it waits for a flush. */
static void on_doorbell(void *arg, uint32_t events)
{
	struct pipeline *pipeline = arg;

	(void)events;
	drain_wake(pipeline->drain);
}

static int status_json(void *arg, struct buf *out)
{
	return pipeline_status(arg, out);
}

/* A private agent leaves when every process that ever used it is gone: killing
 * the one that started it must not leave an agent behind. */
static bool abandoned(const struct pipeline *pipeline, uint64_t now_ns)
{
	static uint64_t unused_since_ns;

	if (!pipeline->options->private_dir)
		return false;
	if (pipeline_in_use(pipeline) || unused_since_ns == 0)
		unused_since_ns = now_ns;
	return now_ns - unused_since_ns > PRIVATE_LINGER_NS;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	(void)remove(path);
	return 0;
}

static int serve(struct pipeline *pipeline, struct env *env, const struct options *options)
{
	struct status_socket *socket = NULL;
	int stop = 0, fd, r;

	fd = open_signals();
	if (fd < 0)
		return fd;
	r = env->ops->watch(env, fd, EPOLLIN, on_signal, &stop);
	if (r == 0)
		r = status_socket_new(&socket, env, options->ring_dir, status_json, pipeline);
	if (r < 0)
		log_line(LOG_WARNING, "serve", "no status socket in %s: %s", options->ring_dir,
			 strerror(-r));
	log_line(LOG_NOTICE, "pipeline", "serving %s, state in %s, archive %s",
		 options->ring_dir, options->state_dir,
		 options->archive_enabled ? options->archive_dir : "off");
	/* Without the doorbell the rings are polled all the same. */
	(void)env_linux_doorbell(env, drain_doorbell(pipeline->drain), on_doorbell, pipeline);
	notify_ready();
	while (!stop && !abandoned(pipeline, env->ops->mono_ns(env))) {
		notify_alive(env->ops->mono_ns(env));
		if (pipeline_step(pipeline) == 0)
			pipeline_wait(pipeline);
		else
			(void)env->ops->wait(env, 0);
	}
	notify_stopping();
	/* It stays readable, and would end every wait at once. */
	(void)env->ops->watch(env, fd, 0, NULL, NULL);
	pipeline_stop(pipeline, options->shutdown_deadline_ns);
	(void)env_linux_doorbell(env, NULL, NULL, NULL);
	status_socket_free(socket);
	close(fd);
	return 0;
}

static int run(const struct options *options)
{
	struct env_linux_options env_options = {
		.uring = options->io_uring ? ENV_LINUX_URING_AUTO : ENV_LINUX_URING_NEVER,
	};
	struct log_options log_options = {
		.level = (int)options->log_level,
		.fd = STDERR_FILENO,
		.journald = log_is_journald(STDERR_FILENO),
	};
	static struct pipeline pipeline;
	struct env *env;
	int r;

	(void)umask(0027);
	harden();
	log_init(&log_options);
	r = env_linux_new(&env, &env_options);
	if (r < 0) {
		log_line(LOG_ERR, "pipeline", "cannot start: %s", strerror(-r));
		return 1;
	}
	r = pipeline_init(&pipeline, env, options);
	if (r == 0)
		r = serve(&pipeline, env, options);
	pipeline_fini(&pipeline);
	env_linux_free(env);
	if (options->private_dir && r == 0)
		(void)nftw(options->private_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return r < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options options;
	int r;

	r = options_load(&options, argc, argv, say, NULL);
	if (r == 0 && options.show_help)
		options_help(put, stdout);
	else if (r == 0 && options.show_version)
		(void)puts("spanringd " SPANRING_VERSION);
	else if (r == 0 && options.check_only)
		options_show(&options, put, stdout);
	else if (r == 0)
		r = run(&options);
	options_fini(&options);
	return r;
}
