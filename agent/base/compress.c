#include "base/compress.h"

#include <assert.h>
#include <errno.h>
#include <libdeflate.h>
#include <zstd.h>

/* Of the sizes spans come in, the lowest levels save nearly what the highest do,
 * for a fraction of the time. */
#define GZIP_LEVEL 1
#define ZSTD_LEVEL 1

static const char *const names[] = {
	[COMPRESSION_NONE] = "identity",
	[COMPRESSION_GZIP] = "gzip",
	[COMPRESSION_ZSTD] = "zstd",
};

const char *compression_name(enum compression how)
{
	return names[how];
}

enum compression compression_parse(struct bytes name)
{
	int how = 0;

	while (how < COMPRESSIONS && !bytes_equal(name, bytes_of(names[how])))
		how++;
	return (enum compression)how;
}

void compressor_fini(struct compressor *compressor)
{
	libdeflate_free_compressor(compressor->gzip);
	(void)ZSTD_freeCCtx(compressor->zstd);
	*compressor = (struct compressor){0};
}

static ssize_t run_gzip(struct compressor *compressor, struct bytes in, uint8_t *at, size_t len)
{
	if (!compressor->gzip)
		compressor->gzip = libdeflate_alloc_compressor(GZIP_LEVEL);
	if (!compressor->gzip)
		return -ENOMEM;
	return (ssize_t)libdeflate_gzip_compress(compressor->gzip, in.at, in.len, at, len);
}

/* It has no errors besides too little room and too little memory. */
static ssize_t run_zstd(struct compressor *compressor, struct bytes in, uint8_t *at, size_t len)
{
	size_t n;

	if (!compressor->zstd)
		compressor->zstd = ZSTD_createCCtx();
	if (!compressor->zstd)
		return -ENOMEM;
	n = ZSTD_compressCCtx(compressor->zstd, at, len, in.at, in.len, ZSTD_LEVEL);
	return ZSTD_isError(n) ? 0 : (ssize_t)n;
}

ssize_t compressor_run(struct compressor *compressor, enum compression how, struct bytes in,
		       uint8_t *at, size_t len)
{
	assert(how == COMPRESSION_GZIP || how == COMPRESSION_ZSTD);
	return how == COMPRESSION_GZIP ? run_gzip(compressor, in, at, len)
				       : run_zstd(compressor, in, at, len);
}
