// SPDX-License-Identifier: Apache-2.0
//
// bp.handle/1: numeric handles for objects of a module.
#include <backplane/ext/handle.h>

#include <new>

#include "extensions/tables.hpp"
#include "modules/instance.hpp"
#include "request/request_thread.hpp"

namespace backplane::host {
namespace {

// Whether the calling thread runs code of the instance: its request thread, or a worker thread.
bool is_here(const bp_instance& instance) noexcept {
  return instance.host->on_request_thread() || RequestThread::worker_instance == &instance;
}

bp_status handle_put(bp_instance* instance, const void* type, void* object, bp_release_fn release,
                     uint64_t* id) noexcept try {
  if (instance == nullptr || type == nullptr || object == nullptr || id == nullptr) return BP_INVALID_ARGUMENT;
  if (!is_here(*instance)) return BP_NOT_SUPPORTED;
  *id = instance->handles.put(type, object, release);
  return BP_OK;
} catch (const std::bad_alloc&) {
  return BP_OUT_OF_MEMORY;
}

void* handle_get(bp_instance* instance, const void* type, uint64_t id) noexcept {
  return instance != nullptr && is_here(*instance) ? instance->handles.get(type, id) : nullptr;
}

bp_status handle_release(bp_instance* instance, const void* type, uint64_t id) noexcept {
  if (instance != nullptr && !is_here(*instance)) return BP_NOT_SUPPORTED;
  return instance != nullptr && instance->handles.release(type, id) ? BP_OK : BP_INVALID_HANDLE;
}

}  // namespace

const bp_handle_api handle_table{sizeof(bp_handle_api), 0, handle_put, handle_get, handle_release};

}  // namespace backplane::host
