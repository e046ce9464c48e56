/* SPDX-License-Identifier: Apache-2.0
 *
 * Has a bound unique symbol, which keeps its object mapped for ever.
 */
#include "testmod.h"

TM_MANIFEST("gnu_unique");
TM_PROVIDES("gnu_unique.next");

template <class T>
struct __attribute__((visibility("default"))) GnuUniqueCounter {
  static T value;
};
template <class T>
T GnuUniqueCounter<T>::value = 0;

static bp_handled next(const bp_call* call) {
  tm_ok_number(call->token, ++GnuUniqueCounter<uint64_t>::value);
  return BP_DONE;
}

static bp_status init(const bp_host_api* host, bp_module* module, void**) {
  tm_begin(host);
  return tm_register(module, "gnu_unique.next", next);
}
TM_ENTRY(init);
