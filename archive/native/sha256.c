/*
 * SHA-256 by the OpenSSL that Node brings and exports to addons. Its headers are not beside every Node, so that its functions are
 * declared here, as every version since 1.1 has them, and looked for when the addon is loaded.
 */
#ifdef __linux__
#include "read-files.h"

#define WEAK __attribute__((weak))
WEAK void *EVP_MD_CTX_new(void);
WEAK const void *EVP_sha256(void);
WEAK int EVP_DigestInit_ex(void *context, const void *digest, void *engine);
WEAK int EVP_DigestUpdate(void *context, const void *bytes, size_t size);
WEAK int EVP_DigestFinal_ex(void *context, unsigned char *digest, unsigned int *size);

enum { MOST_DIGEST_BYTES = 64, SHA256_BYTES = 32 };

int has_sha256(void) {
  return EVP_MD_CTX_new != NULL && EVP_sha256 != NULL && EVP_DigestInit_ex != NULL && EVP_DigestUpdate != NULL &&
         EVP_DigestFinal_ex != NULL;
}

int put_sha256(uint8_t *hex, const uint8_t *bytes, size_t size) {
  /* One for each thread of the pool, which live as long as the process. */
  static _Thread_local void *context;
  unsigned char digest[MOST_DIGEST_BYTES];
  unsigned int length = 0;
  const void *kind = NULL;
  if (context == NULL) {
    context = EVP_MD_CTX_new();
    kind = EVP_sha256();
  }
  /* No kind: the one before, without looking it up again. */
  if (context == NULL || EVP_DigestInit_ex(context, kind, NULL) != 1 || EVP_DigestUpdate(context, bytes, size) != 1 || EVP_DigestFinal_ex(context, digest, &length) != 1)
    return 0;
  for (int i = 0; i < SHA256_BYTES; i++) {
    hex[2 * i] = (uint8_t)"0123456789abcdef"[digest[i] >> 4];
    hex[2 * i + 1] = (uint8_t)"0123456789abcdef"[digest[i] & 15];
  }
  return length == SHA256_BYTES;
}
#endif
