/* Staying in memory. The process keeps pointers to our code: of threads' ends, of
 * fork and of exit. The shared library is linked so that dlclose() leaves it
 * there; where we are part of a plugin, the plugin must stay. Not
 * async-signal-safe. */
#ifndef LIBCLIENT_PIN_H
#define LIBCLIENT_PIN_H

void pin_ourselves(void);

#endif
