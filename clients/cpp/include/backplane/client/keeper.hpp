// SPDX-License-Identifier: Apache-2.0
//
// The thread of a Context: it connects again, and looks at interfaces again. An embedded context has it only if it
// relies on interfaces.
#pragma once

#include <condition_variable>
#include <random>
#include <thread>

#include "interfaces.hpp"
#include "listener.hpp"

namespace backplane::client::detail {

/// The wait before an attempt; see Reconnect.
inline Milliseconds wait_before(const Reconnect& how, std::uint32_t attempt, double random) {
  double ms = static_cast<double>(how.initial.count());
  const double most = static_cast<double>(how.max.count());
  for (std::uint32_t i = 1; i < attempt && ms < most; ++i) ms *= how.factor;
  ms = std::min(ms, most) * (1 - how.jitter * random);
  return Milliseconds(static_cast<std::int64_t>(ms));
}

/// Throws CallError if a bound is not kept.
inline void check(const Reconnect& how) {
  const auto refuse = [](std::string text) { throw CallError({BP_INVALID_ARGUMENT, "reconnect: " + std::move(text)}); };
  constexpr Milliseconds hour = std::chrono::hours(1);
  if (how.max < Milliseconds(1) || how.max > hour)
    refuse(join("max: found ", how.max.count(), " ms; expected 1 ms to 1 h"));
  if (how.initial < Milliseconds(1) || how.initial > how.max) {
    refuse(join("initial: found ", how.initial.count(), " ms; expected 1 ms to max, ", how.max.count(), " ms"));
  }
  if (!(how.factor >= 1 && how.factor <= 10)) refuse(join("factor: found ", how.factor, "; expected 1 to 10"));
  if (!(how.jitter >= 0 && how.jitter <= 1)) refuse(join("jitter: found ", how.jitter, "; expected 0 to 1"));
}

class Keeper : public std::enable_shared_from_this<Keeper> {
 public:
  Keeper(std::shared_ptr<Core> core, ConnectOptions options) : core_(std::move(core)), options_(std::move(options)) {}
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  Interfaces& interfaces() noexcept { return interfaces_; }
  bool reports_interfaces() const noexcept { return options_.on_interface_change != nullptr; }

  /// Connects for the first time. Throws CallError.
  void connect() {
    const Result<bp_context> opened = open();
    if (!opened) throw CallError(opened.failure());
    core_->publish(*opened);
    if (!options_.reconnect.enabled && !options_.on_state) return;
    core_->set_watcher([this] { wake(suspected_); });
    start();
  }

  /// Looks at the interfaces whenever a module changes.
  void watch_modules() {
    {
      const std::lock_guard lock(mutex_);
      if (watches_) return;
      watches_ = true;
    }
    Result<Listener> listening =
        listen<Raw>(core_, "backplane.module_*", [this](const Raw&) { wake(recheck_); }, NoGap(), {});
    {
      const std::lock_guard lock(mutex_);
      if (listening) modules_ = *std::move(listening);
    }
    start();
  }
  /// The same, and looks on the thread of the Keeper: a hash that nobody has seen cannot change.
  void look_soon() {
    watch_modules();
    wake(recheck_);
  }
  /// Looks at them now, on this thread, and returns what has changed.
  std::vector<InterfaceChange> look(bp_context native) {
    const Result<ModuleList> now = list_modules(native);
    std::vector<InterfaceChange> found;
    if (!now) return found;
    for (InterfaceChange& change : interfaces_.changes(*now)) {
      const auto built = interfaces_.built(change.module);
      if (built && !change.now.empty()) {
        Failure failure = check_built(native, change.module, *built);
        if (failure.status == BP_OK) continue;  // the application may go on
        change.before = built->hash;
        change.message = std::move(failure.message);
      }
      found.push_back(std::move(change));
    }
    return found;
  }

  /// No function of the application is called any more, but for one that runs.
  void fall_silent() noexcept { wake(stopped_); }
  /// Ends the thread. From then on nothing is done any more.
  void stop() {
    core_->set_watcher(nullptr);
    wake(stopped_);
    Listener modules;
    {
      const std::lock_guard lock(mutex_);
      modules = std::move(modules_);
    }
    modules.reset();
    if (!here() && thread_.joinable()) thread_.join();
  }
  /// Whether this is the thread of a Keeper, which cannot wait for its own end.
  static bool here() noexcept { return is_keeper(); }

 private:
  void start() {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable() && !stopped_) thread_ = std::thread([this] { loop(); });
  }
  bool is_silent() noexcept {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }
  void wake(bool& why) noexcept {
    const std::lock_guard lock(mutex_);
    why = true;
    changed_.notify_all();
  }

  static bool& is_keeper() noexcept {
    thread_local bool value = false;
    return value;
  }

  void loop() noexcept {
    is_keeper() = true;
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopped_ || broken_ || suspected_ || recheck_; });
      if (std::exchange(suspected_, false) && !broken_ && !stopped_) {
        // The last event has the reason, so it may come first. But it may also wait behind many others.
        changed_.wait_for(lock, Milliseconds(50), [this] { return stopped_ || broken_; });
        lock.unlock();
        const bool refused = refuses_calls();
        lock.lock();
        broken_ = broken_ || refused;
      }
      if (stopped_) return;
      const bool broken = std::exchange(broken_, false);
      const bool recheck = std::exchange(recheck_, false);
      if (!broken && !recheck) continue;
      lock.unlock();
      bool restoring = broken;
      try {
        const bool is_there = !broken || restore();
        restoring = false;
        if (is_there) report_interfaces();
      } catch (const std::bad_alloc&) {
        bp_log_write(BP_LOG_ERROR, 0, BP_STR("client"), BP_STR("no memory for keeping a connection; it tries again"));
        if (restoring) restoring = sleep(Milliseconds(100));
      }
      lock.lock();
      broken_ = broken_ || restoring;
    }
  }

  /// Whether the connection is broken. Does not wait for the host.
  bool refuses_calls() const noexcept {
    const bp_context native = core_->native();
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = BP_SUBMIT_NO_STALE;
    submission.name = BP_STR("client.probe");
    submission.on_reply = [](void*, const bp_answer*) {};
    bp_request ignored{};
    return native.id != 0 && bp_submit(native, &submission, &ignored) == BP_UNREACHABLE;
  }

  /// Makes a context and hears of its end.
  Result<bp_context> open() {
    bp_connect_options native{};
    native.struct_size = sizeof native;
    native.timeout_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(options_.timeout.count(), 0, UINT32_MAX));
    native.socket_path = options_.socket_path.empty() ? nullptr : options_.socket_path.c_str();
    native.event_bytes = options_.event_bytes;
    NativeResult why;
    bp_context made{};
    bp_status status = bp_context_connect(&native, &made, &why);
    if (status != BP_OK) {
      Failure failure = why.failure(options_.socket_path);
      failure.status = status;
      return failure;
    }
    auto watch = std::make_unique<Watch>(Watch{*this, {}});
    watched(watch.get());
    bp_listener ignored{};
    status = bp_listen(made, BP_STR("backplane.disconnected"), on_broken, watch.get(), &ignored);
    // If the connection broke before that, nothing tells. So ask for something: what the answer is does not matter.
    bp_method none{};
    if (status == BP_OK) status = bp_method_find(made, BP_STR("client.probe"), &none);
    if (status == BP_UNREACHABLE || status == BP_OUT_OF_MEMORY) {
      watched(nullptr);
      if (bp_context_destroy(made) == BP_TIMEOUT) set_aside(made, std::move(watch));
      return make_failure(status, options_.socket_path, "the connection broke at once");
    }
    watch_ = std::move(watch);
    return made;
  }

  /// What the end of one connection is told to. The end of an older one says nothing.
  struct Watch {
    Keeper& keeper;
    std::shared_ptr<Keeper> kept = {};  // of a context that is set aside
  };
  void set_aside(bp_context native, std::unique_ptr<Watch> watch) noexcept {
    watch->kept = shared_from_this();
    keep_until_gone(native, std::shared_ptr(std::move(watch)));
  }
  void watched(const Watch* now) noexcept {
    const std::lock_guard lock(mutex_);
    current_ = now;
    broken_ = false;
  }

  static void on_broken(void* user, const bp_event* event) noexcept {
    auto& self = static_cast<Watch*>(user)->keeper;
    std::string reason;
    try {
      Decoder decoder(view(event->payload));
      decoder.pairs(decoder.next(cbor::Type::map, "map"), [&](std::string_view key) {
        if (key != "payload") return void(decoder.item());
        decoder.pairs(decoder.next(cbor::Type::map, "map"), [&](std::string_view inner) {
          if (inner != "reason") return void(decoder.item());
          Codec<std::string>::decode(decoder, reason);
        });
      });
    } catch (...) {  // then without the reason
    }
    const std::lock_guard lock(self.mutex_);
    if (self.current_ != user) return;
    self.reason_ = std::move(reason);
    self.broken_ = true;
    self.changed_.notify_all();
  }

  /// Connects again. Returns false if it has given up or was stopped.
  bool restore() {
    watched(nullptr);  // its end is known
    const bp_context now = core_->withdraw();
    if (now.id != 0) ending_ = now;
    std::string reason;
    {
      const std::lock_guard lock(mutex_);
      reason = std::exchange(reason_, {});
    }
    reason = join("the connection to the host is lost", reason.empty() ? "" : ": ", reason);
    core_->set_reason(reason + again());
    for (const auto& each : core_->attachments()) each->detached();
    if (ending_.id != 0 && core_->destroy(ending_) == BP_TIMEOUT) set_aside(ending_, std::move(watch_));
    ending_ = {};
    watch_.reset();
    for (const auto& each : core_->attachments()) each->gone();
    tell({ConnectionState::Kind::lost, 0, Milliseconds(0), reason});
    if (!options_.reconnect.enabled) return give_up(reason, 0);
    for (std::uint32_t attempt = 1;; ++attempt) {
      if (!sleep(wait_before(options_.reconnect, attempt, random()))) return false;
      const Result<bp_context> opened = open();
      if (opened) return restored(*opened, attempt);
      reason = join("no connection to the host after ", attempt,
                    attempt == 1 ? " attempt: " : " attempts: ", opened.message());
      core_->set_reason(reason + again());
      if (attempt == options_.reconnect.attempts) return give_up(reason, attempt);
      tell({ConnectionState::Kind::waiting, attempt, wait_before(options_.reconnect, attempt + 1, 0), reason});
    }
  }

  std::string again() const {
    return options_.reconnect.enabled ? "; the client goes on trying, so call again later" : "";
  }

  bool give_up(const std::string& reason, std::uint32_t attempts) {
    core_->set_reason(reason + "; the client has given up: make a new context");
    tell({ConnectionState::Kind::given_up, attempts, Milliseconds(0), reason});
    return false;
  }

  /// From the first attach to the last gap nothing may return: listeners hold their events until they got their gap.
  bool restored(bp_context native, std::uint32_t attempt) {
    std::string refused;
    ending_ = native;  // if memory ends before it is published, the next attempt destroys it
    attach_all(native, refused);
    ending_ = {};
    core_->publish(native);
    core_->set_reason({});
    attach_all(native, refused);  // those that came when there was no connection yet
    for (const auto& each : core_->attachments()) each->restored();
    tell({ConnectionState::Kind::connected, attempt, Milliseconds(0), std::move(refused)});
    return true;
  }
  void attach_all(bp_context native, std::string& refused) {
    for (const auto& each : core_->attachments()) {
      if (!core_->claim(*each, native)) continue;
      const bp_status status = each->attach(native);
      if (status == BP_OK || status == BP_UNREACHABLE) continue;
      const std::string text = join(each->name(), ": the host refuses it after a reconnect: ", bp_status_text(status));
      bp_log_write(BP_LOG_ERROR, 0, BP_STR("client"), str(text));
      refused += join(refused.empty() ? "" : "; ", text);
    }
  }

  void report_interfaces() {
    if (interfaces_.empty()) return;
    for (const InterfaceChange& change : look(core_->native())) {
      if (is_silent()) return;
      if (options_.on_interface_change) {
        guarded("on_interface_change", options_.on_interface_change, change);
      } else {
        const bool breaks = !change.message.empty();
        const std::string text = breaks ? change.message
                                        : join(change.module, ": its interface has changed: found the hash ",
                                               change.now.empty() ? "of no module" : change.now, ", expected ",
                                               change.before, "; compare with `backplane inspect --against`");
        bp_log_write(breaks ? BP_LOG_ERROR : BP_LOG_WARN, 0, BP_STR("client"), str(text));
      }
    }
  }

  void tell(const ConnectionState& state) {
    if (options_.on_state && !is_silent()) guarded("on_state", options_.on_state, state);
  }

  /// Returns false if it was stopped.
  bool sleep(Milliseconds duration) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, duration, [this] { return stopped_; });
  }

  double random() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  const std::shared_ptr<Core> core_;
  const ConnectOptions options_;
  Interfaces interfaces_;
  std::minstd_rand random_{std::random_device{}()};  // the thread's

  std::unique_ptr<Watch> watch_;  // of the connection that is there; the thread's
  bp_context ending_{};           // a connection to destroy, if restore() runs out of memory; the thread's

  std::mutex mutex_;
  std::condition_variable changed_;
  const Watch* current_ = nullptr;
  std::thread thread_;
  Listener modules_;
  std::string reason_;
  bool watches_ = false, stopped_ = false, broken_ = false, suspected_ = false, recheck_ = false;
};

}  // namespace backplane::client::detail
