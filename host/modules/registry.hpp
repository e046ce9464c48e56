// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "modules/generation.hpp"
#include "modules/name_table.hpp"

namespace backplane::host {

/// The wire names and host functions of the process, and the generation that answers each. Any thread may look them up.
/// Only the control thread writes.
class Registry {
 public:
  /// The method of a wire name; nullptr if no module ever had it.
  Method* find_method(std::string_view name) const noexcept { return methods_.find(name); }

  /// The running generation of the method's module, or nullptr. Only for request threads. The pointer is valid until
  /// the thread is back in its loop and has no open request of this generation.
  static const Generation* running(const Method& method) noexcept {
    return method.module->current.load(std::memory_order_acquire);
  }

  /// The host function that a module offers, or nullptr. Validity as for running().
  const Function* find_function(std::string_view name) const noexcept {
    const Offer* const offer = offers_.find(name);
    return offer == nullptr ? nullptr : offer->function.load(std::memory_order_acquire);
  }

  /// The method with this bp_method.id, or nullptr.
  Method* method_at(std::uint64_t id) const noexcept;
  static std::uint64_t id_of(const Method& method) noexcept { return id_mark | method.index; }
  /// Implements bp_method_find. Any thread.
  bp_status resolve(std::string_view name, bp_method& out) const noexcept;

  // ---- Control thread ----

  /// A module by name; nullptr if it was never loaded.
  Module* find_module(std::string_view name) const noexcept;
  /// A module by name; creates it if it does not exist.
  Module& module(std::string_view name);
  const std::vector<std::unique_ptr<Module>>& modules() const noexcept { return modules_; }
  const std::deque<Method>& methods() const noexcept { return method_store_; }

  /// Sets generation.handlers, and creates methods for new names.
  void bind(Generation& generation);

  /// The running generation of another module that offers the host function `name`, or nullptr.
  const Generation* offered_by_other(std::string_view name, const Module& module) const noexcept;

  /// Makes `next` the current generation of `module`, with its host functions. Null: the module has none.
  void publish(Module& module, Generation* next);

 private:
  struct Offer {
    std::string name;
    std::atomic<const Function*> function{nullptr};
  };

  // Distinguishes method ids from other handles.
  static constexpr std::uint64_t id_mark = std::uint64_t{0x6d65} << 48;
  static constexpr std::size_t chunk_size = 1024;
  // Methods by index, for readers. `answers` repeats Method::answers, densely packed, so that they fit into a cache.
  struct Chunk {
    std::array<std::atomic<Method*>, chunk_size> methods{};
    std::array<std::atomic<bool>, chunk_size> answers{};
  };

  Method& add_method(Module& module, std::string_view name);

  NameTable<Method> methods_;
  NameTable<Offer> offers_;
  std::vector<std::unique_ptr<Module>> modules_;
  std::deque<Method> method_store_;
  std::array<std::atomic<Chunk*>, 1024> chunks_{};
  std::vector<std::unique_ptr<Chunk>> chunk_store_;
  std::deque<Offer> offer_store_;
};

}  // namespace backplane::host
