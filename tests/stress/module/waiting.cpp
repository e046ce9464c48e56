// SPDX-License-Identifier: Apache-2.0
//
// Handlers that await: on a fiber, or on a worker's thread.
#include <sys/eventfd.h>
#include <unistd.h>

#include "handlers.hpp"

namespace stress {
namespace {

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

// What a nested call or host call takes: the same payload, but nobody's mark.
std::vector<std::uint8_t> inner_payload(const Run& run) {
  Order order = run.order;
  order.mark = nullptr;
  std::vector<std::uint8_t> bytes(run.call.payload.data, run.call.payload.data + run.call.payload.size);
  std::memcpy(bytes.data(), &order, sizeof order);
  return bytes;
}

constexpr const char* functions[] = {
    "app.f0", "app.f1", "app.f2", "app.f3", STRESS_NAME ".offer", STRESS_OTHER ".offer", "app.nobody"};

bp_status inner(const Run& run, bool function) {
  static constexpr const char* calls[] = {STRESS_NAME ".echo",       STRESS_NAME ".later",  STRESS_NAME ".sleep",
                                          STRESS_NAME ".block_many", STRESS_NAME ".block",  STRESS_NAME ".forget",
                                          STRESS_OTHER ".echo",      STRESS_OTHER ".later", STRESS_OTHER ".parts",
                                          STRESS_NAME ".nobody"};
  if (run.order.stats == nullptr) return module_error;
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
  if (function && (status == BP_NO_HOST_FUNCTION || status == BP_INSTANCE_FAILED)) ++run.order.stats->no_function;
  shared.host->result_free(&result);
  return status;
}

}  // namespace

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

bp_handled stream(const bp_call* call) {
  const Run run(*call);
  bp_answer part{};
  part.struct_size = sizeof part;
  part.status = BP_PARTIAL;
  part.payload = call->payload;
  for (std::uint32_t i = 0; i < run.order.count; ++i) {
    const bp_status status = waits->part(call->token, &part, i % 3 == 0 ? run.order.limit : 0);
    if (status == BP_OK && run.order.mark != nullptr) ++run.order.mark->parts;
    if (status == BP_OK) continue;
    if (status != BP_STALE_TOKEN) note_wait(status);
    if (status != BP_TIMEOUT) return run.answer(status == BP_STALE_TOKEN ? BP_CANCELED : status);
  }
  return run.echo();
}

bp_handled input(const bp_call* call) {
  const Run run(*call);
  for (;;) {
    bp_result part{};
    part.struct_size = sizeof part;
    const bp_status status = waits->next_part(call->token, 0, &part);
    if (status != part.status) ++shared.board->odd_status;
    if (status == BP_PARTIAL) {
      if (part.payload.size != call->payload.size ||
          std::memcmp(part.payload.data, call->payload.data, part.payload.size) != 0) {
        ++shared.board->corrupt;
      }
      if (run.order.mark != nullptr) ++run.order.mark->received;
    }
    shared.host->result_free(&part);
    if (status == BP_PARTIAL) continue;
    note_wait(status);
    return run.answer(status);
  }
}

bp_handled call_other(const bp_call* call) {
  const Run run(*call);
  return run.answer(inner(run, false));
}

bp_handled ask(const bp_call* call) {
  const Run run(*call);
  return run.answer(inner(run, true));
}

bp_handled ask_later(const bp_call* call) {
  struct Asked {
    bp_token token;
    decltype(Order::mark) mark;
    std::vector<std::uint8_t> payload;
    static void answered(void* user, const bp_answer* answer) {
      const std::unique_ptr<Asked> self(static_cast<Asked*>(user));
      const bool ok = answer->status == BP_OK;
      const bp_bytes payload{self->payload.data(), ok ? self->payload.size() : 0};
      say(shared, self->token, self->mark, answer->status, payload, false);
    }
  };
  const Run run(*call);
  if (run.order.stats == nullptr) return run.answer(module_error);
  const std::vector<std::uint8_t> payload = inner_payload(run);
  const char* const name = functions[run.order.pick % std::size(functions)];
  auto asked = std::make_unique<Asked>(
      Asked{call->token, run.order.mark, {call->payload.data, call->payload.data + call->payload.size}});
  // A cancel of the call does not reach what it has asked, so that has a bound in any case.
  const std::uint64_t limit = run.order.limit == 0 ? 50 : run.order.limit;
  const bp_status status = waits->start_host_call(
      call->token, {name, std::strlen(name)}, {payload.data(), payload.size()}, limit, Asked::answered, asked.get());
  if (status == BP_OK) {
    (void)asked.release();  // the callback's, which comes once
    return BP_LATER;
  }
  if (status == BP_NO_HOST_FUNCTION || status == BP_INSTANCE_FAILED) ++run.order.stats->no_function;
  return run.answer(status);
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

bp_handled block(const bp_call* call) {
  const Run run(*call);
  nap(run.order.delay % 2'000);
  bp_status status = BP_OK;
  if (run.order.pick % 4 == 1) status = inner(run, run.order.count % 2 != 0);
  if (run.order.pick % 4 == 2) note_wait(status = waits->sleep(call->token, 1));
  static int object;
  std::uint64_t id = 0;
  const bool right = handles->put(call->instance, &object, &object, nullptr, &id) == BP_OK &&
                     handles->get(call->instance, &object, id) == &object &&
                     handles->release(call->instance, &object, id) == BP_OK &&
                     handles->get(call->instance, &object, id) == nullptr;
  if (!right) ++shared.board->wrong_handle;
  if (run.order.stats != nullptr && run.order.pick % 8 == 3) emit(shared, *run.state, false, false, 8);
  return run.answer(status);
}

}  // namespace stress
