/* OTLP over gRPC, as both sides of it have to agree: where traces go, and the head
 * in front of a message: flag (1: compressed), length (big-endian). */
#ifndef BASE_GRPC_FRAME_H
#define BASE_GRPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRPC_EXPORT_PATH "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define GRPC_FRAME_BYTES 5

static inline void grpc_frame_put(uint8_t at[GRPC_FRAME_BYTES], size_t len, bool compressed)
{
	at[0] = compressed;
	at[1] = (uint8_t)(len >> 24);
	at[2] = (uint8_t)(len >> 16);
	at[3] = (uint8_t)(len >> 8);
	at[4] = (uint8_t)len;
}

static inline uint32_t grpc_frame_length(const uint8_t at[GRPC_FRAME_BYTES])
{
	return (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
}

#endif
