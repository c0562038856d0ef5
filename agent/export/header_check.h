/* Custom metadata before it is trusted to go on the wire: what configuration
 * or environment contain must not become other headers. */
#ifndef EXPORT_HEADER_CHECK_H
#define EXPORT_HEADER_CHECK_H

#include "export/options.h"

/* -EINVAL: a name that is not lower-case [a-z0-9_.-], is reserved (`grpc-...`,
 * pseudo and connection headers, those of the call itself), or a value that is
 * not printable ASCII. -E2BIG: more than EXPORT_HEADERS_MAX of them. */
int header_check(const struct export_header *header);
int header_check_all(const struct export_header *headers, size_t n);

#endif
