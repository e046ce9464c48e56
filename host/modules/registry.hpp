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

/// The process's wire names and host functions: who answers to what. Looked up by any thread; written
/// by the control thread alone.
class Registry {
 public:
  /// nullptr if no module ever had the name.
  Method* find_method(std::string_view name) const noexcept { return methods_.find(name); }

  /// The running generation of the method's module; nullptr if that is gone. For request threads alone:
  /// valid until that thread has gone back to its loop with no request of that generation open.
  static const Generation* running(const Method& method) noexcept {
    return method.module->current.load(std::memory_order_acquire);
  }

  /// The host function that a module offers; validity as for running().
  const Function* find_function(std::string_view name) const noexcept {
    const Offer* const offer = offers_.find(name);
    return offer == nullptr ? nullptr : offer->function.load(std::memory_order_acquire);
  }

  /// The method that bp_method.id names; nullptr if there is none.
  Method* method_at(std::uint64_t id) const noexcept;
  static std::uint64_t id_of(const Method& method) noexcept { return id_mark | method.index; }
  /// Behind bp_method_find. Any thread.
  bp_status resolve(std::string_view name, bp_method& out) const noexcept;

  // ---- Control thread ----

  /// nullptr if no module of that name was ever loaded.
  Module* find_module(std::string_view name) const noexcept;
  /// The module of that name, made if there is none yet.
  Module& module(std::string_view name);
  const std::vector<std::unique_ptr<Module>>& modules() const noexcept { return modules_; }
  const std::deque<Method>& methods() const noexcept { return method_store_; }

  /// Fills in generation.handlers; new names get their methods.
  void bind(Generation& generation);

  /// Who offers the host function `name` now, other than `module`; nullptr if nobody does.
  const Generation* offered_by_other(std::string_view name, const Module& module) const noexcept;

  /// Makes `next` the current generation of its module (or none, if null), functions included.
  void publish(Module& module, Generation* next);

 private:
  struct Offer {
    std::string name;
    std::atomic<const Function*> function{nullptr};
  };

  // Sets method ids apart from other handles, so that one of those is not taken for a method's.
  static constexpr std::uint64_t id_mark = std::uint64_t{0x6d65} << 48;
  static constexpr std::size_t chunk_size = 1024;
  // Methods by index, for readers; and which of them answer, once more: so close together a cache has them all.
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
