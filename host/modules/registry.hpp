// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "modules/generation.hpp"
#include "modules/method_names.hpp"
#include "modules/name_table.hpp"

namespace backplane::host {

/// The wire names and host functions of the process, and the generation that answers each. Any thread may look them up.
/// Only the control thread writes.
class Registry {
 public:
  /// As MethodNames::find(). Any thread.
  bp_status find_method(std::string_view name, const Method*& out) const noexcept {
    Method* method = nullptr;
    const bp_status status = names_->find(name, method);
    out = method;
    return status;
  }

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
  Method* method_at(std::uint64_t id) const noexcept { return names_->at(id); }
  static std::uint64_t id_of(const Method& method) noexcept { return MethodNames::id_of(method); }
  /// Implements bp_method_find. Any thread.
  bp_status resolve(std::string_view name, bp_method& out) const noexcept { return names_->resolve(name, out); }
  MethodNames& names() const noexcept { return *names_; }

  // ---- Control thread ----

  /// A module by name; nullptr if it was never loaded.
  Module* find_module(std::string_view name) const noexcept;
  /// A module by name; creates it if it does not exist.
  Module& module(std::string_view name);
  const std::vector<std::unique_ptr<Module>>& modules() const noexcept { return modules_; }

  /// Sets generation.handlers, and makes room for new names.
  void bind(Generation& generation);

  /// The running generation of another module that offers the host function `name`, or nullptr.
  const Generation* offered_by_other(std::string_view name, const Module& module) const noexcept;

  /// The module has no current generation from here on, and its names wait for the next. publish(), and then release(),
  /// end that.
  static void hold(Module& module) noexcept;
  static void release(Module& module) noexcept { module.held.store(0, std::memory_order_release); }

  /// Makes `next` the current generation of `module`, with its host functions. Null: the module has none.
  void publish(Module& module, Generation* next);

 private:
  struct Offer {
    std::string name;
    std::atomic<const Function*> function{nullptr};
  };

  const std::unique_ptr<MethodNames> names_ = std::make_unique<MethodNames>();
  NameTable<Offer> offers_;
  std::vector<std::unique_ptr<Module>> modules_;
  std::deque<Offer> offer_store_;
};

}  // namespace backplane::host
