/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL: derives a key with libcrypto, and sends bytes through a TLS connection of libssl to itself.
 */
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=tls");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=tls.work");
BP_MANIFEST("provides=tls.echo");
BP_MANIFEST("provides=tls.long");
BP_MANIFEST("requires=" BP_EXT_AWAIT);

enum { KEY = 32, PIECE = 16384 };

static int derived(bp_bytes secret, int rounds, unsigned char* key) {
  return PKCS5_PBKDF2_HMAC((const char*)secret.data, (int)secret.size, (const unsigned char*)"salt", 4, rounds,
                           EVP_sha256(), KEY, key);
}

static bp_handled derive(const bp_call* call) {
  unsigned char key[KEY];
  return derived(call->payload, 1000, key) ? answer(call, key, KEY) : refuse(call, "no key");
}

static bp_handled derive_long(const bp_call* call) {
  unsigned char key[KEY];
  while (!canceled(call)) derived(call->payload, 1000, key);
  return BP_DONE;
}

/* A server with a fresh key and a certificate that it signs itself. */
static SSL_CTX* server_context(void) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

/* Writes on one side what it reads on the other; returns how many bytes have come. */
static size_t sent(SSL* client, SSL* server, bp_bytes in, uint8_t* out) {
  size_t written = 0, got = 0;
  while (got < in.size) {
    size_t size = in.size - written < PIECE ? in.size - written : PIECE;
    if (size > 0) written += SSL_write_ex(client, in.data + written, size, &size) == 1 ? size : 0;
    if (SSL_read_ex(server, out + got, in.size - got, &size) != 1) break;
    got += size;
  }
  return got;
}

static bp_handled echo(const bp_call* call) {
  SSL_CTX* contexts[] = {SSL_CTX_new(TLS_client_method()), server_context()};
  SSL *client = SSL_new(contexts[0]), *server = SSL_new(contexts[1]);
  BIO *near = NULL, *far = NULL;
  BIO_new_bio_pair(&near, 4 * PIECE, &far, 4 * PIECE);
  SSL_set_bio(client, near, near);
  SSL_set_bio(server, far, far);
  SSL_set_connect_state(client);
  SSL_set_accept_state(server);
  int turns = 0;
  while ((!SSL_is_init_finished(client) || !SSL_is_init_finished(server)) && turns++ < 100) {
    SSL_do_handshake(client);
    SSL_do_handshake(server);
  }
  uint8_t* out = malloc(call->payload.size + 1);
  size_t got = sent(client, server, call->payload, out);
  if (got == call->payload.size) answer(call, out, got);
  if (got != call->payload.size) refuse(call, "the connection has failed");
  free(out);
  SSL_free(client);
  SSL_free(server);
  for (int i = 0; i < 2; i++) SSL_CTX_free(contexts[i]);
  return BP_DONE;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  (void)data;
  use(api);
  const uint32_t blocking = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT;
  bp_status status = add(module, "tls.work", derive, 0, 0);
  if (status == BP_OK) status = add(module, "tls.echo", echo, blocking, 0);
  return status == BP_OK ? add(module, "tls.long", derive_long, blocking, 0) : status;
}

BP_MODULE_ENTRY = {
    .struct_size = sizeof(bp_module_entry), .abi_major = BP_ABI_MAJOR, .abi_minor = BP_ABI_MINOR, .init = init};
