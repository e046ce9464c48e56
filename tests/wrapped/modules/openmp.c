/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenMP: counts the bytes of each value, on the threads of libgomp.
 */
#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=openmp");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=openmp.work");
BP_MANIFEST("provides=openmp.wide");
BP_MANIFEST("provides=openmp.long");
BP_MANIFEST("requires=" BP_EXT_AWAIT);

typedef struct counts {
  uint64_t of[256];
} counts;

static void count(bp_bytes in, counts* out) {
  uint64_t* of = out->of;
#pragma omp parallel for num_threads(4) reduction(+ : of[:256])
  for (size_t i = 0; i < in.size; i++) of[in.data[i]]++;
}

static bp_handled answer_counts(const bp_call* call) {
  counts found = {{0}};
  count(call->payload, &found);
  return answer(call, &found, sizeof found);
}

static bp_handled count_long(const bp_call* call) {
  counts found = {{0}};
  while (!canceled(call)) count(call->payload, &found);
  return BP_DONE;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  (void)data;
  use(api);
  const uint32_t blocking = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT;
  bp_status status = add(module, "openmp.work", answer_counts, 0, 0); /* on the request thread, and on workers */
  if (status == BP_OK) status = add(module, "openmp.wide", answer_counts, blocking, 0);
  return status == BP_OK ? add(module, "openmp.long", count_long, blocking, 0) : status;
}

BP_MODULE_ENTRY = {
    .struct_size = sizeof(bp_module_entry), .abi_major = BP_ABI_MAJOR, .abi_minor = BP_ABI_MINOR, .init = init};
