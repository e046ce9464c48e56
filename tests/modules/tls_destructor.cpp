/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread_local with a destructor: the object stays for as long as a thread that touched it.
 */
#include "testmod.h"

TM_MANIFEST("tls_destructor");
TM_PROVIDES("tls_destructor.touch");

namespace {

uint64_t destroyed = 0;

struct Touched {
  uint64_t times = 0;
  ~Touched() { destroyed += times; }
};

bp_handled touch(const bp_call* call) {
  thread_local Touched touched;
  tm_ok_number(call->token, ++touched.times);
  return BP_DONE;
}

bp_status init(const bp_host_api* host, bp_module* module, void**) {
  tm_begin(host);
  return tm_register(module, "tls_destructor.touch", touch);
}

}  // namespace

TM_ENTRY(init);
