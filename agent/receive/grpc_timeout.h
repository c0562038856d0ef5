/* The value of `grpc-timeout`: at most eight digits and a unit (rule 18). */
#ifndef RECEIVE_GRPC_TIMEOUT_H
#define RECEIVE_GRPC_TIMEOUT_H

#include "base/buf.h"

/* -EINVAL. */
int grpc_timeout_parse(struct bytes text, uint64_t *ret_timeout_ns);

#endif
