// SPDX-License-Identifier: Apache-2.0
//
// The core table: handlers, host functions, replies, buffers, and access to the extensions.
#include "extensions/module_api.hpp"

#include <backplane/cbor/escape.hpp>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "extensions/tables.hpp"
#include "modules/generation.hpp"
#include "reply/buffer.hpp"
#include "request/reply_api.hpp"
#include "support/names.hpp"
#include "support/result.hpp"
#include "support/sized.hpp"
#include "support/version.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"

// The functions that modules call. Modules may be written in C, so no exception may leave any of these.
namespace backplane::host {
namespace {

constexpr std::uint32_t known_handler_flags =
    BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT | BP_HANDLER_STATIC | BP_HANDLER_PARTS;

// A module that registers more wrong names than this is refused whatever follows.
constexpr std::size_t most_refused = 64;

// Refuses a registration. This is the reason in the report, whether init then fails without its own message or goes on.
bp_status refuse_name(Generation& generation, bp_status status, std::string_view name, std::string_view why) {
  constexpr std::size_t most = BP_WIRE_NAME_MAX + 1;
  std::string text =
      "it registered \"" + cbor::escaped(name.substr(0, most), cbor::Escape::line) + "\", " + std::string(why);
  if (generation.registration.refused.size() < most_refused) {
    generation.registration.refused.emplace(name.substr(0, most), text);
  }
  const MutexLock lock(generation.failure_mutex);
  generation.failure = std::move(text);
  return status;
}

constexpr std::string_view no_wire_name =
    "which is not a wire name; expected module.verb, both [a-z0-9_]+ and not with a digit first";
constexpr std::string_view registered_twice = "which it had registered before; register each name once";
constexpr std::string_view no_code = "without a function, or with a struct_size that is too small; set both";

// A name whose registration was refused was registered in another way.
void registered(Registration& registration, std::string_view name) {
  if (registration.refused.size() >= most_refused) return;
  if (const auto at = registration.refused.find(name); at != registration.refused.end()) registration.refused.erase(at);
}

bp_status register_handler(bp_module* module, const bp_handler_desc* desc) noexcept try {
  if (module == nullptr || !module->generation->in_init) return BP_INVALID_ARGUMENT;
  Generation& generation = *module->generation;
  if (!covers_core(desc)) return refuse_name(generation, BP_INVALID_ARGUMENT, {}, no_code);
  const std::string_view name = view(desc->name);
  if (desc->handler == nullptr) return refuse_name(generation, BP_INVALID_ARGUMENT, name, no_code);
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
  bp_handler_desc room;
  const std::uint64_t stack = widened(*desc, room).stack_size;
  if (stack != 0 && (stack < least_handler_stack || stack > most_handler_stack)) {
    return refuse_name(generation, BP_INVALID_ARGUMENT, name,
                       "with a stack_size of " + std::to_string(stack) + "; expected 0, or bytes from " +
                           std::to_string(least_handler_stack) + " to " + std::to_string(most_handler_stack));
  }
  if (generation.registration.handlers.contains(name)) {
    return refuse_name(generation, BP_NAME_TAKEN, name, registered_twice);
  }
  auto handler = std::make_unique<Handler>();
  handler->name = name;
  handler->generation = &generation;
  handler->function = desc->handler;
  handler->data = desc->data;
  handler->flags = desc->flags;
  handler->stack_size = generation.handler_stack(stack);
  generation.registered.push_back(std::move(handler));
  generation.registration.handlers.insert(generation.registered.back()->name);
  registered(generation.registration, name);
  return BP_OK;
} catch (const std::bad_alloc&) {
  return BP_OUT_OF_MEMORY;
}

bp_status register_function(bp_module* module, const bp_function_desc* desc) noexcept try {
  if (module == nullptr || !module->generation->in_init) return BP_INVALID_ARGUMENT;
  Generation& generation = *module->generation;
  if (!covers_core(desc)) return refuse_name(generation, BP_INVALID_ARGUMENT, {}, no_code);
  const std::string_view name = view(desc->name);
  if (desc->function == nullptr) return refuse_name(generation, BP_INVALID_ARGUMENT, name, no_code);
  if (!is_wire_name(name)) return refuse_name(generation, BP_INVALID_ARGUMENT, name, no_wire_name);
  if (desc->flags != 0) {
    return refuse_name(generation, BP_NOT_SUPPORTED, name,
                       "with flags, which this host does not know; use a newer host");
  }
  if (generation.registration.functions.contains(name)) {
    return refuse_name(generation, BP_NAME_TAKEN, name, registered_twice);
  }
  auto function = std::make_unique<Function>();
  function->name = name;
  function->generation = &generation;
  function->function = desc->function;
  function->data = desc->data;
  generation.functions.push_back(std::move(function));
  generation.registration.functions.insert(generation.functions.back()->name);
  registered(generation.registration, name);
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

const void* extension(const char* id) noexcept {
  if (id == nullptr) return nullptr;
  constexpr struct {
    const char* id;
    const void* table;
  } all[] = {
      {BP_EXT_AWAIT, &await_table},   {BP_EXT_EVENT, &event_table},   {BP_EXT_LOG, &log_table},
      {BP_EXT_CONFIG, &config_table}, {BP_EXT_HANDLE, &handle_table}, {BP_EXT_FIBER, &fiber_table},
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
