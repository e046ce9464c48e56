// SPDX-License-Identifier: Apache-2.0
//
// trial_probe PROGRAM FILE: a host with trial loads loads a file and unloads it. Ends with 0, or with 5 if the file is
// refused.
#include <backplane/backplane.h>

#include <cstdio>

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const bp_host_options options = {.struct_size = sizeof options, .trial_program = arguments[1]};
  bp_context context{};
  if (bp_host_configure(&options, nullptr) != BP_OK) return 2;
  if (bp_context_create(nullptr, &context, nullptr) != BP_OK) return 2;
  const bp_load_options load = {.struct_size = sizeof load, .path = arguments[2]};
  bp_result result{};
  result.struct_size = sizeof result;
  const bp_status status = bp_module_load(context, &load, &result);
  std::printf("%.*s\n", static_cast<int>(result.message.size), result.message.data);
  bp_result_free(&result);
  if (status != BP_OK) return 5;
  bp_module_unload(context, {"timer", 5}, 0, nullptr);
  bp_context_destroy(context);
  return 0;
}
