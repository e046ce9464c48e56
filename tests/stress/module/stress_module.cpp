// SPDX-License-Identifier: Apache-2.0
//
// Does, for the stress program, everything that a module may do. Each call's payload begins with an Order that
// says how; the good answer is always the whole payload again. STRESS_NAME is the module's name, STRESS_OTHER
// that of a second build of this file under another name, which it calls.
#include <backplane/ext/await.h>
#include <backplane/ext/config.h>
#include <backplane/ext/event.h>
#include <backplane/ext/handle.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>

#include "courier.hpp"

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
BP_MANIFEST("provides=" STRESS_NAME ".sleep");
BP_MANIFEST("provides=" STRESS_NAME ".call");
BP_MANIFEST("provides=" STRESS_NAME ".ask");
BP_MANIFEST("provides=" STRESS_NAME ".fd");
BP_MANIFEST("provides=" STRESS_NAME ".block");
BP_MANIFEST("provides=" STRESS_NAME ".block_many");
BP_MANIFEST("provides=" STRESS_NAME ".emit");
BP_MANIFEST("provides=" STRESS_NAME ".handles");
BP_MANIFEST("provides=" STRESS_NAME ".wedge");
BP_MANIFEST("provides=" STRESS_NAME ".fail");

namespace stress {
namespace {

constexpr bp_status module_error = BP_STATUS_MODULE_FIRST + 7;
constexpr std::uint32_t big_event = 40'000;  // beyond the 512 bytes of an event queue's slot (docs/design.md)

Shared shared;
const bp_await* waits;
const bp_handle_api* handles;
Courier* courier;

using StatePointer = std::shared_ptr<State>;

// One run of a handler, with what all of them need.
struct Run {
  explicit Run(const bp_call& of) : call(of), state(*static_cast<StatePointer*>(of.state)) {
    if (const auto found = order_of(of.payload.data, of.payload.size)) {
      order = *found;
      state->tally = order.tally;
    } else {
      order.tally = nullptr;
    }
    before = look();
  }
  // A payload is valid until the handler returns, also after suspensions and replies.
  ~Run() {
    if (look() != before) ++shared.board->corrupt;
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  std::uint64_t look() const {
    std::uint64_t sum = 14695981039346656037u;  // FNV-1a over the first 128 bytes and the last one
    const std::size_t size = call.payload.size;
    for (std::size_t i = 0; i < size && i < 128; ++i) sum = (sum ^ call.payload.data[i]) * 1099511628211u;
    return size == 0 ? sum : sum ^ call.payload.data[size - 1];
  }
  bp_handled echo(bool as_buffer = false) const {
    say(shared, call.token, order.mark, BP_OK, call.payload, as_buffer);
    return BP_DONE;
  }
  bp_handled answer(bp_status status) const {
    if (status == BP_OK) return echo();
    say(shared, call.token, order.mark, status, {nullptr, 0}, false);
    return BP_DONE;
  }
  Courier::Job job(Courier::Job::Kind kind) const {
    Courier::Job made;
    made.due = Clock::now() + std::chrono::microseconds(order.delay);
    made.kind = kind;
    made.state = state;
    made.token = call.token;
    made.mark = order.mark;
    made.tally = order.tally;
    made.count = order.count;
    if (call.payload.size != 0) made.payload.assign(call.payload.data, call.payload.data + call.payload.size);
    return made;
  }

  const bp_call& call;
  StatePointer state;
  Order order;
  std::uint64_t before;
};

bp_handled echo(const bp_call* call) {
  const Run run(*call);
  return run.echo(call->payload.size % 3 == 0);
}

bp_handled later(const bp_call* call) {
  const Run run(*call);
  courier->add(run.job(Courier::Job::Kind::reply));
  return BP_LATER;
}

bp_handled twice(const bp_call* call) {
  const Run run(*call);
  switch (run.order.pick % 3) {
    case 0:
      run.echo();
      say_again(shared, call->token, module_error);
      return BP_DONE;
    case 1:
      courier->add(run.job(Courier::Job::Kind::reply_twice));
      return BP_LATER;
    default: {  // both at once: one of them, whichever
      auto job = run.job(Courier::Job::Kind::reply);
      job.due = Clock::now();
      courier->add(std::move(job));
      run.echo();
      return BP_LATER;
    }
  }
}

bp_handled forget(const bp_call* call) {
  const Run run(*call);
  return BP_DONE;
}

bp_handled never(const bp_call* call) {
  const Run run(*call);
  return BP_LATER;
}

bp_handled parts(const bp_call* call) {
  const Run run(*call);
  if (run.order.pick % 2 != 0) {
    courier->add(run.job(Courier::Job::Kind::parts));
    return BP_LATER;
  }
  for (std::uint32_t i = 0; i < run.order.count; ++i) {
    say(shared, call->token, run.order.mark, BP_PARTIAL, call->payload, i % 2 != 0);
    if (run.order.pick % 4 == 0) waits->sleep(call->token, 0);
  }
  run.echo();
  say_again(shared, call->token, BP_PARTIAL);
  return BP_DONE;
}

void note_wait(bp_status status) {
  switch (status) {
    case BP_OK:
    case BP_CANCELED:
    case BP_DEADLINE:
    case BP_TIMEOUT:
      return;
    default:
      ++shared.board->odd_status;
  }
}

bp_handled sleep(const bp_call* call) {
  const Run run(*call);
  const bp_status status = waits->sleep(call->token, run.order.delay / 1000);
  note_wait(status);
  // Once a request is not wanted, every later await says so too.
  if (status != BP_OK && waits->sleep(call->token, 1) == BP_OK) ++shared.board->odd_status;
  std::uint64_t left = 0;
  waits->check(call->token, &left);
  return run.answer(status);
}

// What a nested call or host call takes: the same payload, but nobody's mark.
std::vector<std::uint8_t> inner_payload(const Run& run) {
  Order order = run.order;
  order.mark = nullptr;
  std::vector<std::uint8_t> bytes(run.call.payload.data, run.call.payload.data + run.call.payload.size);
  std::memcpy(bytes.data(), &order, sizeof order);
  return bytes;
}

bp_status inner(const Run& run, bool function) {
  static constexpr const char* calls[] = {STRESS_NAME ".echo",       STRESS_NAME ".later",  STRESS_NAME ".sleep",
                                          STRESS_NAME ".block_many", STRESS_NAME ".block",  STRESS_NAME ".forget",
                                          STRESS_OTHER ".echo",      STRESS_OTHER ".later", STRESS_OTHER ".parts",
                                          STRESS_NAME ".nobody"};
  static constexpr const char* functions[] = {
      "app.f0", "app.f1", "app.f2", "app.f3", STRESS_NAME ".offer", STRESS_OTHER ".offer", "app.nobody"};
  if (run.order.tally == nullptr) return module_error;
  const char* const name =
      function ? functions[run.order.pick % std::size(functions)] : calls[run.order.pick % std::size(calls)];
  const std::vector<std::uint8_t> payload = inner_payload(run);
  const bp_bytes bytes{payload.data(), payload.size()};
  bp_result result{};
  result.struct_size = sizeof result;
  const bp_str wire{name, std::strlen(name)};
  const bp_status status = function ? waits->host_call(run.call.token, wire, bytes, run.order.limit, &result)
                                    : waits->call(run.call.token, wire, bytes, run.order.limit, &result);
  if (status != result.status) ++shared.board->odd_status;
  if (status == BP_OK && (result.payload.size != payload.size() ||
                          std::memcmp(result.payload.data, payload.data(), payload.size()) != 0)) {
    ++shared.board->corrupt;
  }
  if (function && (status == BP_NO_HOST_FUNCTION || status == BP_INSTANCE_FAILED)) ++run.order.tally->no_function;
  shared.host->result_free(&result);
  return status;
}

bp_handled call_other(const bp_call* call) {
  const Run run(*call);
  return run.answer(inner(run, false));
}

bp_handled ask(const bp_call* call) {
  const Run run(*call);
  return run.answer(inner(run, true));
}

bp_handled wait_fd(const bp_call* call) {
  const Run run(*call);
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int other = fd < 0 ? -1 : ::dup(fd);
  if (other < 0) {
    if (fd >= 0) ::close(fd);
    return run.answer(module_error);
  }
  auto job = run.job(Courier::Job::Kind::signal_fd);
  job.fd = other;
  courier->add(std::move(job));
  const bp_status status = waits->fd(call->token, fd, BP_FD_READABLE, run.order.limit);
  note_wait(status);
  ::close(fd);
  return run.answer(status == BP_TIMEOUT ? module_error : status);
}

void nap(std::uint32_t microseconds) { std::this_thread::sleep_for(std::chrono::microseconds(microseconds)); }

bp_handled block(const bp_call* call) {
  const Run run(*call);
  nap(run.order.delay % 2'000);
  bp_status status = BP_OK;
  if (run.order.pick % 4 == 1) status = inner(run, run.order.count % 2 != 0);
  if (run.order.pick % 4 == 2) note_wait(status = waits->sleep(call->token, 1));
  static int object;
  std::uint64_t id = 0;  // handles are the request thread's alone
  if (handles->put(call->instance, &object, &object, nullptr, &id) != BP_NOT_SUPPORTED) ++shared.board->wrong_handle;
  if (run.order.tally != nullptr && run.order.pick % 8 == 3) emit(shared, *run.state, false, false, 8);
  return run.answer(status);
}

bp_handled emit_some(const bp_call* call) {
  const Run run(*call);
  for (std::uint32_t i = 0; i < run.order.count; ++i) {
    const std::uint32_t size = run.order.pick % 16 == 0 ? big_event : run.order.pick % 700;
    emit(shared, *run.state, (run.order.pick + i) % 2 != 0, true, size);
  }
  if (run.order.pick % 4 == 1) courier->add(run.job(Courier::Job::Kind::emit));
  return run.echo();
}

void released(void* object) {
  ++shared.board->handles_released;
  std::free(object);
}

bp_handled use_handles(const bp_call* call) {
  const Run run(*call);
  static const char type = 't';
  static const char other_type = 'o';
  void* const object = std::malloc(16);
  std::uint64_t id = 0;
  if (object == nullptr || handles->put(call->instance, &type, object, released, &id) != BP_OK) {
    std::free(object);
    return run.answer(module_error);
  }
  ++shared.board->handles_put;
  if (run.order.pick % 4 == 1) waits->sleep(call->token, 1);
  bool right = handles->get(call->instance, &type, id) == object;
  right = right && handles->get(call->instance, &other_type, id) == nullptr;
  right = right && handles->release(call->instance, &other_type, id) != BP_OK;
  if (run.order.pick % 4 != 0) {  // else it is left to the instance's end
    right = right && handles->release(call->instance, &type, id) == BP_OK;
    right = right && handles->release(call->instance, &type, id) == BP_INVALID_HANDLE;
    right = right && handles->get(call->instance, &type, id) == nullptr;
  }
  if (!right) ++shared.board->wrong_handle;
  return run.echo();
}

bp_handled wedge(const bp_call* call) {
  const Run run(*call);
  nap(run.order.delay);
  return run.echo();
}

bp_handled fail(const bp_call* call) {
  const Run run(*call);
  return run.answer(module_error);
}

// The host function that this module offers to the others.
void offer(const bp_call* call) {
  const Run run(*call);
  if (run.order.tally == nullptr) return;
  ++run.order.tally->offered;
  if (run.order.count % 4 == 0) return;  // never: the caller has its own limit
  if (run.order.count % 2 != 0) return courier->add(run.job(Courier::Job::Kind::answer_function));
  if (say(shared, call->token, nullptr, BP_OK, call->payload, false) == BP_OK) ++run.order.tally->offered_answered;
}

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
      {BP_STR(STRESS_NAME ".sleep"), sleep, 0},
      {BP_STR(STRESS_NAME ".call"), call_other, 0},
      {BP_STR(STRESS_NAME ".ask"), ask, 0},
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
  waits = static_cast<const bp_await*>(host->extension(BP_EXT_AWAIT));
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
