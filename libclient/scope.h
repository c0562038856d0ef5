/* Instrumentation scopes: each is kept as the SCOPE record it will be, for a
 * ring may be made after it, and another in a child. */
#ifndef LIBCLIENT_SCOPE_H
#define LIBCLIENT_SCOPE_H

#include "thread.h"

#define SCOPE_BYTES_MAX 65536u

/* Writes all known scopes into the thread's new ring. Inside the gate. */
void scope_write_all(struct thread *thread);

#endif
