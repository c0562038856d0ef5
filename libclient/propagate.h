/* Which headers carry a context and a baggage: OTEL_PROPAGATORS. */
#ifndef LIBCLIENT_PROPAGATE_H
#define LIBCLIENT_PROPAGATE_H

#define PROPAGATE_TRACECONTEXT 0x1u
#define PROPAGATE_BAGGAGE 0x2u
#define PROPAGATE_B3 0x4u
#define PROPAGATE_B3MULTI 0x8u
#define PROPAGATE_DEFAULT (PROPAGATE_TRACECONTEXT | PROPAGATE_BAGGAGE)

/* Constant between init and shutdown. */
extern unsigned propagate_set;

#endif
