// SPDX-License-Identifier: Apache-2.0
//
// What all parts of a Context share: the native handle, which a reconnect replaces, and what is attached to it.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "executor.hpp"
#include "function_names.hpp"
#include "options.hpp"

namespace backplane::client::detail {

/// A wire name, and where its method id is kept, if it has a handle.
struct Target {
  std::string_view name;
  const std::atomic<std::uint64_t>* method = nullptr;
};

/// What a connection must be told again after a reconnect: a listener, a host function, a method handle.
class Attachment {
 public:
  virtual ~Attachment() = default;
  /// Tells the host. Never called twice at once for one context.
  virtual bp_status attach(bp_context native) noexcept = 0;
  /// The context can no longer be used, and is being destroyed.
  virtual void detached() noexcept {}
  /// That is done. All that comes now is of another context.
  virtual void gone() noexcept {}
  /// It is attached to another connection, and calls work again.
  virtual void restored() noexcept {}

  std::string_view name() const noexcept { return name_; }
  /// It was added while there was no connection.
  bool late() const noexcept { return late_.load(std::memory_order_acquire); }

 protected:
  explicit Attachment(std::string_view name) : name_(name) {}
  /// False if it was claimed for another context since: then what attach() got belongs to an older one.
  bool is_claimed_by(bp_context native) const noexcept { return claimed_.load(std::memory_order_acquire) == native.id; }

 private:
  friend class Core;
  const std::string name_;
  std::atomic<bool> late_{false};
  std::atomic<std::uint64_t> claimed_{0};  // the native context that it is, or will be, attached to
};

/// Keeps what callbacks of a context use until no callback of it can come any more. Without memory for that the process
/// ends: callbacks would use what is freed.
inline void keep_until_gone(bp_context native, std::shared_ptr<void> kept) noexcept {
  auto* const holder = new std::shared_ptr<void>(std::move(kept));
  const auto let_go = [](void* user) { delete static_cast<std::shared_ptr<void>*>(user); };
  bp_context_then(native, BP_CONTEXT_GONE, let_go, holder);
}

class Core {
 public:
  enum class Kind { embedded, connected };

  Core(Kind kind, Executor* executor, bool reconnects) : kind_(kind), reconnects_(reconnects), executor_(executor) {}
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  bool connected() const noexcept { return kind_ == Kind::connected; }
  bool reconnects() const noexcept { return reconnects_; }
  Executor* executor() const noexcept { return executor_; }
  FunctionNames& function_names() noexcept { return function_names_; }
  /// Zero while there is no connection, and after the end.
  bp_context native() const noexcept { return {native_.load(std::memory_order_acquire)}; }
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }

  void publish(bp_context native) noexcept { native_.store(native.id, std::memory_order_release); }
  /// Takes the handle away; what is called from now on finds no connection.
  bp_context withdraw() noexcept { return {native_.exchange(0, std::memory_order_acq_rel)}; }
  void end() noexcept { ended_.store(true, std::memory_order_release); }

  /// Submits a call. `where` gets the context that took it, for bp_cancel.
  bp_status submit(const Target& target, bp_submission& submission, bp_request* request, bp_context& where) noexcept {
    submission.struct_size = sizeof submission;
    submission.name = str(target.name);
    do {
      where = native();
      if (where.id == 0) return absent();
      if (target.method == nullptr) break;
      // The id of a method is right for one connection only: both must be of the same.
      submission.method.id = target.method->load(std::memory_order_acquire);
    } while (native().id != where.id);
    return meant(where, bp_submit(where, &submission, request));
  }

  /// What a status of a function that was called with `where` means: a handle that is stale since then is a connection
  /// that has broken.
  bp_status meant(bp_context where, bp_status status) const noexcept {
    if (status == BP_UNREACHABLE && native().id == where.id) [[unlikely]]
      suspect();
    const bool gone = (status == BP_INVALID_HANDLE || status == BP_CLOSED) && native().id != where.id;
    return gone ? absent() : status;
  }
  bp_status absent() const noexcept { return connected() && !ended() ? BP_UNREACHABLE : BP_CLOSED; }

  /// `watcher` is called when a call is told that the connection is broken. It must not wait.
  void set_watcher(std::function<void()> watcher) {
    const std::lock_guard lock(watcher_mutex_);
    watcher_ = std::move(watcher);
  }

  /// Why there is no connection, in words.
  void set_reason(std::string text) {
    const std::lock_guard lock(mutex_);
    reason_ = std::move(text);
  }

  /// The Failure of something that was refused at once.
  Failure refusal(std::string_view name, bp_status status) const noexcept {
    Failure failure;
    failure.status = status;
    try {
      failure.name = name;
      failure.message = bp_status_text(status);
      if (status == BP_UNREACHABLE) {
        const std::lock_guard lock(mutex_);
        if (!reason_.empty()) failure.message = reason_;
      } else if (status == BP_REENTRANT) {
        failure.message =
            "this waits, so it is refused on a thread of the host; use async(), submit() or co_await there";
      } else if (status == BP_CANCELED) {
        failure.message = "the call was canceled before it was sent";
      } else if (status == BP_INVALID_ARGUMENT) {
        failure.message = join("found a name of ", name.size(), " bytes, or options that are out of bounds; expected ",
                               "module.verb of at most ", BP_WIRE_NAME_MAX, " bytes, and bounds as in backplane.h");
      }
    } catch (...) {
    }
    return failure;
  }

  /// Whether this thread may wait for an answer. Asks the library once for each thread and connection.
  bool may_wait(bp_context native) const noexcept {
    thread_local std::uint64_t calm = 0;
    if (calm == native.id) return true;
    bp_result result{};
    result.struct_size = sizeof result;
    // An empty name is refused, but on a thread of the host for another reason.
    const bool refused = bp_call_sync(native, {"", 0}, {nullptr, 0}, 1, &result) == BP_REENTRANT;
    bp_result_free(&result);
    if (!refused) calm = native.id;
    return !refused;
  }

  // ---- What is attached ----

  /// Adds it, and attaches it if there is a connection; otherwise the next one gets it. After an error it is not added.
  bp_status add(const std::shared_ptr<Attachment>& added) {
    {
      const std::lock_guard lock(mutex_);
      attached_.push_back(added);
    }
    const bp_context now = native();
    bp_status status = now.id == 0 ? absent() : BP_OK;
    if (status == BP_OK) {
      switch (claim_current(*added, now)) {
        case Claim::made:
          status = meant(now, added->attach(now));
          break;
        case Claim::taken:
          break;
        case Claim::late:
          status = absent();
      }
    }
    if (status == BP_UNREACHABLE && reconnects_) {
      added->late_.store(true, std::memory_order_release);
      status = BP_OK;
    }
    if (status != BP_OK) remove(added.get());
    return status;
  }
  void remove(const Attachment* removed) noexcept {
    std::shared_ptr<Attachment> freed;  // not under the lock
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(attached_.begin(), attached_.end(), [&](const auto& a) { return a.get() == removed; });
    if (at == attached_.end()) return;
    freed = std::move(*at);
    attached_.erase(at);
  }
  std::vector<std::shared_ptr<Attachment>> attachments() const {
    const std::lock_guard lock(mutex_);
    return attached_;
  }
  /// Whether the caller is the one to attach it to this context.
  bool claim(Attachment& attachment, bp_context native) noexcept {
    const std::lock_guard lock(mutex_);
    return attachment.claimed_.exchange(native.id, std::memory_order_acq_rel) != native.id;
  }

  /// The same for a thread that did not make the context. It may be late: then the Keeper has it attached to the next
  /// one already, or will.
  enum class Claim { made, taken, late };
  Claim claim_current(Attachment& attachment, bp_context native) noexcept {
    const std::lock_guard lock(mutex_);
    if (this->native().id != native.id) return Claim::late;
    return attachment.claimed_.exchange(native.id, std::memory_order_acq_rel) != native.id ? Claim::made : Claim::taken;
  }

  /// Destroys a native context. If callbacks may still come, what they use is kept until they cannot.
  bp_status destroy(bp_context native) noexcept {
    const bp_status status = bp_context_destroy(native);
    if (status == BP_TIMEOUT) {
      keep_until_gone(native, std::make_shared<std::vector<std::shared_ptr<Attachment>>>(attachments()));
    }
    return status;
  }

 private:
  void suspect() const noexcept {
    const std::lock_guard lock(watcher_mutex_);
    if (watcher_) watcher_();
  }

  const Kind kind_;
  const bool reconnects_;
  Executor* const executor_;
  FunctionNames function_names_;
  std::atomic<std::uint64_t> native_{0};
  std::atomic<bool> ended_{false};
  mutable std::mutex watcher_mutex_;
  std::function<void()> watcher_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Attachment>> attached_;  // guarded by mutex_
  std::string reason_;                                 // guarded by mutex_
};

/// The owner's end of something attached: it ends with this object.
template <class State>
class Held {
 public:
  Held() = default;
  Held(std::shared_ptr<Core> core, std::shared_ptr<State> state) noexcept
      : core_(std::move(core)), state_(std::move(state)) {}
  Held(Held&&) noexcept = default;
  Held& operator=(Held&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(state_, other.state_);
    return *this;
  }
  ~Held() { reset(); }

  /// Ends it now.
  void reset() noexcept {
    if (state_ == nullptr) return;
    state_->remove();
    core_->remove(state_.get());
    InCallback::let_go(std::move(state_));
    core_.reset();
  }

 protected:
  const State* state() const noexcept { return state_.get(); }

 private:
  std::shared_ptr<Core> core_;
  std::shared_ptr<State> state_;
};

}  // namespace backplane::client::detail
