#include "export/console_transport.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export/console_text.h"

/* A pipe that may be written to takes so many bytes without waiting. */
#define CHUNK_BYTES 4096
/* Of one tick: a reader that takes everything must not keep us. */
#define CHUNKS_MAX 64

static struct console_transport *console_of(struct transport *transport)
{
	return (struct console_transport *)transport;
}

static const struct console_transport *console_of_const(const struct transport *transport)
{
	return (const struct console_transport *)transport;
}

/* --- the descriptor ----------------------------------------------------------- */

static void on_writable(void *arg, uint32_t events)
{
	struct console_transport *console = arg;

	(void)events;
	console->may_write = true;
	/* Not told again until it is written to: tick does that. */
	(void)console->env->ops->watch(console->env, console->fd, 0, NULL, NULL);
}

static void watch(struct console_transport *console)
{
	/* Files cannot be watched, and need not be. */
	console->always = console->env->ops->watch(console->env, console->fd, EPOLLOUT,
						   on_writable, console) < 0;
	console->may_write = console->always;
}

/* One of our own, because standard error may be the same and be watched, too. */
static int open_output(struct console_transport *console)
{
	if (console->fd >= 0)
		return 0;
	console->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (console->fd < 0)
		return -errno;
	watch(console);
	return 0;
}

/* Terminals and pipes have no call that never waits; a socket has. The kernel said
 * that a chunk can be taken. */
static ssize_t write_chunk(struct console_transport *console, const void *at, size_t len)
{
	struct iovec chunk = {(void *)at, len};
	ssize_t n = console->env->ops->send(console->env, console->fd, &chunk, 1);

	if (n != -ENOTSOCK)
		return n;
	n = write(console->fd, at, len);
	return n < 0 ? -errno : n;
}

/* --- requests --------------------------------------------------------------------- */

static void over(struct console_transport *console, enum transport_verdict verdict,
		 const char *message)
{
	const struct transport_answer answer = {
		.verdict = verdict,
		.status = verdict == TRANSPORT_ACCEPTED ? "OK" : "standard output",
		.message = message,
	};
	void *tag = console->tag;

	console->tag = NULL;
	console->busy = false;
	console->error = 0;
	console->written = 0;
	buf_fini(&console->text);
	if (tag)
		console->transport.news->done(console->transport.arg, tag, &answer);
}

/* A full disk may have room again; nobody comes back to a closed pipe. */
static void failed(struct console_transport *console, int error)
{
	bool passes = error == -ENOSPC || error == -EDQUOT || error == -ENOBUFS;

	over(console, passes ? TRANSPORT_RETRY : TRANSPORT_REFUSED, strerror(-error));
}

static int write_out(struct console_transport *console)
{
	struct buf *text = &console->text;
	int chunks = 0;

	if (console->error < 0) {
		failed(console, console->error);
		return 1;
	}
	while (console->may_write && console->written < text->len && chunks < CHUNKS_MAX) {
		size_t left = text->len - console->written;
		ssize_t n = write_chunk(console, text->at + console->written,
					left < CHUNK_BYTES ? left : CHUNK_BYTES);

		chunks++;
		if (n < 0 && n != -EAGAIN && n != -EINTR) {
			failed(console, (int)n);
			return chunks;
		}
		console->written += n > 0 ? (size_t)n : 0;
		if (!console->always)
			watch(console);
	}
	if (console->busy && console->written == text->len)
		over(console, TRANSPORT_ACCEPTED, "");
	return chunks;
}

static int make_text(struct console_transport *console, struct bytes message)
{
	struct buf *text = &console->text;
	int r;

	if (console->options->protocol == EXPORT_STDOUT) {
		r = buf_append(text, message.at, message.len);
		return r < 0 ? r : buf_append_byte(text, '\n');
	}
	return console_text(text, message);
}

/* --- operations ----------------------------------------------------------------------- */

static void console_fini(struct transport *transport)
{
	struct console_transport *console = console_of(transport);

	if (console->fd >= 0) {
		(void)console->env->ops->watch(console->env, console->fd, 0, NULL, NULL);
		(void)console->env->ops->close(console->env, console->fd);
	}
	console->fd = -1;
	console->busy = false;
	console->tag = NULL;
	buf_fini(&console->text);
}

static void console_want(struct transport *transport, bool wanted)
{
	(void)transport;
	(void)wanted;
}

static bool console_connected(const struct transport *transport)
{
	(void)transport;
	return true;
}

static bool console_ready(const struct transport *transport)
{
	return !console_of_const(transport)->busy;
}

static int console_begin(struct transport *transport, void *tag,
			 const struct transport_request *request)
{
	struct console_transport *console = console_of(transport);
	int r;

	if (!console_ready(transport))
		return -EAGAIN;
	r = make_text(console, framed_message(request->framed));
	if (r == -ENOMEM) {
		buf_fini(&console->text);
		return r;
	}
	console->error = r < 0 ? r : open_output(console);
	console->busy = true;
	console->tag = tag;
	return 0;
}

static void console_cancel(struct transport *transport, void *tag, uint64_t sent_ns,
			   uint64_t now_ns)
{
	(void)tag;
	(void)sent_ns;
	(void)now_ns;
	console_of(transport)->tag = NULL;
}

static int console_tick(struct transport *transport, uint64_t now_ns)
{
	(void)now_ns;
	return write_out(console_of(transport));
}

static uint64_t console_next_due(const struct transport *transport, bool wanted)
{
	const struct console_transport *console = console_of_const(transport);

	(void)wanted;
	return console->error < 0 || (console->busy && console->may_write) ? 0 : UINT64_MAX;
}

static const struct transport_ops ops = {
	.fini = console_fini,
	.want = console_want,
	.connected = console_connected,
	.ready = console_ready,
	.begin = console_begin,
	.cancel = console_cancel,
	.tick = console_tick,
	.next_due = console_next_due,
};

void console_transport_init(struct console_transport *console, struct env *env,
			    const struct export_options *options,
			    const struct transport_news *news, void *arg)
{
	*console = (struct console_transport){
		.transport = {.ops = &ops, .news = news, .arg = arg},
		.env = env,
		.options = options,
		.fd = -1,
	};
}
