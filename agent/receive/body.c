#include "receive/body.h"

#include <errno.h>
#include <stdlib.h>

#include "base/gunzip.h"

#define FIRST_BYTES ((size_t)4 << 10)
/* Small requests compress as they like. */
#define RATIO_FROM_BYTES (UINT64_C(1) << 20)

static int memory_take(struct body *body, uint64_t bytes)
{
	struct body_memory *memory = body->memory;

	if (memory->bytes + bytes > memory->bytes_max)
		return -ENOBUFS;
	memory->bytes += bytes;
	return 0;
}

int body_init(struct body *body, struct body_memory *memory, bool gzip, uint64_t len_max,
	      uint32_t ratio_max)
{
	int r;

	*body = (struct body){.memory = memory, .len_max = len_max, .ratio_max = ratio_max};
	if (!gzip)
		return 0;
	r = memory_take(body, GUNZIP_BYTES);
	if (r < 0)
		return r;
	r = gunzip_new(&body->gunzip);
	if (r < 0)
		memory->bytes -= GUNZIP_BYTES;
	return r;
}

void body_fini(struct body *body)
{
	if (!body->memory)
		return;
	if (body->gunzip)
		body->memory->bytes -= GUNZIP_BYTES;
	gunzip_free(body->gunzip);
	body->memory->bytes -= body->bytes.cap;
	buf_fini(&body->bytes);
	*body = (struct body){.memory = NULL};
}

/* Not more than twice what is needed, and never more than it may hold. */
static int body_grow(struct body *body, size_t need)
{
	struct buf *bytes = &body->bytes;
	size_t cap = bytes->cap ? 2 * bytes->cap : FIRST_BYTES;
	uint8_t *at;
	int r;

	if (cap < need)
		cap = need;
	if (cap > body->len_max)
		cap = body->len_max;
	r = memory_take(body, cap - bytes->cap);
	if (r < 0)
		return r;
	at = realloc(bytes->at, cap);
	if (!at) {
		body->memory->bytes -= cap - bytes->cap;
		return -ENOMEM;
	}
	bytes->at = at;
	bytes->cap = cap;
	return 0;
}

static int push_plain(struct body *body, struct bytes piece)
{
	struct buf *bytes = &body->bytes;
	int r;

	if (piece.len > body->len_max - bytes->len)
		return -EMSGSIZE;
	if (piece.len > bytes->cap - bytes->len) {
		r = body_grow(body, bytes->len + piece.len);
		if (r < 0)
			return r;
	}
	if (piece.len)
		memcpy(bytes->at + bytes->len, piece.at, piece.len);
	bytes->len += piece.len;
	return 0;
}

static bool out_of_proportion(const struct body *body)
{
	return body->ratio_max && body->bytes.len > RATIO_FROM_BYTES &&
	       body->bytes.len / body->ratio_max > body->wire_bytes;
}

/* Whether a stream that has filled all there may be has more to say. */
static int push_full(struct body *body, struct bytes *piece)
{
	uint8_t more;
	ssize_t n = gunzip_step(body->gunzip, piece, &more, 1);

	return n > 0 ? -EMSGSIZE : (int)n;
}

static int push_gzip(struct body *body, struct bytes piece)
{
	struct buf *bytes = &body->bytes;
	size_t room;
	ssize_t n;
	int r;

	do {
		if (bytes->len == body->len_max)
			return push_full(body, &piece);
		if (bytes->len == bytes->cap) {
			r = body_grow(body, bytes->len + 1);
			if (r < 0)
				return r;
		}
		room = bytes->cap - bytes->len;
		n = gunzip_step(body->gunzip, &piece, bytes->at + bytes->len, room);
		if (n < 0)
			return (int)n;
		bytes->len += (size_t)n;
		if (out_of_proportion(body))
			return -EXFULL;
	} while ((size_t)n == room);
	return 0;
}

int body_push(struct body *body, struct bytes piece)
{
	body->wire_bytes += piece.len;
	return body->gunzip ? push_gzip(body, piece) : push_plain(body, piece);
}

int body_end(struct body *body)
{
	return body->gunzip && !gunzip_whole(body->gunzip) ? -EBADMSG : 0;
}
