/* Of item 25 of the threats, where no set-uid program can be made: what the client
 * does when it is told that it runs in one. The row's twin runs a real one. */
#include "environment.h"

#include <stdio.h>
#include <string.h>

static char *variables[] = {
	(char[]){"SPANRING_DIR=/tmp/hostile"},	    (char[]){"SPANRING_LOG=stderr"},
	(char[]){"SPANRING_RING_MAX=4G"},	    (char[]){"SPANRING_WAIT_MS=100000"},
	(char[]){"OTEL_SERVICE_NAME=hostile"},	    (char[]){"OTEL_SDK_DISABLED=true"},
	(char[]){"OTEL_RESOURCE_ATTRIBUTES=a=b"},   (char[]){"ENVIRONMENT=hostile"},
	(char[]){"OTEL_TRACES_SAMPLER=always_off"}, NULL,
};

static bool is_as_without(const struct environment *read, const struct environment *without)
{
	return read->disabled == without->disabled && read->log_stderr == without->log_stderr &&
	       read->wait_ms == without->wait_ms &&
	       read->ring_bytes_max == without->ring_bytes_max && !read->ring_directory &&
	       !read->service_name && !read->deployment_environment &&
	       read->resource_entries_bytes == 0 &&
	       memcmp(&read->sampler, &without->sampler, sizeof read->sampler) == 0;
}

int main(void)
{
	static struct environment believed, secure, empty;
	char *none[] = {NULL};

	if (environment_read(&believed, variables, false, NULL) < 0 ||
	    environment_read(&secure, variables, true, NULL) < 0 ||
	    environment_read(&empty, none, false, NULL) < 0)
		return 1;
	if (is_as_without(&believed, &empty) || !believed.disabled ||
	    !is_as_without(&secure, &empty))
		return 1;
	printf("row SEC21/env passed: %zu variables, none read\n",
	       sizeof variables / sizeof variables[0] - 1);
	return 0;
}
