// SPDX-License-Identifier: Apache-2.0
#include "handlers.hpp"

#include <cstdlib>

namespace stress {
namespace {

constexpr std::uint32_t big_event = 40'000;  // beyond the 512 bytes of an event queue's slot (docs/design.md)

void released(void* object) {
  ++shared.board->handles_released;
  std::free(object);
}

}  // namespace

void nap(std::uint32_t microseconds) { std::this_thread::sleep_for(std::chrono::microseconds(microseconds)); }

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

bp_handled emit_some(const bp_call* call) {
  const Run run(*call);
  for (std::uint32_t i = 0; i < run.order.count; ++i) {
    const std::uint32_t size = run.order.pick % 16 == 0 ? big_event : run.order.pick % 700;
    const bool patient = run.order.pick % 8 == 6;
    emit(shared, *run.state, (run.order.pick + i) % 2 != 0, !patient, size, patient ? call->token : 0);
  }
  if (run.order.pick % 4 == 1) courier->add(run.job(Courier::Job::Kind::emit));
  return run.echo();
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

void offer(const bp_call* call) {
  const Run run(*call);
  if (run.order.stats == nullptr) return;
  ++run.order.stats->offered;
  if (run.order.count % 4 == 0) return;  // never: the caller has its own limit
  if (run.order.count % 2 != 0) return courier->add(run.job(Courier::Job::Kind::answer_function));
  if (say(shared, call->token, nullptr, BP_OK, call->payload, false) == BP_OK) ++run.order.stats->offered_answered;
}

bp_handled fixed(const bp_call* call) {
  if (call->instance != nullptr || call->state != nullptr) ++shared.board->corrupt;
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.payload = call->payload;
  shared.host->reply(call->token, &answer);
  return BP_DONE;
}

}  // namespace stress
