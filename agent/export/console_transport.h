/* Standard output as a destination: spans for people (`console`), or a line of
 * OTLP/JSON a request (`otlp/stdout`). One request at a time is written, as much as
 * the reader takes without being waited for.
 *
 * What was begun is written to its end even when its request is given up, so that
 * every line is whole; such a request is written again. */
#ifndef EXPORT_CONSOLE_TRANSPORT_H
#define EXPORT_CONSOLE_TRANSPORT_H

#include "base/env.h"
#include "export/options.h"
#include "export/transport.h"

struct console_transport {
	struct transport transport;
	struct env *env;
	const struct export_options *options;
	int fd;		 /* of our own; -1: not opened */
	bool busy;	 /* with a request, or with the end of one */
	int error;	 /* of what was begun: it cannot be written */
	bool always;	 /* a file: it need not be waited for */
	bool may_write;	 /* the loop said so */
	void *tag;	 /* of the request under way; NULL: none, or it was given up */
	struct buf text; /* what is written */
	size_t written;
};

void console_transport_init(struct console_transport *console, struct env *env,
			    const struct export_options *options,
			    const struct transport_news *news, void *arg);

#endif
