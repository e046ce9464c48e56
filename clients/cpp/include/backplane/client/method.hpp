// SPDX-License-Identifier: Apache-2.0
//
// Method handles: a wire name with its types, resolved once.
#pragma once

#include "async.hpp"

namespace backplane::client {
namespace detail {

class MethodState final : public Attachment {
 public:
  explicit MethodState(std::string_view name) : Attachment(name) {}

  /// A name that no module has is not an error: calls go by the name then, until it is resolved again.
  bp_status attach(bp_context native) noexcept override {
    bp_method found{};
    const bp_status status = bp_method_find(native, str(name()), &found);
    {
      // An id of an older connection would call another name.
      const std::lock_guard lock(mutex_);
      if (is_claimed_by(native)) id_.store(status == BP_OK ? found.id : 0, std::memory_order_release);
    }
    return status == BP_UNKNOWN_NAME || status == BP_REENTRANT ? static_cast<bp_status>(BP_OK) : status;
  }
  void detached() noexcept override {
    const std::lock_guard lock(mutex_);
    id_.store(0, std::memory_order_release);
  }

  Target target() const noexcept { return {name(), &id_}; }
  bool resolved() const noexcept { return id_.load(std::memory_order_acquire) != 0; }

 private:
  std::mutex mutex_;  // of writers
  std::atomic<std::uint64_t> id_{0};
};

}  // namespace detail

/// A wire name with the types of its request and answer. It is resolved once, and again after a reconnect. It stays
/// right across reloads. Cheap to copy.
template <class Request, class Reply>
class Method {
 public:
  Method(std::shared_ptr<detail::Core> core, std::shared_ptr<detail::MethodState> state) noexcept
      : shared_(std::make_shared<Shared>(std::move(core), std::move(state))) {}

  std::string_view name() const noexcept { return shared_->state->name(); }
  /// Whether calls go by the handle. If not, no module has the name yet, or the connection is lost: then they go by the
  /// name.
  bool resolved() const noexcept { return shared_->state->resolved(); }

  /// As the functions of Context.
  Reply operator()(const Request& request, const CallOptions& options = {}) const {
    return try_call(request, options).value();
  }
  Result<Reply> try_call(const Request& request, const CallOptions& options = {}) const noexcept {
    return detail::call<Reply>(*shared_->core, shared_->state->target(), request, options);
  }
  std::future<Reply> async(const Request& request, const CallOptions& options = {}) const {
    return detail::future<Reply>(*shared_->core, shared_->state->target(), request, options);
  }
  template <class Done>
  PendingCall submit(const Request& request, Done done, const CallOptions& options = {}) const {
    return detail::submit<Reply>(*shared_->core, shared_->state->target(), request, options, std::move(done));
  }
  AsyncCall<Reply, true> call_async(const Request& request, const CallOptions& options = {}) const {
    return start<true, false>(request, options);
  }
  AsyncCall<Reply, true, detail::breaks_in_await<Request>> call_async(Request&& request,
                                                                      const CallOptions& options = {}) const {
    return start<true, detail::breaks_in_await<Request>>(request, options);
  }
  AsyncCall<Reply, false> try_call_async(const Request& request, const CallOptions& options = {}) const {
    return start<false, false>(request, options);
  }
  AsyncCall<Reply, false, detail::breaks_in_await<Request>> try_call_async(Request&& request,
                                                                           const CallOptions& options = {}) const {
    return start<false, detail::breaks_in_await<Request>>(request, options);
  }

 private:
  template <bool throws, bool breaks>
  AsyncCall<Reply, throws, breaks> start(const Request& request, const CallOptions& options) const {
    return detail::AsyncStart::call<Reply, throws, breaks>(*shared_->core, shared_->state->target(), request, options);
  }

  struct Shared {
    Shared(std::shared_ptr<detail::Core> c, std::shared_ptr<detail::MethodState> s) noexcept
        : core(std::move(c)), state(std::move(s)) {}
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    ~Shared() { core->remove(state.get()); }

    const std::shared_ptr<detail::Core> core;
    const std::shared_ptr<detail::MethodState> state;
  };

  std::shared_ptr<const Shared> shared_;
};

}  // namespace backplane::client
