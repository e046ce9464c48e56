// SPDX-License-Identifier: Apache-2.0
#include "remote/remote_functions.hpp"

#include <utility>
#include <vector>

#include "support/views.hpp"

namespace backplane::host {

/// Marks a function as running. Reader thread.
class RemoteFunctions::Run {
 public:
  explicit Run(RemoteFunctions& functions) noexcept : functions_(functions) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() {
    const MutexLock lock(functions_.mutex_);
    functions_.running_ = 0;
    functions_.returned_.notify_all();
  }

 private:
  RemoteFunctions& functions_;
};

bp_status RemoteFunctions::change(const FunctionChange& change, bool on_reader, Next& next) {
  using Only = FunctionChange::Only;
  next = Next::nothing;
  MutexLock lock(mutex_);
  const auto found = all_.find(change.name);
  const bool is_there = found != all_.end();
  if (change.only == Only::absent && is_there) return BP_NAME_TAKEN;
  if (change.removes() && !is_there) return BP_NOT_FOUND;
  if (change.only == Only::of_user && found->second.user != change.user) return BP_NOT_FOUND;
  const std::uint64_t before = is_there ? found->second.serial : 0;
  if (change.removes()) {
    all_.erase(found);
    next = Next::withdraw;
  } else {
    all_.insert_or_assign(std::string(change.name),
                          Function{change.call, change.ask, change.unask, change.user, last_serial_ + 1});
    ++last_serial_;
    if (!is_there) next = Next::provide;
  }
  if (before == 0 || on_reader) return BP_OK;
  returned_.wait(lock, [this, before]() BP_REQUIRES(mutex_) { return running_ != before; });
  return BP_OK;
}

void RemoteFunctions::refused(std::string_view name) {
  const MutexLock lock(mutex_);
  const auto found = all_.find(name);
  if (found != all_.end()) all_.erase(found);
}

std::vector<std::string> RemoteFunctions::names() {
  std::vector<std::string> out;
  const MutexLock lock(mutex_);
  out.reserve(all_.size());
  for (const auto& [name, function] : all_) out.push_back(name);
  return out;
}

void RemoteFunctions::unless_there(std::string_view name, const std::function<void()>& f) {
  const MutexLock lock(mutex_);
  if (!all_.contains(name)) f();
}

bp_status RemoteFunctions::complete(bp_token token, const wire::Answer& answer) {
  if (!wire::is_terminal(answer.status)) return BP_INVALID_ARGUMENT;
  // Under the lock, so that one answer is sent. Sending calls nobody and does not wait.
  const MutexLock lock(mutex_);
  const auto* const entry = asks_.find(token);
  if (entry == nullptr || send_ == nullptr) return BP_STALE_TOKEN;
  wire::Answer whole = answer;
  whole.token = entry->value.host_token;
  const bp_status status = send_(whole);
  if (status == BP_OUT_OF_MEMORY) return status;
  Asked ended;
  asks_.take(token, ended);
  by_host_.take(ended.host_token, token);
  return status == BP_OK ? BP_OK : BP_STALE_TOKEN;
}

void RemoteFunctions::begin(Send send) noexcept {
  const MutexLock lock(mutex_);
  send_ = std::move(send);
}

void RemoteFunctions::ask(const wire::Ask& ask) {
  Function function;
  std::uint64_t token = 0;
  {
    const MutexLock lock(mutex_);
    if (by_host_.find(ask.token) != nullptr) {
      throw wire::ProtocolError("an ask frame whose token " + std::to_string(ask.token) +
                                " is in use; expected a new token");
    }
    const auto found = all_.find(ask.name);
    if (found != all_.end()) {
      function = found->second;
      token = ++last_token_;
      by_host_.insert(ask.token)->value = token;
      try {
        asks_.insert(token)->value = {function.serial, token, ask.token};
      } catch (...) {
        by_host_.take(ask.token, token);
        throw;
      }
      running_ = function.serial;
    } else {
      const std::string why = "the application has just withdrawn \"" + std::string(ask.name) + "\"";
      send_({ask.token, BP_NO_HOST_FUNCTION, {}, why, {}});
      return;
    }
  }
  const Run run(*this);
  if (function.call != nullptr) {
    return function.call(function.user, context_, token, str(ask.name), bytes(ask.payload));
  }
  bp_ask asked{};
  asked.struct_size = sizeof asked;
  asked.token = token;
  asked.name = str(ask.name);
  asked.payload = bytes(ask.payload);
  asked.timeout_ms = ask.timeout_ms;
  function.ask(function.user, context_, &asked);
}

void RemoteFunctions::unask(std::uint64_t token) {
  Asked ended;
  {
    const MutexLock lock(mutex_);
    std::uint64_t own = 0;
    if (!by_host_.take(token, own)) return;  // it was answered
    asks_.take(own, ended);
  }
  tell_unasked(ended.serial, ended.token);
}

void RemoteFunctions::tell_unasked(std::uint64_t serial, bp_token token) {
  Function function;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, each] : all_) {
      if (each.serial == serial) function = each;
    }
    if (function.unask == nullptr) return;
    running_ = serial;
  }
  const Run run(*this);
  function.unask(function.user, context_, token);
}

void RemoteFunctions::lost() noexcept {
  begin(nullptr);
  for (std::size_t bucket = 0;;) {
    Asked ended;
    {
      const MutexLock lock(mutex_);
      if (!asks_.take_any(bucket, ended)) return;  // none can be added any more
      std::uint64_t own = 0;
      by_host_.take(ended.host_token, own);
    }
    tell_unasked(ended.serial, ended.token);
  }
}

}  // namespace backplane::host
