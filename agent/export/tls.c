#include "export/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* A chain has three certificates; what is much longer is meant to cost us. */
#define CHAIN_BYTES_MAX (64 << 10)

static int refuse(struct tls *tls, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct tls *tls, int r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(tls->error, sizeof(tls->error), format, args);
	va_end(args);
	return r;
}

/* OpenSSL's own word for the newest failure; its queue is emptied. */
static const char *reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return text ? text : "unknown reason";
}

/* --- files ---------------------------------------------------------------- */

static int use_authorities(struct tls *tls, const char *file)
{
	int ok = file ? SSL_CTX_load_verify_locations(tls->context, file, NULL)
		      : SSL_CTX_set_default_verify_paths(tls->context);

	if (ok)
		return 0;
	return refuse(tls, -EINVAL, "certificate authorities %s cannot be used: %s",
		      file ? file : "of the system", reason());
}

static int use_certificate(struct tls *tls, const struct tls_files *files)
{
	if (!files->certificate && !files->key)
		return 0;
	if (!files->certificate || !files->key)
		return refuse(tls, -EINVAL,
			      "a client certificate needs its key and a key its certificate: "
			      "set export.client_certificate and export.client_key");
	if (!SSL_CTX_use_certificate_chain_file(tls->context, files->certificate))
		return refuse(tls, -EINVAL, "client certificate %s cannot be used: %s",
			      files->certificate, reason());
	if (!SSL_CTX_use_PrivateKey_file(tls->context, files->key, SSL_FILETYPE_PEM) ||
	    !SSL_CTX_check_private_key(tls->context))
		return refuse(tls, -EINVAL, "client key %s cannot be used: %s", files->key,
			      reason());
	return 0;
}

void tls_restrict(struct ssl_ctx_st *context)
{
	(void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	(void)SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
}

static int context_make(struct tls *tls, const struct tls_files *files)
{
	static const uint8_t protocols[] = {2, 'h', '2'};
	int r;

	tls->context = SSL_CTX_new(TLS_client_method());
	if (!tls->context)
		return refuse(tls, -ENOMEM, "out of memory");
	SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
	tls_restrict(tls->context);
	if (!SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) ||
	    SSL_CTX_set_alpn_protos(tls->context, protocols, sizeof(protocols)) != 0)
		return refuse(tls, -EINVAL, "TLS cannot be set up: %s", reason());
	r = use_authorities(tls, files->authorities);
	return r < 0 ? r : use_certificate(tls, files);
}

/* --- the session ---------------------------------------------------------- */

static bool is_address(const char *host)
{
	uint8_t address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 ||
	       inet_pton(AF_INET6, host, address) == 1;
}

static bool expect_host(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
}

static int session_make(struct tls *tls, const char *host)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	tls->ssl = SSL_new(tls->context);
	if (!in || !out || !tls->ssl) {
		BIO_free(in);
		BIO_free(out);
		return refuse(tls, -ENOMEM, "out of memory");
	}
	/* An empty one means "later", not the end. */
	(void)BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(tls->ssl, in, out);
	SSL_set_connect_state(tls->ssl);
	if (!expect_host(tls->ssl, host))
		return refuse(tls, -EINVAL, "%.100s is no name a certificate can have", host);
	return 0;
}

int tls_init(struct tls *tls, const struct tls_files *files, const char *host)
{
	int r;

	*tls = (struct tls){0};
	ERR_clear_error();
	r = context_make(tls, files);
	if (r == 0)
		r = session_make(tls, host);
	if (r < 0)
		tls_fini(tls);
	return r;
}

void tls_fini(struct tls *tls)
{
	SSL_free(tls->ssl);
	SSL_CTX_free(tls->context);
	buf_fini(&tls->output);
	tls->ssl = NULL;
	tls->context = NULL;
	tls->agreed = false;
}

/* What OpenSSL wants sent goes where the socket's owner finds it. */
static int take_output(struct tls *tls)
{
	BIO *out = SSL_get_wbio(tls->ssl);
	char *at;
	long len = BIO_get_mem_data(out, &at);

	if (len <= 0)
		return 0;
	if (buf_append(&tls->output, at, (size_t)len) < 0)
		return -ENOMEM;
	(void)BIO_reset(out);
	return 0;
}

int tls_received(struct tls *tls, const uint8_t *at, size_t len)
{
	if (len > INT_MAX || BIO_write(SSL_get_rbio(tls->ssl), at, (int)len) != (int)len)
		return refuse(tls, -ENOMEM, "out of memory");
	return 0;
}

static int say_why(struct tls *tls)
{
	long verified = SSL_get_verify_result(tls->ssl);
	unsigned long code = ERR_peek_last_error();

	if (verified != X509_V_OK) {
		ERR_clear_error();
		return refuse(tls, -EPROTO, "its certificate is not accepted: %s",
			      X509_verify_cert_error_string(verified));
	}
	if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
		ERR_clear_error();
		return refuse(tls, -EPROTO,
			      "it does not speak TLS; write http:// for plain text");
	}
	return refuse(tls, -EPROTO, "%s", reason());
}

static int check_protocol(struct tls *tls)
{
	const uint8_t *name = NULL;
	unsigned len = 0;

	SSL_get0_alpn_selected(tls->ssl, &name, &len);
	if (len == 2 && memcmp(name, "h2", 2) == 0)
		return 1;
	return refuse(tls, -EPROTO, "it does not speak HTTP/2 (ALPN h2) on this port");
}

int tls_agree(struct tls *tls)
{
	int done, why;

	ERR_clear_error();
	done = SSL_do_handshake(tls->ssl);
	why = SSL_get_error(tls->ssl, done);
	/* Also an alert that says what is wrong with the peer. */
	if (take_output(tls) < 0)
		return refuse(tls, -ENOMEM, "out of memory");
	if (done == 1) {
		tls->agreed = true;
		return check_protocol(tls);
	}
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : say_why(tls);
}

ssize_t tls_read(struct tls *tls, uint8_t *at, size_t len)
{
	int n, why;

	ERR_clear_error();
	n = SSL_read(tls->ssl, at, len > INT_MAX ? INT_MAX : (int)len);
	why = SSL_get_error(tls->ssl, n);
	if (take_output(tls) < 0)
		return refuse(tls, -ENOMEM, "out of memory");
	if (n > 0)
		return n;
	switch (why) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return -ECONNRESET;
	default:
		return refuse(tls, -EPROTO, "TLS: %s", reason());
	}
}

int tls_write(struct tls *tls, const uint8_t *at, size_t len)
{
	ERR_clear_error();
	while (len > 0) {
		int n = SSL_write(tls->ssl, at, len > INT_MAX ? INT_MAX : (int)len);

		/* A memory BIO takes everything. */
		if (n <= 0)
			return refuse(tls, -EPROTO, "TLS: %s", reason());
		at += n;
		len -= (size_t)n;
	}
	return take_output(tls) < 0 ? refuse(tls, -ENOMEM, "out of memory") : 0;
}
