/* TLS between a socket and what is spoken over it: bytes in, bytes out, no I/O
 * of its own except reading the certificate files when a connection begins, so
 * that a renewed certificate serves the next connection.
 *
 * TLS 1.2 or newer, the peer's certificate and name are verified, ALPN must
 * agree on "h2". Nothing falls back to plain text. One owner, one thread. */
#ifndef EXPORT_TLS_H
#define EXPORT_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define TLS_ERROR_BYTES 200

/* Files are PEM; NULL: the system's authorities, no certificate of ours. */
struct tls_files {
	const char *authorities;
	const char *certificate; /* with its chain; needs `key` */
	const char *key;
};

struct tls {
	struct ssl_ctx_st *context;
	struct ssl_st *ssl;
	struct buf output; /* encrypted, to be sent */
	bool agreed;
	char error[TLS_ERROR_BYTES]; /* why it cannot go on, with what to do */
};

/* What a peer may not do, of a context of whomever. */
void tls_restrict(struct ssl_ctx_st *context);

/* `host`: the name or address the peer's certificate must have. -EINVAL: a file
 * cannot be used. -ENOMEM. Both leave the error readable and nothing to free. */
int tls_init(struct tls *tls, const struct tls_files *files, const char *host);
void tls_fini(struct tls *tls);

/* Takes what came from the peer. -ENOMEM. */
int tls_received(struct tls *tls, const uint8_t *at, size_t len);

/* Goes on with agreeing. 1: agreed, 0: the peer's turn, -EPROTO: no agreement. */
int tls_agree(struct tls *tls);

/* The plain bytes of what was received: how many, 0: none now, -ECONNRESET: the
 * peer closes in good order, -EPROTO. */
ssize_t tls_read(struct tls *tls, uint8_t *at, size_t len);

/* Encrypts all of it into `output`. -ENOMEM, -EPROTO. */
int tls_write(struct tls *tls, const uint8_t *at, size_t len);

#endif
