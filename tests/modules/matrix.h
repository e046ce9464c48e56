/* SPDX-License-Identifier: Apache-2.0
 *
 * What the modules made of matrix.c share with the test that loads them into its own process.
 */
#ifndef BACKPLANE_TEST_MATRIX_H
#define BACKPLANE_TEST_MATRIX_H

#include "backplane/ext/await.h"
#include "backplane/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The test's own functions, which the module's handlers are. Its address is the module's configuration. */
typedef struct matrix_bench {
  bp_handled (*handle)(struct matrix_bench* self, const bp_host_api* host, const bp_await_api* await,
                       const bp_call* call);
  void (*function)(struct matrix_bench* self, const bp_host_api* host, const bp_call* call);
  void (*init)(struct matrix_bench* self); /* or NULL; called by init */
} matrix_bench;

#ifdef __cplusplus
}
#endif

#endif /* BACKPLANE_TEST_MATRIX_H */
