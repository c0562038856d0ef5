/* The attributes of a process's RESOURCE record: what its maker said, what the
 * environment says and what can be found out, each key once.
 *
 * Made at init and anew in a forked child, whose pid and instance id differ.
 * Costs a few system calls; keeps errno; any thread, one buffer each. */
#ifndef LIBCLIENT_RESOURCE_H
#define LIBCLIENT_RESOURCE_H

#include "environment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts may be NULL: not said. A text beats an equal key in `entries`, both
 * beat the environment, and that beats what was found out. */
struct resource_options {
	const char *service_name;
	const char *service_version;
	const char *service_namespace;
	const char *service_instance_id;
	const char *deployment_environment;
	const char *module_name; /* default: the executable's name without extension */
	const char *module_key;	 /* default: "<service.name>.module" */
	const uint8_t *entries;	 /* checked wire entries; of equal keys the last counts */
	size_t entries_bytes;
	const struct environment *environment; /* may be NULL */
	unsigned detectors;		       /* ENVIRONMENT_DETECT_* */
	bool exact; /* nothing but `entries`, as they are: a resource given whole */
};

/* An upper bound of what resource_build() writes. */
size_t resource_bytes_max(const struct resource_options *options);

/* Writes wire entries and returns their bytes. -ENOBUFS: `size` is too small. */
int64_t resource_build(const struct resource_options *options, uint8_t *ret_entries,
		       size_t size);

#endif
