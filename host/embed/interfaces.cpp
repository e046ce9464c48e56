// SPDX-License-Identifier: Apache-2.0
//
// The C function of interfaces.h.
#include <backplane/backplane.h>
#include <backplane/interfaces.h>

#include <backplane/cbor/utf8.hpp>

#include "embed/guard.hpp"
#include "support/views.hpp"

using namespace backplane::host;

extern "C" {

bp_status bp_context_expect(bp_context ctx, bp_str module, bp_str hash, bp_str cddl, bp_result* out) {
  return with_endpoint(ctx, out, [&](Endpoint& endpoint) {
    if (is_null(module) || is_null(hash) || is_null(cddl)) return set_result(out, BP_INVALID_ARGUMENT, null_view);
    if (module.size == 0 || module.size > BP_MODULE_NAME_MAX || hash.size == 0) {
      return set_result(out, BP_INVALID_ARGUMENT, "the module or the hash is empty or too long; expected both");
    }
    const ExpectedInterface expected{view(module), view(hash), view(cddl)};
    for (const std::string_view text : {expected.module, expected.hash, expected.cddl}) {
      if (!backplane::cbor::valid_utf8(text)) {
        return set_result(out, BP_INVALID_ARGUMENT, "the module, the hash or the CDDL is not UTF-8; expected UTF-8");
      }
    }
    return endpoint.modules().expect(expected, *out);
  });
}

}  // extern "C"
