/* Golden files: what shipped versions wrote, kept as text so that git can show
 * them. A row is an offset and 32 bytes in hex; rows of zeros are left out. */
#ifndef SUPPORT_GOLDEN_H
#define SUPPORT_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#define GOLDEN_RING_BYTES (1u << 20)

/* Fills zeroed memory of `size` bytes from the text file `name` beside the
 * source file `beside` (__FILE__). Fails the test if it cannot. */
void golden_read(const char *beside, const char *name, uint8_t *at, size_t size);

/* Compares with the file; with SPANRING_WRITE_GOLDEN set, writes it instead. */
void golden_compare(const char *beside, const char *name, const uint8_t *at, size_t size);

/* Two rings of GOLDEN_RING_BYTES in zeroed memory: one with a record of every
 * type, one with a value cut over three blocks and one that was abandoned. */
void golden_ring_types(uint8_t *at);
void golden_ring_fragments(uint8_t *at);

#endif
