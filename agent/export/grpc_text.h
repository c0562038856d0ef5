/* The small encodings of gRPC's headers: percent-encoded messages,
 * timeouts, and what stands in the details of a status. Pure functions, any thread. */
#ifndef EXPORT_GRPC_TEXT_H
#define EXPORT_GRPC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define GRPC_TIMEOUT_TEXT_MAX 10 /* 8 digits, a unit, a terminator */

/* Decodes a `grpc-message`. Never fails: what is not a valid escape stays as
 * it is, and what does not fit in `len` bytes (with terminator) is cut. */
void grpc_text_unescape(char *ret, size_t len, const char *escaped);

/* Writes a `grpc-timeout` not shorter than the coarsest unit that keeps it
 * within eight digits needs; never "0". */
void grpc_text_timeout(char ret[GRPC_TIMEOUT_TEXT_MAX], uint64_t timeout_ns);

/* The RetryInfo inside an encoded google.rpc.Status. False: none there, or
 * the bytes do not decode. A negative or absent delay counts as 0; a delay
 * beyond 2^63 ns is cut to that. */
bool grpc_text_retry_delay(struct bytes status, uint64_t *ret_delay_ns);

#endif
