// SPDX-License-Identifier: Apache-2.0
//
// The core table of functions for modules, and the tables of the extensions in abi/include/backplane/ext.
#include "extensions/module_api.hpp"

#include <backplane/ext/await.h>
#include <backplane/ext/config.h>
#include <backplane/ext/event.h>
#include <backplane/ext/fiber.h>
#include <backplane/ext/handle.h>
#include <backplane/ext/log.h>

#include <algorithm>
#include <cstring>

#include "context/host.hpp"
#include "modules/instance.hpp"
#include "reply/buffer.hpp"
#include "request/await_api.hpp"
#include "request/fiber_api.hpp"
#include "request/reply_api.hpp"
#include "support/log.hpp"
#include "support/names.hpp"
#include "support/result.hpp"
#include "support/sized.hpp"
#include "support/version.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"

// The functions that modules call. Modules may be written in C, so no exception may leave any of these.
namespace backplane::host {
namespace {

// ---- The core ----

constexpr std::uint32_t known_handler_flags = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT | BP_HANDLER_STATIC;

// Refuses a registration. If init then fails without its own message, this message is the reason in the report.
bp_status refuse_name(Generation& generation, bp_status status, std::string_view name, std::string_view why) {
  const MutexLock lock(generation.failure_mutex);
  generation.failure = "it registered \"" + std::string(name) + "\", " + std::string(why);
  return status;
}

constexpr std::string_view no_wire_name = "which is not a wire name; expected module.verb, both [a-z0-9_]+";
constexpr std::string_view registered_twice = "which it had registered before; register each name once";

bp_status register_handler(bp_module* module, const bp_handler_desc* desc) noexcept try {
  if (module == nullptr || !covers_core(desc) || desc->handler == nullptr || !module->generation->in_init) {
    return BP_INVALID_ARGUMENT;
  }
  Generation& generation = *module->generation;
  const std::string_view name = view(desc->name);
  if (!is_wire_name(name)) return refuse_name(generation, BP_INVALID_ARGUMENT, name, no_wire_name);
  if (!is_of_module(name, generation.manifest.name)) {
    return refuse_name(generation, BP_INVALID_ARGUMENT, name,
                       "but its names must begin with \"" + generation.manifest.name + ".\"; rename it");
  }
  if (const std::uint32_t unknown = desc->flags & ~known_handler_flags; unknown != 0) {
    return refuse_name(
        generation, BP_NOT_SUPPORTED, name,
        "with the flags " + std::to_string(unknown) + ", which this host does not know; use a newer host");
  }
  if ((desc->flags & BP_HANDLER_STATIC) != 0 && desc->flags != BP_HANDLER_STATIC) {
    return refuse_name(generation, BP_INVALID_ARGUMENT, name,
                       "as static and as blocking; a static handler runs on its caller's thread, so remove one flag");
  }
  if (generation.registered_names.contains(name)) {
    return refuse_name(generation, BP_NAME_TAKEN, name, registered_twice);
  }
  auto handler = std::make_unique<Handler>();
  handler->name = name;
  handler->generation = &generation;
  handler->function = desc->handler;
  handler->data = desc->data;
  handler->flags = desc->flags;
  generation.registered.push_back(std::move(handler));
  generation.registered_names.insert(generation.registered.back()->name);
  return BP_OK;
} catch (const std::bad_alloc&) {
  return BP_OUT_OF_MEMORY;
}

bp_status register_function(bp_module* module, const bp_function_desc* desc) noexcept try {
  if (module == nullptr || !covers_core(desc) || desc->function == nullptr || !module->generation->in_init) {
    return BP_INVALID_ARGUMENT;
  }
  Generation& generation = *module->generation;
  const std::string_view name = view(desc->name);
  if (!is_wire_name(name)) return refuse_name(generation, BP_INVALID_ARGUMENT, name, no_wire_name);
  if (desc->flags != 0) return BP_NOT_SUPPORTED;
  const auto same = [name](const auto& function) { return function->name == name; };
  if (std::any_of(generation.functions.begin(), generation.functions.end(), same)) {
    return refuse_name(generation, BP_NAME_TAKEN, name, registered_twice);
  }
  auto function = std::make_unique<Function>();
  function->name = name;
  function->generation = &generation;
  function->function = desc->function;
  function->data = desc->data;
  generation.functions.push_back(std::move(function));
  return BP_OK;
} catch (const std::bad_alloc&) {
  return BP_OUT_OF_MEMORY;
}

bp_status reply(bp_token token, const bp_answer* answer) noexcept {
  return covers_core(answer) ? reply_api::answer(token, *answer) : BP_INVALID_ARGUMENT;
}

void fail(bp_module* module, bp_str message) noexcept try {
  if (module == nullptr) return;
  Generation& generation = *module->generation;
  const MutexLock lock(generation.failure_mutex);
  generation.failure = view(message);
} catch (const std::bad_alloc&) {
  // init's failure status is still reported, only without this message.
}

// ---- bp.await/1 ----

bp_status await_call(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out) noexcept {
  return await_api::call(call, view(name), payload, timeout_ms, out);
}

bp_status await_host_call(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms, bp_result* out) noexcept {
  return await_api::host_call(call, view(name), payload, timeout_ms, out);
}

bp_status start_host_call(bp_token call, bp_str name, bp_bytes payload, uint64_t timeout_ms,
                          bp_host_answer_fn on_answer, void* user) noexcept {
  return await_api::start_host_call(call, view(name), payload, timeout_ms, on_answer, user);
}

constexpr bp_await_api await_table{
    sizeof(bp_await_api), 0, await_api::sleep, await_call, await_host_call, await_api::fd, await_api::check,
    start_host_call};

// ---- bp.fiber/1 ----

constexpr bp_fiber_api fiber_table{sizeof(bp_fiber_api), 0,
                                   fiber_api::open,      fiber_api::close,
                                   fiber_api::create,    fiber_api::switch_to,
                                   fiber_api::destroy,   fiber_api::active,
                                   fiber_api::ended};

// ---- bp.event/1 ----

bp_status emit(bp_instance* instance, bp_str name, bp_bytes payload, uint32_t flags) noexcept {
  return instance == nullptr ? BP_INVALID_ARGUMENT : instance->site->emit(view(name), payload, flags);
}

constexpr bp_event_api event_api{sizeof(bp_event_api), 0, emit};

// ---- bp.log/1 ----

int32_t log_enabled(int32_t level) noexcept { return log::enabled(level) ? 1 : 0; }

void log_write(bp_module* module, int32_t level, bp_str text) noexcept try {
  if (module == nullptr || level < BP_LOG_TRACE || level > BP_LOG_ERROR || !log::enabled(level)) return;
  log::write(level, module->generation->label(), view(text));
} catch (const std::bad_alloc&) {
  // The line is lost.
}

constexpr bp_log_api log_api{sizeof(bp_log_api), 0, log_enabled, log_write};

// ---- bp.config/1 ----

bp_bytes config_get(bp_module* module) noexcept {
  return module == nullptr ? bp_bytes{nullptr, 0} : bytes(module->generation->config);
}

bp_status config_data_dir(bp_module* module, bp_str* path, bp_str* message) noexcept {
  if (module == nullptr || path == nullptr) return BP_INVALID_ARGUMENT;
  Generation& generation = *module->generation;
  *path = {"", 0};
  const MutexLock lock(generation.data_dir_mutex);
  try {
    if (generation.data_dir.empty()) generation.data_dir = Host::get().module_data_dir(generation.manifest.name);
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

constexpr bp_config_api config_api{sizeof(bp_config_api), 0, config_get, config_data_dir};

// ---- bp.handle/1 ----

bp_status handle_put(bp_instance* instance, const void* type, void* object, bp_release_fn release,
                     uint64_t* id) noexcept try {
  if (instance == nullptr || type == nullptr || object == nullptr || id == nullptr) return BP_INVALID_ARGUMENT;
  if (!instance->site->on_request_thread()) return BP_NOT_SUPPORTED;
  *id = instance->handles.put(type, object, release);
  return BP_OK;
} catch (const std::bad_alloc&) {
  return BP_OUT_OF_MEMORY;
}

void* handle_get(bp_instance* instance, const void* type, uint64_t id) noexcept {
  const bool here = instance != nullptr && instance->site->on_request_thread();
  return here ? instance->handles.get(type, id) : nullptr;
}

bp_status handle_release(bp_instance* instance, const void* type, uint64_t id) noexcept {
  if (instance != nullptr && !instance->site->on_request_thread()) return BP_NOT_SUPPORTED;
  return instance != nullptr && instance->handles.release(type, id) ? BP_OK : BP_INVALID_HANDLE;
}

constexpr bp_handle_api handle_api{sizeof(bp_handle_api), 0, handle_put, handle_get, handle_release};

// ---- The table ----

const void* extension(const char* id) noexcept {
  if (id == nullptr) return nullptr;
  constexpr struct {
    const char* id;
    const void* table;
  } all[] = {
      {BP_EXT_AWAIT, &await_table}, {BP_EXT_EVENT, &event_api},   {BP_EXT_LOG, &log_api},
      {BP_EXT_CONFIG, &config_api}, {BP_EXT_HANDLE, &handle_api}, {BP_EXT_FIBER, &fiber_table},
  };
  for (const auto& known : all) {
    if (std::strcmp(known.id, id) == 0) return known.table;
  }
  return nullptr;
}

constexpr bp_host_api api{
    sizeof(bp_host_api), BP_ABI_MAJOR, BP_ABI_MINOR, 0,           version,     extension, register_handler,
    register_function,   reply,        new_buffer,   free_buffer, free_result, fail};

}  // namespace

const bp_host_api& module_api() noexcept { return api; }

}  // namespace backplane::host
