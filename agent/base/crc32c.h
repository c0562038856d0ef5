/* CRC32C (Castagnoli), as iSCSI, ext4 and the SSE4.2 instruction have it. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at the start) over `len` bytes, so that
 * crc32c(crc32c(0, a), b) is the CRC of a followed by b. */
uint32_t crc32c(uint32_t crc, const void *at, size_t len);

/* The same without the processor's help, for machines that have none and for
 * the test that compares the two. */
uint32_t crc32c_portable(uint32_t crc, const void *at, size_t len);

#endif
