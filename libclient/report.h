/* The library's only voice; what is said through it: client.h. */
#ifndef LIBCLIENT_REPORT_H
#define LIBCLIENT_REPORT_H

#include <stdbool.h>

void report_to_stderr(bool on);

/* For struct environment_reporter. */
void report_variable(void *owner, const char *variable, const char *problem);

#endif
