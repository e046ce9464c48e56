// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "modules/generation.hpp"
#include "modules/name_table.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// The wire names of the process. A name that somebody has looked up has a Method, which exists until the process ends,
/// because handles and calls refer to it. Any thread looks it up without a lock. The names that nobody has looked up
/// yet wait behind a mutex, and are given back when their module has them no more. So a module may bring new names with
/// each reload, and only those that are used stay.
class MethodNames {
 public:
  /// Finds the method of a wire name, and makes it at the first look-up. BP_OK with a null `out`: no module has the
  /// name, or had it when it was unloaded. BP_OUT_OF_MEMORY, or BP_OVERLOADED if the process has had too many names.
  /// Any thread.
  bp_status find(std::string_view name, Method*& out) noexcept {
    out = table_.find(name);
    return out != nullptr ? bp_status{BP_OK} : find_waiting(name, out);
  }
  /// As bp_method_find. Any thread.
  bp_status resolve(std::string_view name, bp_method& out) noexcept;
  /// The method with this bp_method.id, or nullptr. Any thread.
  Method* at(std::uint64_t id) const noexcept;
  static std::uint64_t id_of(const Method& method) noexcept { return id_mark | method.index; }

  // ---- Control thread ----

  /// Sets generation.handlers by the numbers of their names; new names get one. Throws std::bad_alloc; the numbers that
  /// were given then stay until publish().
  void bind(Generation& generation);
  /// Says of each name of the module whether `next` has a handler for it. Null: none has. Forgets the names that `next`
  /// does not have and that nobody has looked up. So a generation that was replaced needs a new bind() before it can be
  /// published again. Allocates nothing.
  void publish(Module& module, const Generation* next) noexcept;

  /// Calls `see(method)` for each method of the module. Any thread. A lock is held: `see` only reads.
  template <class F>
  void each(const Module& module, F see) {
    const MutexLock lock(mutex_);
    for (const Method* const method : module.methods) see(*method);
  }
  std::size_t method_count() {
    const MutexLock lock(mutex_);
    return store_.size();
  }
  /// Names that nobody has looked up.
  std::size_t waiting_count() const noexcept { return waiting_count_.load(std::memory_order_relaxed); }

 private:
  /// A name that nobody has looked up.
  struct Waiting {
    std::uint32_t number;
    bool answers = false;   ///< as Method::answers
    bool answered = false;  ///< as Method::answered
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Names = std::unordered_map<std::string, Waiting, Hash, std::equal_to<>>;
  struct OfModule {
    Module* module = nullptr;
    Names waiting;
    std::vector<std::uint32_t> free_numbers;  // has room for all numbers
    std::uint32_t numbers = 0;
  };

  static constexpr std::size_t chunk_size = 1024;
  static constexpr std::size_t most_chunks = 1024;
  // Distinguishes method ids from other handles. An id is an exact double, because JSON and JavaScript know no others.
  static constexpr std::uint64_t id_mark = std::uint64_t{0x6d6574} << 28;
  static_assert((id_mark & (most_chunks * chunk_size - 1)) == 0);
  static_assert(id_mark + most_chunks * chunk_size <= std::uint64_t{1} << 53);
  // Methods by index, for readers. `answers` repeats Method::answers, densely packed, so that they fit into a cache.
  struct Chunk {
    std::array<std::atomic<Method*>, chunk_size> methods{};
    std::array<std::atomic<bool>, chunk_size> answers{};
  };

  bp_status find_waiting(std::string_view name, Method*& out) noexcept;
  bp_status make(std::string_view name, Method*& out) noexcept;
  Method& add(OfModule& of, const std::string& name, const Waiting& waiting) BP_REQUIRES(mutex_);
  std::uint32_t number_of(OfModule& of, const std::string& name) BP_REQUIRES(mutex_);
  void forget(OfModule& names, Names::iterator& at) noexcept BP_REQUIRES(mutex_);
  OfModule& of(Module& module) BP_REQUIRES(mutex_);
  OfModule* owner_of(std::string_view name) BP_REQUIRES(mutex_);
  void set_answers(Method& method, bool answers) noexcept;

  NameTable<Method> table_;  // written with mutex_ locked
  std::array<std::atomic<Chunk*>, most_chunks> chunks_{};
  std::atomic<std::size_t> waiting_count_{0};
  Mutex mutex_;
  std::deque<Method> store_ BP_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Chunk>> chunk_store_ BP_GUARDED_BY(mutex_);
  std::unordered_map<std::string, OfModule, Hash, std::equal_to<>> modules_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host
