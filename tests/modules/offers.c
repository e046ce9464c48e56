/* SPDX-License-Identifier: Apache-2.0
 *
 * Offers the host function offered.twice, as offers_a and as offers_b: the second load is refused.
 */
#include "testmod.h"

TM_MANIFEST(OFFERS_NAME);
BP_MANIFEST("offers=offered.twice");

static void answer(const bp_call* call) { tm_ok(call->token, "from " OFFERS_NAME); }

static bp_status init(const bp_host_api* host, bp_module* module, void** module_data) {
  (void)module_data;
  tm_begin(host);
  return tm_offer(module, "offered.twice", answer);
}
TM_ENTRY(init);
