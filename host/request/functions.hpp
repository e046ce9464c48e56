// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sync/asymmetric_fence.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// The application's host functions of one context. The request thread looks them up without a lock, in a table that
/// never changes. set() makes another table, and waits until the request thread does not read the old one.
class Functions {
 public:
  struct Function {
    bp_host_function_fn call = nullptr;
    void* user = nullptr;
    std::uint64_t serial = 0;
  };

  Functions() = default;
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;

  /// Adds or replaces a function; a null `call` removes it. BP_NOT_FOUND: there was none to remove. If the old function
  /// is being called, waits until it has returned, unless `on_calling_thread`. Throws std::bad_alloc.
  bp_status set(std::string_view name, bp_host_function_fn call, void* user, bool on_calling_thread);

  /// Removes all. No function may be running.
  void clear() noexcept;

  /// Finds a function and marks it as being called; its `call` is null if there is none. Request thread;
  /// end() follows.
  Function begin(std::string_view name) noexcept {
    at_.store(looking, std::memory_order_relaxed);
    light_fence();  // see set()
    const Table* const table = table_.load(std::memory_order_acquire);
    const auto found = table == nullptr ? Table::const_iterator() : table->find(name);
    if (table == nullptr || found == table->end()) {
      end();
      return {};
    }
    const Function function = found->second;
    at_.store(function.serial, std::memory_order_release);  // from here on the table may go
    return function;
  }
  void end() noexcept {
    at_.store(nowhere, std::memory_order_release);
    light_fence();
    if (awaited_.load(std::memory_order_relaxed) != 0) tell();
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
  };
  using Table = std::unordered_map<std::string, Function, Hash, std::equal_to<>>;

  void tell() noexcept;

  // Where the request thread is: in the table, or in the function with that serial.
  static constexpr std::uint64_t nowhere = 0;
  static constexpr std::uint64_t looking = 1;

  alignas(64) std::atomic<std::uint64_t> at_{nowhere};
  alignas(64) std::atomic<const Table*> table_{nullptr};
  std::atomic<std::uint32_t> awaited_{0};  // how many threads wait in set()
  Mutex mutex_;
  Condition returned_;
  std::unique_ptr<const Table> owned_ BP_GUARDED_BY(mutex_);
  std::uint64_t last_serial_ BP_GUARDED_BY(mutex_) = looking;
};

}  // namespace backplane::host
