/* What the fuzz targets have in common. A target is one function; `make fuzz`
 * gives it to libFuzzer, the quick tier replays what is kept in corpus/NAME
 * through replay.c. What a target writes goes into a directory of its own. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

/* As assert(), which a build may switch off. */
#define FUZZ_CHECK(what)                                                           \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                   \
		}                                                                  \
	} while (0)

/* The input, taken from its front; zeros when it is used up. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

uint8_t fuzz_u8(struct fuzz_input *input);
uint16_t fuzz_u16(struct fuzz_input *input);
uint32_t fuzz_u32(struct fuzz_input *input);
/* At most `len` bytes; returns how many there were. */
size_t fuzz_bytes(struct fuzz_input *input, size_t len, const uint8_t **ret_at);

/* This process's directory, removed at its exit. */
const char *fuzz_directory(void);
/* Replaces a file. */
void fuzz_write(const char *path, const void *at, size_t len);

#endif
