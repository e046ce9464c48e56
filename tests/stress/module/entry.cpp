// SPDX-License-Identifier: Apache-2.0
//
// Does, for the stress program, everything that a module may do. Each call's payload begins with an Order that
// says how; the good answer is always the whole payload again. STRESS_NAME is the module's name, STRESS_OTHER
// that of a second build of this file under another name, which it calls.
#include <backplane/ext/config.h>

#include "handlers.hpp"

BP_MANIFEST_ABI;
BP_MANIFEST("name=" STRESS_NAME);
BP_MANIFEST("version=" STRESS_VERSION);
BP_MANIFEST("requires=" BP_EXT_AWAIT);
BP_MANIFEST("requires=" BP_EXT_EVENT);
BP_MANIFEST("requires=" BP_EXT_HANDLE);
BP_MANIFEST("requires=" BP_EXT_CONFIG);
BP_MANIFEST("offers=" STRESS_NAME ".offer");
BP_MANIFEST("emits=" STRESS_NAME ".raw");
BP_MANIFEST("emits=" STRESS_NAME ".typed");
BP_MANIFEST("provides=" STRESS_NAME ".echo");
BP_MANIFEST("provides=" STRESS_NAME ".later");
BP_MANIFEST("provides=" STRESS_NAME ".twice");
BP_MANIFEST("provides=" STRESS_NAME ".forget");
BP_MANIFEST("provides=" STRESS_NAME ".never");
BP_MANIFEST("provides=" STRESS_NAME ".parts");
BP_MANIFEST("provides=" STRESS_NAME ".stream");
BP_MANIFEST("provides=" STRESS_NAME ".input");
BP_MANIFEST("provides=" STRESS_NAME ".sleep");
BP_MANIFEST("provides=" STRESS_NAME ".call");
BP_MANIFEST("provides=" STRESS_NAME ".ask");
BP_MANIFEST("provides=" STRESS_NAME ".ask_later");
BP_MANIFEST("provides=" STRESS_NAME ".fixed");
BP_MANIFEST("provides=" STRESS_NAME ".fd");
BP_MANIFEST("provides=" STRESS_NAME ".block");
BP_MANIFEST("provides=" STRESS_NAME ".block_many");
BP_MANIFEST("provides=" STRESS_NAME ".emit");
BP_MANIFEST("provides=" STRESS_NAME ".handles");
BP_MANIFEST("provides=" STRESS_NAME ".wedge");
BP_MANIFEST("provides=" STRESS_NAME ".fail");

namespace stress {

Shared shared;
const bp_await_api* waits;
const bp_handle_api* handles;
Courier* courier;

namespace {

// The configuration: the CBOR map {"board": uint} in exactly the form that the program writes.
Board* board_of(bp_bytes config) {
  constexpr std::uint8_t head[] = {0xa1, 0x65, 'b', 'o', 'a', 'r', 'd', 0x1b};
  if (config.size != sizeof head + 8 || std::memcmp(config.data, head, sizeof head) != 0) return nullptr;
  std::uint64_t address = 0;
  for (std::size_t i = 0; i < 8; ++i) address = address << 8 | config.data[sizeof head + i];
  return reinterpret_cast<Board*>(address);
}

bp_status register_all(bp_module* module) {
  constexpr std::uint32_t many = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT;
  static constexpr struct {
    bp_str name;
    bp_handler_fn handler;
    std::uint32_t flags;
  } all[] = {
      {BP_STR(STRESS_NAME ".echo"), echo, 0},
      {BP_STR(STRESS_NAME ".later"), later, 0},
      {BP_STR(STRESS_NAME ".twice"), twice, 0},
      {BP_STR(STRESS_NAME ".forget"), forget, 0},
      {BP_STR(STRESS_NAME ".never"), never, 0},
      {BP_STR(STRESS_NAME ".parts"), parts, 0},
      {BP_STR(STRESS_NAME ".stream"), stream, 0},
      {BP_STR(STRESS_NAME ".input"), input, BP_HANDLER_PARTS},
      {BP_STR(STRESS_NAME ".sleep"), sleep, 0},
      {BP_STR(STRESS_NAME ".call"), call_other, 0},
      {BP_STR(STRESS_NAME ".ask"), ask, 0},
      {BP_STR(STRESS_NAME ".ask_later"), ask_later, 0},
      {BP_STR(STRESS_NAME ".fixed"), fixed, BP_HANDLER_STATIC},
      {BP_STR(STRESS_NAME ".fd"), wait_fd, 0},
      {BP_STR(STRESS_NAME ".block"), block, BP_HANDLER_BLOCKING},
      {BP_STR(STRESS_NAME ".block_many"), block, many},
      {BP_STR(STRESS_NAME ".emit"), emit_some, 0},
      {BP_STR(STRESS_NAME ".handles"), use_handles, 0},
      {BP_STR(STRESS_NAME ".wedge"), wedge, 0},
      {BP_STR(STRESS_NAME ".fail"), fail, 0},
  };
  for (const auto& each : all) {
    const bp_handler_desc desc{sizeof desc, each.flags, each.name, each.handler, nullptr};
    if (const bp_status status = shared.host->register_handler(module, &desc); status != BP_OK) return status;
  }
  const bp_function_desc desc{sizeof desc, 0, BP_STR(STRESS_NAME ".offer"), offer, nullptr};
  return shared.host->register_function(module, &desc);
}

bp_status init(const bp_host_api* host, bp_module* module, void**) {
  shared.host = host;
  waits = static_cast<const bp_await_api*>(host->extension(BP_EXT_AWAIT));
  shared.events = static_cast<const bp_event_api*>(host->extension(BP_EXT_EVENT));
  handles = static_cast<const bp_handle_api*>(host->extension(BP_EXT_HANDLE));
  const auto* config = static_cast<const bp_config_api*>(host->extension(BP_EXT_CONFIG));
  shared.board = board_of(config->get(module));
  if (shared.board == nullptr) {
    host->fail(module, BP_STR("it is for backplane-stress alone, which configures it"));
    return BP_CONFIG;
  }
  const bp_status status = register_all(module);
  if (status != BP_OK) return status;
  courier = new Courier(shared);
  ++shared.board->inits;
  return BP_OK;
}

void deinit(void*) {
  delete courier;
  ++shared.board->deinits;
}

bp_status create(void*, bp_instance* instance, void** state) {
  auto* const made = new StatePointer(std::make_shared<State>());
  (*made)->instance = instance;
  (*made)->source = ++shared.board->instances_made;
  *state = made;
  return BP_OK;
}

// What it emits now must still be delivered.
void destroy(void* state) {
  auto* const ending = static_cast<StatePointer*>(state);
  {
    const std::lock_guard lock((*ending)->mutex);
    emit(shared, **ending, true, true, 3);
    (*ending)->alive = false;
  }
  ++shared.board->instances_ended;
  delete ending;
}

}  // namespace
}  // namespace stress

BP_MODULE_ENTRY = {sizeof(bp_module_entry), BP_ABI_MAJOR,   BP_ABI_MINOR,    0,      stress::init,
                   stress::deinit,          stress::create, stress::destroy, nullptr};
