// SPDX-License-Identifier: Apache-2.0
#include "modules/registry.hpp"

#include <algorithm>
#include <utility>

#include "support/names.hpp"
#include "support/result.hpp"

namespace backplane::host {

Method* Registry::method_at(std::uint64_t id) const noexcept {
  const std::uint64_t index = id ^ id_mark;
  if (index >= chunks_.size() * chunk_size) return nullptr;
  const Chunk* const chunk = chunks_[index / chunk_size].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : chunk->methods[index % chunk_size].load(std::memory_order_acquire);
}

bp_status Registry::resolve(std::string_view name, bp_method& out) const noexcept {
  out.id = 0;
  const auto [method, index] = methods_.look_up(name);
  if (method == nullptr) return is_wire_name(name) ? BP_UNKNOWN_NAME : BP_INVALID_ARGUMENT;
  const Chunk& chunk = *chunks_[index / chunk_size].load(std::memory_order_acquire);
  if (!chunk.answers[index % chunk_size].load(std::memory_order_acquire)) return BP_UNKNOWN_NAME;
  out.id = id_mark | index;
  return BP_OK;
}

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

Method& Registry::add_method(Module& module, std::string_view name) {
  const std::uint64_t index = method_store_.size();
  if (index >= chunks_.size() * chunk_size) {
    throw Failure{BP_LOAD_REFUSED, "this process has had " + std::to_string(index) +
                                       " different wire names, which is the limit; restart the host"};
  }
  // Do everything that can fail first, so that a failure cannot leave a method in only some of the tables.
  std::string kept(name);
  methods_.make_room();
  if (index / chunk_size == chunk_store_.size()) {
    chunk_store_.push_back(std::make_unique<Chunk>());
    chunks_[index / chunk_size].store(chunk_store_.back().get(), std::memory_order_release);
  }
  if (module.methods.size() == module.methods.capacity()) module.methods.reserve(2 * module.methods.size() + 1);
  Method& method = method_store_.emplace_back();
  method.name = std::move(kept);
  method.module = &module;
  method.number = static_cast<std::uint32_t>(module.methods.size());
  method.index = index;
  module.methods.push_back(&method);
  chunk_store_.back()->methods[index % chunk_size].store(&method, std::memory_order_release);
  methods_.add(&method, static_cast<std::uint32_t>(index));
  return method;
}

void Registry::bind(Generation& generation) {
  Module& module = *generation.module;
  for (const auto& handler : generation.registered) {
    Method* method = methods_.find(handler->name);
    if (method == nullptr) method = &add_method(module, handler->name);
    handler->method = method;
    if (generation.handlers.size() <= method->number) generation.handlers.resize(method->number + 1);
    generation.handlers[method->number] = handler.get();
  }
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

void Registry::publish(Module& module, Generation* next) {
  const Generation* const before = module.current.load(std::memory_order_relaxed);
  if (next != nullptr) {
    for (const auto& function : next->functions) {
      offers_.find(function->name)->function.store(function.get(), std::memory_order_release);
    }
  }
  module.current.store(next, std::memory_order_release);
  for (Method* const method : module.methods) {
    const bool answers =
        next != nullptr && method->number < next->handlers.size() && next->handlers[method->number] != nullptr;
    if (answers) method->answered.store(true, std::memory_order_release);
    method->answers.store(answers, std::memory_order_release);
    chunks_[method->index / chunk_size]
        .load(std::memory_order_relaxed)
        ->answers[method->index % chunk_size]
        .store(answers, std::memory_order_release);
  }
  if (before == nullptr) return;
  for (const auto& function : before->functions) {
    Offer* const offer = offers_.find(function->name);
    const Function* expected = function.get();
    if (offer != nullptr) offer->function.compare_exchange_strong(expected, nullptr);
  }
}

}  // namespace backplane::host
