// SPDX-License-Identifier: Apache-2.0
#include "modules/registry.hpp"

#include <utility>

namespace backplane::host {

Module* Registry::find_module(std::string_view name) const noexcept {
  for (const auto& known : modules_) {
    if (known->name == name) return known.get();
  }
  return nullptr;
}

Module& Registry::module(std::string_view name) {
  if (Module* const known = find_module(name)) return *known;
  auto made = std::make_unique<Module>();
  made->name = name;
  modules_.push_back(std::move(made));
  return *modules_.back();
}

void Registry::bind(Generation& generation) {
  names_->bind(generation);
  // Allocate the offers now, so that publish() cannot fail.
  for (const auto& function : generation.functions) {
    if (offers_.find(function->name) != nullptr) continue;
    std::string kept(function->name);
    offers_.make_room();
    Offer& offer = offer_store_.emplace_back();
    offer.name = std::move(kept);
    offers_.add(&offer);
  }
}

const Generation* Registry::offered_by_other(std::string_view name, const Module& module) const noexcept {
  const Function* const function = find_function(name);
  return function == nullptr || function->generation->module == &module ? nullptr : function->generation;
}

// Its names still answer, for those who look them up.
void Registry::hold(Module& module) noexcept {
  module.held.store(module.current.load(std::memory_order_relaxed)->number, std::memory_order_release);
  module.current.store(nullptr, std::memory_order_release);
}

void Registry::publish(Module& module, Generation* next) {
  const Generation* const before = module.current.load(std::memory_order_relaxed);
  if (next != nullptr) {
    module.workers.store(next->settings.workers, std::memory_order_relaxed);
    for (const auto& function : next->functions) {
      offers_.find(function->name)->function.store(function.get(), std::memory_order_release);
    }
  }
  module.current.store(next, std::memory_order_release);
  names_->publish(module, next);
  if (before == nullptr) return;
  for (const auto& function : before->functions) {
    Offer* const offer = offers_.find(function->name);
    const Function* expected = function.get();
    if (offer != nullptr) offer->function.compare_exchange_strong(expected, nullptr);
  }
}

}  // namespace backplane::host
