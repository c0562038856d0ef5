#include "receive/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <syslog.h>

#define RETRY_NS UINT64_C(2000000000)

void listener_init(struct listener *listener, struct receive *stage,
		   const struct address *address)
{
	*listener = (struct listener){.stage = stage, .address = address, .fd = -1};
}

int listener_tick(struct listener *listener, uint64_t now_ns)
{
	const struct address *address = listener->address;
	struct receive *stage = listener->stage;
	int fd;

	if (listener->fd >= 0 || stage->stopping || now_ns < listener->retry_ns)
		return 0;
	fd = stage->env->ops->listen(stage->env, &address->of.any, address->len);
	if (fd < 0) {
		listener_failed(listener, now_ns, fd);
		return 0;
	}
	listener->fd = fd;
	stage_say(stage, LOG_NOTICE, "listening on %s", address->text);
	if (address_is_open(address))
		stage_say(stage, LOG_WARNING,
			  "%s is open to the network, without encryption and to everybody; "
			  "use a loopback address or a unix socket unless that is meant",
			  address->text);
	return 1;
}

void listener_failed(struct listener *listener, uint64_t now_ns, int error)
{
	listener_close(listener);
	listener->retry_ns = now_ns + RETRY_NS;
	stage_port_failed(listener->stage, listener->address, error);
}

void listener_forget(struct listener *listener)
{
	struct env *env = listener->stage->env;

	if (listener->fd >= 0 && !listener->address->port)
		(void)env->ops->unlink(env, AT_FDCWD, listener->address->of.local.sun_path,
				       0); /* or the next life takes it over */
	listener->fd = -1;
}

void listener_close(struct listener *listener)
{
	struct env *env = listener->stage->env;
	int fd = listener->fd;

	if (fd < 0)
		return;
	listener_forget(listener);
	(void)env->ops->watch(env, fd, 0, NULL, NULL);
	(void)env->ops->close(env, fd);
}
