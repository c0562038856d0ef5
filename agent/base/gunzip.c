#include "base/gunzip.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define WINDOW_BITS_GZIP (15 + 16)

struct gunzip {
	z_stream stream;
	bool whole; /* at the end of a member; another one may follow */
};

int gunzip_new(struct gunzip **ret_gunzip)
{
	struct gunzip *gunzip = calloc(1, sizeof *gunzip);

	if (!gunzip)
		return -ENOMEM;
	if (inflateInit2(&gunzip->stream, WINDOW_BITS_GZIP) != Z_OK) {
		free(gunzip);
		return -ENOMEM;
	}
	*ret_gunzip = gunzip;
	return 0;
}

void gunzip_free(struct gunzip *gunzip)
{
	if (!gunzip)
		return;
	(void)inflateEnd(&gunzip->stream);
	free(gunzip);
}

static unsigned cut(size_t len)
{
	return len < UINT_MAX ? (unsigned)len : UINT_MAX;
}

ssize_t gunzip_step(struct gunzip *gunzip, struct bytes *in, uint8_t *at, size_t len)
{
	z_stream *stream = &gunzip->stream;
	size_t filled = 0;
	unsigned given, room;
	int r;

	while (filled < len) {
		if (gunzip->whole && in->len > 0) {
			gunzip->whole = false;
			if (inflateReset(stream) != Z_OK)
				return -EBADMSG;
		}
		given = cut(in->len);
		room = cut(len - filled);
		stream->next_in = (uint8_t *)in->at;
		stream->avail_in = given;
		stream->next_out = at + filled;
		stream->avail_out = room;
		r = inflate(stream, Z_NO_FLUSH);
		if (given) {
			in->at += given - stream->avail_in;
			in->len -= given - stream->avail_in;
		}
		filled += room - stream->avail_out;
		gunzip->whole |= r == Z_STREAM_END;
		if (r == Z_BUF_ERROR || (r == Z_STREAM_END && in->len == 0))
			break; /* nothing more without more input */
		if (r == Z_MEM_ERROR)
			return -ENOMEM;
		if (r != Z_OK && r != Z_STREAM_END)
			return -EBADMSG;
	}
	return (ssize_t)filled;
}

bool gunzip_whole(const struct gunzip *gunzip)
{
	return gunzip->whole;
}
