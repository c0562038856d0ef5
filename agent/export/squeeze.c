#include "export/squeeze.h"

#include "export/transport.h"

void squeeze_init(struct squeeze *squeeze, enum compression how)
{
	*squeeze = (struct squeeze){.wanted = how,
				    .how = how == COMPRESSION_ZSTD ? COMPRESSION_GZIP : how};
}

void squeeze_fini(struct squeeze *squeeze)
{
	compressor_fini(&squeeze->compressor);
}

/* Every length that is tried, for nothing, is twice as far from the one before. */
static void did_not_pay(struct squeeze *squeeze)
{
	squeeze->skip_next = squeeze->skip_next ? 2 * squeeze->skip_next : 1;
	if (squeeze->skip_next > SQUEEZE_SKIP_MAX)
		squeeze->skip_next = SQUEEZE_SKIP_MAX;
	squeeze->skip = squeeze->skip_next;
}

enum compression squeeze_run(struct squeeze *squeeze, struct bytes framed, struct buf *wire)
{
	struct bytes message = framed_message(framed);
	/* What saves less than an eighth does not pay for being unpacked. */
	size_t most = message.len - message.len / 8;
	ssize_t n;

	if (squeeze->how == COMPRESSION_NONE || message.len < SQUEEZE_BYTES_MIN)
		return COMPRESSION_NONE;
	if (squeeze->skip) {
		squeeze->skip--;
		return COMPRESSION_NONE;
	}
	buf_reset(wire);
	if (buf_reserve(wire, TRANSPORT_FRAMING + most) < 0)
		return COMPRESSION_NONE;
	n = compressor_run(&squeeze->compressor, squeeze->how, message,
			   wire->at + TRANSPORT_FRAMING, most);
	if (n <= 0) {
		did_not_pay(squeeze);
		return COMPRESSION_NONE;
	}
	squeeze->skip_next = 0;
	grpc_frame_put(wire->at, (size_t)n, true);
	wire->len = TRANSPORT_FRAMING + (size_t)n;
	return squeeze->how;
}

void squeeze_heard(struct squeeze *squeeze, unsigned known)
{
	if (squeeze->heard)
		return;
	squeeze->heard = true;
	if (squeeze->wanted == COMPRESSION_ZSTD && (!known || known & 1u << COMPRESSION_ZSTD))
		squeeze->how = COMPRESSION_ZSTD;
}

void squeeze_refused(struct squeeze *squeeze, enum compression how, unsigned known)
{
	/* Several requests may have been under way. */
	if (squeeze->how != how)
		return;
	squeeze->heard = true;
	known &= ~(1u << how);
	squeeze->how = known & 1u << COMPRESSION_GZIP ? COMPRESSION_GZIP : COMPRESSION_NONE;
}
