/* The ring's file before it is a ring: created, sized, locked; and what its
 * header says of the process. */
#ifndef LIBCLIENT_RING_FILE_H
#define LIBCLIENT_RING_FILE_H

#include "wire/abi.h"

#include <stdbool.h>
#include <stdint.h>

/* 32 hex digits, ".ring", ".tmp" and a NUL. */
#define RING_NAME_SIZE 48u

/* Creates the file under its temporary name, at most *size bytes: less where
 * the mount or a file size limit is smaller, never below 1 MiB. Its lock is
 * held by the returned descriptor. `allocate`: with all its memory at once.
 * -errno: nothing is left behind. SIGXFSZ does not reach the process. */
int ring_file_create(int directory_fd, const uint8_t instance[16], bool allocate,
		     uint64_t *size, char ret_temporary[RING_NAME_SIZE]);

/* start_time, the namespaces and boot_id; zero where /proc does not say. */
void ring_file_describe_process(struct wire_ring_header *header);

#endif
