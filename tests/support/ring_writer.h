/* Writes rings byte by byte as wire/abi.h says, without the client library, so
 * that a test can also break every rule. One process may write several. */
#ifndef SUPPORT_RING_WRITER_H
#define SUPPORT_RING_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/abi.h"
#include "wire/record.h"

struct ring_writer {
	char dir[256];
	char name[64]; /* <id>.ring */
	uint8_t instance[16];
	uint64_t size;
	int fd; /* holds the lock; -1 none */
	uint8_t *at;
	struct wire_ring_header *header;
	struct wire_block_line *lines;
	uint8_t *blocks;
};

/* One thread of the ring. */
struct ring_pen {
	struct ring_writer *writer;
	uint32_t number;
	uint32_t block;	       /* UINT32_MAX: none open */
	uint32_t at;	       /* written, maybe not committed */
	uint32_t next_block;
	uint64_t next_record;
};

/* Makes <dir>/<id>.ring whole, locked and in place; id is `seed` repeated. */
void ring_writer_make(struct ring_writer *writer, const char *dir, uint8_t seed, uint64_t size);
/* The same in steps: prepare leaves it as <id>.tmp, for tests that change the
 * header first. */
void ring_writer_prepare(struct ring_writer *writer, const char *dir, uint8_t seed,
			 uint64_t size);
void ring_writer_prepare_as(struct ring_writer *writer, const char *dir,
			    const uint8_t instance[16], uint64_t size);
void ring_writer_publish(struct ring_writer *writer);
/* Drops the lock: for the agent, the process is dead. */
void ring_writer_die(struct ring_writer *writer);
void ring_writer_close(struct ring_writer *writer);

/* What the agent gave back of a block, from <id>.ctl; 0 if there is none. */
uint32_t ring_writer_returned(const struct ring_writer *writer, uint32_t block);
uint32_t ring_writer_returns(const struct ring_writer *writer);
uint32_t ring_writer_flush_ack(const struct ring_writer *writer);

void ring_pen_init(struct ring_pen *pen, struct ring_writer *writer, uint32_t number);
/* Takes block `index` (its generation goes up by one). */
void ring_pen_open(struct ring_pen *pen, uint32_t index);
void ring_pen_seal(struct ring_pen *pen);
void ring_pen_commit(struct ring_pen *pen);

/* Appends a record that must fit, and commits it. */
void ring_pen_record(struct ring_pen *pen, const void *record, uint32_t length);
void ring_pen_start(struct ring_pen *pen, uint64_t span, const char *name);
void ring_pen_end(struct ring_pen *pen, uint64_t span);
void ring_pen_string(struct ring_pen *pen, uint64_t span, const char *key, uint32_t length);
void ring_pen_process_end(struct ring_pen *pen, enum wire_process_end how, int code);

/* One piece of a value. */
void ring_pen_fragment(struct ring_pen *pen, unsigned flags, uint32_t whole, const void *body,
		       uint32_t length);
/* A string attribute of `length` bytes in pieces over blocks `from`, `from`+1,
 * ... beginning in the open block. Seals what it fills. Returns the record,
 * which the caller frees. */
uint8_t *ring_pen_long_string(struct ring_pen *pen, uint64_t span, uint32_t length,
			      uint32_t from, uint32_t *ret_length);

#endif
