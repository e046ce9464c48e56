// SPDX-License-Identifier: Apache-2.0
//
// Calls that wait for their answer.
#pragma once

#include <stop_token>
#include <thread>

#include "core.hpp"

namespace backplane::client::detail {

/// The milliseconds of a deadline for bp_submit. Less than 0 is over, as far as the library can say it.
inline std::uint64_t timeout_of(Milliseconds deadline) noexcept {
  return deadline.count() < 0 ? 1 : static_cast<std::uint64_t>(deadline.count());
}

inline void set_options(bp_submission& submission, const CallOptions& options) noexcept {
  submission.flags |= BP_SUBMIT_NO_STALE;
  submission.timeout_ms = timeout_of(options.deadline);
  submission.source = options.source;
  submission.window_bytes = options.window_bytes;
  submission.window_parts = options.window_parts;
}

/// Cancels a call when a token is asked to stop.
struct Cancel {
  bp_context native;
  bp_request request;
  void operator()() const noexcept { bp_cancel(native, request); }
};

/// Waits on one thread for the terminal answer of a call, which it keeps. Lies on this thread's stack.
template <class Reply>
class Waiter {
 public:
  explicit Waiter(std::string_view name) : name_(name) {}

  static void on_reply(void* user, const bp_answer* answer) {
    if (answer->status == BP_PARTIAL || answer->status == BP_STALE) return;
    auto& self = *static_cast<Waiter*>(user);
    self.result_.emplace(result_of<Reply>(self.name_, *answer));
    self.done_.store(1, std::memory_order_release);
    self.done_.notify_one();  // only the address counts: the waiter may be gone
  }

  Result<Reply> wait() noexcept {
    for (int i = 0; i < spins && done_.load(std::memory_order_acquire) == 0; ++i) {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#else
      std::this_thread::yield();
#endif
    }
    done_.wait(0, std::memory_order_acquire);
    return std::move(*result_);
  }

 private:
  static constexpr int spins = 400;  // 4 to 20 us: what a quick handler takes

  const std::string_view name_;
  std::optional<Result<Reply>> result_;
  std::atomic<std::uint32_t> done_{0};
};

template <class Reply, class Request>
Result<Reply> submit_and_wait(Core& core, const Target& target, const Request& request, const CallOptions& options) {
  if (options.stop.stop_requested()) return core.refusal(target.name, BP_CANCELED);
  const bp_context now = core.native();
  if (now.id == 0) return core.refusal(target.name, core.absent());
  if (!core.may_wait(now)) return core.refusal(target.name, BP_REENTRANT);
  Waiter<Reply> waiter(target.name);
  bp_context where{};
  bp_request id{};
  {
    Output out(&buffers);
    write(out, request);
    bp_submission submission{};
    set_options(submission, options);
    fill(submission, out);
    submission.on_reply = Waiter<Reply>::on_reply;
    submission.user = &waiter;
    const bp_status status = core.submit(target, submission, &id, where);
    if (status != BP_OK) return core.refusal(target.name, status);
    if (submission.buffer != nullptr) out.taken();
  }
  const std::stop_callback cancel(options.stop, Cancel{where, id});
  return waiter.wait();
}

template <class Reply, class Request>
Result<Reply> call_by_name(Core& core, std::string_view name, const Request& request, Milliseconds deadline) {
  const bp_context native = core.native();
  if (native.id == 0) [[unlikely]]
    return core.refusal(name, core.absent());
  NativeResult result;
  {
    Output out(&buffers);
    write(out, request);
    bp_call_sync(native, str(name), bytes(out.view()), timeout_of(deadline), &result);
  }
  if (result.status != BP_OK) [[unlikely]] {
    const bp_status meant = core.meant(native, result.status);
    if (meant != result.status) return core.refusal(name, meant);
    if (result.status == BP_INVALID_ARGUMENT || result.status == BP_REENTRANT) {
      Failure said = result.failure(name);
      return said.message == bp_status_text(result.status) ? core.refusal(name, result.status) : said;
    }
  }
  return result_of<Reply>(name, result.status, result.payload, result.message, result.detail);
}

/// Calls and waits.
template <class Reply, class Request>
Result<Reply> call(Core& core, const Target& target, const Request& request, const CallOptions& options) noexcept {
  try {
    const bool plain = target.method == nullptr && !options.stop.stop_possible() && options.source.id == 0;
    return plain ? call_by_name<Reply>(core, target.name, request, options.deadline)
                 : submit_and_wait<Reply>(core, target, request, options);
  } catch (...) {
    return failure_of_exception(target.name, "the request cannot be sent");
  }
}

}  // namespace backplane::client::detail
