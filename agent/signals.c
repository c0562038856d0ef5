#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void note(struct signals *signals, uint32_t number)
{
	switch (number) {
	case SIGTERM:
	case SIGINT:
		signals->on_stop(signals->arg, ++signals->stops);
		break;
	case SIGHUP:
		signals->reload = true;
		break;
	case SIGUSR1:
		signals->reopen = true;
		break;
	case SIGUSR2:
		signals->dump = true;
		break;
	}
}

static void on_readable(void *arg, uint32_t events)
{
	struct signals *signals = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(signals->fd, &info, sizeof info) == (ssize_t)sizeof info)
		note(signals, info.ssi_signo);
}

int signals_open(struct signals *signals, struct env *env,
		 void (*on_stop)(void *arg, unsigned stops), void *arg)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
	sigset_t set;
	int r;

	*signals = (struct signals){.env = env, .on_stop = on_stop, .arg = arg};
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaddset(&set, numbers[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	(void)signal(SIGPIPE, SIG_IGN);
	signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd < 0)
		return -errno;
	r = env->ops->watch(env, signals->fd, EPOLLIN, on_readable, signals);
	if (r < 0)
		signals_close(signals);
	return r;
}

void signals_close(struct signals *signals)
{
	(void)signals->env->ops->watch(signals->env, signals->fd, 0, NULL, NULL);
	(void)close(signals->fd);
	signals->fd = -1;
}

bool signals_take(bool *flag)
{
	bool was = *flag;

	*flag = false;
	return was;
}
