// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fixture.hpp"

namespace host_test {

/// What each blocking function answers, called on a thread of the host's own: all_refused, if all is well.
inline std::vector<bp_status> blocking_functions(bp_context context) {
  const std::string path = module_path("slow");
  const bp_load_options load = load_options(path);
  std::vector<bp_status> got;
  const auto with = [&](auto call) {
    Result result;
    got.push_back(call(&result));
  };
  with([&](bp_result* out) { return bp_call_sync(context, BP_STR("a.b"), bytes_of(""), 0, out); });
  with([&](bp_result* out) { return bp_module_load(context, &load, out); });
  with([&](bp_result* out) { return bp_module_unload(context, BP_STR("sleeper"), 0, out); });
  with([&](bp_result* out) { return bp_module_reload(context, BP_STR("sleeper"), nullptr, 0, out); });
  with([&](bp_result* out) { return bp_module_list(context, out); });
  with([&](bp_result* out) { return bp_host_status(context, out); });
  with([&](bp_result* out) {
    bp_context made{};
    return bp_context_create(nullptr, &made, out);
  });
  got.push_back(bp_context_stop(context, 0));
  got.push_back(bp_context_destroy(context));
  return got;
}

inline const std::vector<bp_status> all_refused(9, BP_REENTRANT);

}  // namespace host_test
