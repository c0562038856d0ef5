/* Bytes: a borrowed view (`struct bytes`) and a growable owner (`struct buf`).
 *
 * A `struct buf` owns one heap block. Appending returns 0 or -ENOMEM and then
 * leaves the content as it was; a caller that appends many pieces may ignore
 * the single results and ask buf_failed() once at the end, because a failed
 * buffer refuses everything until buf_reset(). Not thread-safe: one owner. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *at;
	size_t len;
};

struct buf {
	uint8_t *at;
	size_t len;
	size_t cap;
	bool failed;
};

#define BUF_INIT { NULL, 0, 0, false }

void buf_init(struct buf *buf);
void buf_fini(struct buf *buf);

/* Forgets the content and a failure, keeps the memory. */
void buf_reset(struct buf *buf);
/* The same, but of memory no more than `bytes` is kept: a burst's is given back. */
void buf_keep(struct buf *buf, size_t bytes);

/* Makes room for `more` bytes behind the content. -ENOMEM. */
int buf_reserve(struct buf *buf, size_t more);

int buf_append(struct buf *buf, const void *at, size_t len);
int buf_append_byte(struct buf *buf, uint8_t byte);
int buf_append_text(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Removes `len` bytes at the front (memmove; for short remainders). */
void buf_consume(struct buf *buf, size_t len);

static inline bool buf_failed(const struct buf *buf)
{
	return buf->failed;
}

static inline struct bytes buf_bytes(const struct buf *buf)
{
	return (struct bytes){buf->at, buf->len};
}

static inline struct bytes bytes_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

#endif
