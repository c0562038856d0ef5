/* OpenTelemetry's variables that are no setting of their own. */
#ifndef AGENT_OPTIONS_VARIABLES_H
#define AGENT_OPTIONS_VARIABLES_H

#include "base/buf.h"
#include "options.h"

#define VARIABLE_EXPORTER "OTEL_TRACES_EXPORTER"

enum exporter { EXPORTER_NONE, EXPORTER_OTLP, EXPORTER_CONSOLE, EXPORTER_STDOUT };

/* Bits of the exporters that OTEL_TRACES_EXPORTER names, 1 << enum exporter; what it
 * names otherwise is told and ignored. 0: it names none. */
unsigned variable_exporters(options_say_fn *say, void *say_arg);

/* OTEL_BSP_MAX_QUEUE_SIZE: the agent's queue is its log, which has no such number;
 * but no batch is larger than the queue it is taken from. */
void variable_queue_size(struct options *options, options_say_fn *say, void *say_arg);

/* Appends to `kept` what a variable of headers says, ended by a zero, less what cannot
 * be a header: that is told, once and without its value, and left out, since the others
 * are still meant. -ENOMEM. */
int variable_headers(const char *variable, const char *value, struct buf *kept,
		     options_say_fn *say, void *say_arg);

/* OTEL_CONFIG_FILE is for SDKs, and its form is theirs: told when it is set. That
 * other variables do not count beside it holds for whoever reads it. */
void variable_config_file(options_say_fn *say, void *say_arg);

#endif
