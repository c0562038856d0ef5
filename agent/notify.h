/* The service manager: readiness and watchdog, where systemd started us. */
#ifndef AGENT_NOTIFY_H
#define AGENT_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
/* The settings are being read again; notify_ready() says that it is done. */
void notify_reloading(uint64_t now_ns);
/* The stop may take until the deadline: the manager is not to kill us before. */
void notify_stopping(uint64_t deadline_ns);
/* Pats the watchdog when half its interval has passed. */
void notify_alive(uint64_t now_ns);

#endif
