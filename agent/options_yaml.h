/* Reads the configuration file, strictly: an unknown key is an error with its
 * line and column. Gives every scalar as text under its dotted key;
 * what is in a list of groups as `destinations[0].endpoint`, each entry beginning
 * with its `name`, which is "" where it has none; and likewise `redact.rules[0].keys`. */
#ifndef AGENT_OPTIONS_YAML_H
#define AGENT_OPTIONS_YAML_H

#include "options.h"

/* A negative return stops the reading and is handed back. */
typedef int options_visit_fn(void *arg, const char *key, const char *value);

/* 0, -ENOENT and other errors of opening, -EINVAL after `say` told what is
 * wrong in the file and where, or what `visit` returned. */
int options_yaml_load(const char *path, options_visit_fn *visit, void *visit_arg,
		      options_say_fn *say, void *say_arg);

#endif
