/* Where in the configuration file a setting stands, for messages about it. */
#ifndef AGENT_OPTIONS_PLACE_H
#define AGENT_OPTIONS_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/* Of the value of a dotted key (redact.rules[2].pattern), counted from 1. False: the
 * file does not have it. */
bool options_place(const char *path, const char *key, size_t *ret_line, size_t *ret_column);

#endif
