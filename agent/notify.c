#include "notify.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

/* What sealing and the last sync take beyond the deadline. */
#define STOP_MARGIN_NS UINT64_C(5000000000)

void notify_ready(void)
{
	(void)sd_notify(0, "READY=1\nSTATUS=draining");
}

void notify_reloading(uint64_t now_ns)
{
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
			 (unsigned long long)(now_ns / 1000));
}

void notify_stopping(uint64_t deadline_ns)
{
	(void)sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
			 (unsigned long long)((deadline_ns + STOP_MARGIN_NS) / 1000));
}

void notify_alive(uint64_t now_ns)
{
	static uint64_t interval_ns, due_ns;
	uint64_t watchdog_us = 0;

	if (now_ns < due_ns)
		return;
	if (interval_ns == 0)
		interval_ns = sd_watchdog_enabled(0, &watchdog_us) > 0 ? watchdog_us * 500
								       : UINT64_MAX / 2;
	if (due_ns != 0 || interval_ns < UINT64_MAX / 2)
		(void)sd_notify(0, "WATCHDOG=1");
	due_ns = interval_ns < UINT64_MAX / 2 ? now_ns + interval_ns : UINT64_MAX;
}
#else
/* Without libsystemd nobody is to be told. */
void notify_ready(void)
{
}

void notify_reloading(uint64_t now_ns)
{
	(void)now_ns;
}

void notify_stopping(uint64_t deadline_ns)
{
	(void)deadline_ns;
}

void notify_alive(uint64_t now_ns)
{
	(void)now_ns;
}
#endif
