#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *buf)
{
	*buf = (struct buf)BUF_INIT;
}

void buf_fini(struct buf *buf)
{
	free(buf->at);
	buf_init(buf);
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

void buf_keep(struct buf *buf, size_t bytes)
{
	if (buf->cap > bytes)
		buf_fini(buf);
	buf_reset(buf);
}

static int buf_fail(struct buf *buf)
{
	buf->failed = true;
	return -ENOMEM;
}

int buf_reserve(struct buf *buf, size_t more)
{
	size_t need, cap;
	uint8_t *at;

	if (buf->failed)
		return -ENOMEM;
	if (__builtin_add_overflow(buf->len, more, &need))
		return buf_fail(buf);
	if (need <= buf->cap)
		return 0;
	cap = buf->cap ? buf->cap : 256;
	while (cap < need && cap <= SIZE_MAX / 2)
		cap *= 2;
	if (cap < need)
		cap = need;
	at = realloc(buf->at, cap);
	if (!at)
		return buf_fail(buf);
	buf->at = at;
	buf->cap = cap;
	return 0;
}

int buf_append(struct buf *buf, const void *at, size_t len)
{
	int r;

	r = buf_reserve(buf, len);
	if (r < 0)
		return r;
	if (len)
		memcpy(buf->at + buf->len, at, len);
	buf->len += len;
	return 0;
}

int buf_append_byte(struct buf *buf, uint8_t byte)
{
	return buf_append(buf, &byte, 1);
}

int buf_append_text(struct buf *buf, const char *text)
{
	return buf_append(buf, text, strlen(text));
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int n, r;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return -EINVAL;
	r = buf_reserve(buf, (size_t)n + 1);
	if (r < 0)
		return r;
	va_start(args, format);
	(void)vsnprintf((char *)buf->at + buf->len, (size_t)n + 1, format, args);
	va_end(args);
	buf->len += (size_t)n;
	return 0;
}

void buf_consume(struct buf *buf, size_t len)
{
	if (len > buf->len)
		len = buf->len;
	memmove(buf->at, buf->at + len, buf->len - len);
	buf->len -= len;
}
