// SPDX-License-Identifier: Apache-2.0
//
// bp.config/1: the configuration and the data directory of a module.
#include <backplane/ext/config.h>

#include <exception>

#include "extensions/tables.hpp"
#include "modules/generation.hpp"
#include "support/forked_child.hpp"
#include "support/result.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

bp_bytes config_get(bp_module* module) noexcept {
  return module == nullptr ? bp_bytes{nullptr, 0} : bytes(module->generation->config);
}

bp_status config_data_dir(bp_module* module, bp_str* path, bp_str* message) noexcept {
  if (module == nullptr || path == nullptr) return BP_INVALID_ARGUMENT;
  if (is_forked_child.load(std::memory_order_relaxed)) return BP_NOT_SUPPORTED;
  Generation& generation = *module->generation;
  *path = {"", 0};
  const MutexLock lock(generation.data_dir_mutex);
  try {
    if (generation.data_dir.empty()) generation.data_dir = generation.make_data_dir(generation.manifest.name);
    *path = str(generation.data_dir);
    if (message != nullptr) *message = {"", 0};
    return BP_OK;
  } catch (const Failure& failure) {
    generation.data_dir_failure = failure.message;
    if (message != nullptr) *message = str(generation.data_dir_failure);
    return failure.status;
  } catch (const std::exception&) {
    return BP_OUT_OF_MEMORY;
  }
}

}  // namespace

const bp_config_api config_table{sizeof(bp_config_api), 0, config_get, config_data_dir};

}  // namespace backplane::host
