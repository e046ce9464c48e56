// SPDX-License-Identifier: Apache-2.0
//
// Wire names and their methods. A method is made at the first look-up of its name, on the thread that looks it up.
#include "modules/method_names.hpp"

#include <algorithm>
#include <utility>

#include "support/names.hpp"

namespace backplane::host {

Method* MethodNames::at(std::uint64_t id) const noexcept {
  const std::uint64_t index = id ^ id_mark;
  if (index >= chunks_.size() * chunk_size) return nullptr;
  const Chunk* const chunk = chunks_[index / chunk_size].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : chunk->methods[index % chunk_size].load(std::memory_order_acquire);
}

bp_status MethodNames::resolve(std::string_view name, bp_method& out) noexcept {
  out.id = 0;
  auto [method, index] = table_.look_up(name);
  if (method == nullptr) {
    if (!is_wire_name(name)) return BP_INVALID_ARGUMENT;
    if (const bp_status status = find(name, method); status != BP_OK) return status;
    if (method == nullptr) return BP_UNKNOWN_NAME;
    index = static_cast<std::uint32_t>(method->index);
  }
  const Chunk& chunk = *chunks_[index / chunk_size].load(std::memory_order_acquire);
  if (!chunk.answers[index % chunk_size].load(std::memory_order_acquire)) return BP_UNKNOWN_NAME;
  out.id = id_mark | index;
  return BP_OK;
}

bp_status MethodNames::find_waiting(std::string_view name, Method*& out) noexcept {
  if (waiting_count_.load(std::memory_order_acquire) != 0) return make(name, out);
  out = table_.find(name);  // the last one that waited may have got its method meanwhile
  return BP_OK;
}

bp_status MethodNames::make(std::string_view name, Method*& out) noexcept try {
  const MutexLock lock(mutex_);
  out = table_.find(name);  // another thread may have made it
  if (out != nullptr) return BP_OK;
  OfModule* const of = owner_of(name);
  if (of == nullptr) return BP_OK;
  const auto at = of->waiting.find(name);
  if (at == of->waiting.end() || (!at->second.answers && !at->second.answered)) return BP_OK;  // not published
  if (store_.size() >= chunks_.size() * chunk_size) return BP_OVERLOADED;
  out = &add(*of, at->first, at->second);
  of->waiting.erase(at);
  waiting_count_.fetch_sub(1, std::memory_order_release);  // after table_ has it
  return BP_OK;
} catch (const std::bad_alloc&) {
  return BP_OUT_OF_MEMORY;
}

Method& MethodNames::add(OfModule& of, const std::string& name, const Waiting& waiting) {
  const std::uint64_t index = store_.size();
  Module& module = *of.module;
  // Do everything that can fail first, so that a failure cannot leave a method in only some of the tables.
  std::string kept(name);
  table_.make_room();
  if (index / chunk_size == chunk_store_.size()) {
    chunk_store_.push_back(std::make_unique<Chunk>());
    chunks_[index / chunk_size].store(chunk_store_.back().get(), std::memory_order_release);
  }
  if (module.methods.size() == module.methods.capacity()) module.methods.reserve(2 * module.methods.size() + 1);
  Method& method = store_.emplace_back();
  method.name = std::move(kept);
  method.module = &module;
  method.number = waiting.number;
  method.index = index;
  method.answered.store(waiting.answered, std::memory_order_relaxed);
  module.methods.push_back(&method);
  set_answers(method, waiting.answers);
  chunk_store_.back()->methods[index % chunk_size].store(&method, std::memory_order_release);
  table_.add(&method, static_cast<std::uint32_t>(index));
  return method;
}

void MethodNames::set_answers(Method& method, bool answers) noexcept {
  if (answers) method.answered.store(true, std::memory_order_release);
  method.answers.store(answers, std::memory_order_release);
  chunks_[method.index / chunk_size]
      .load(std::memory_order_relaxed)
      ->answers[method.index % chunk_size]
      .store(answers, std::memory_order_release);
}

// The module of a wire name is the part before its first dot.
MethodNames::OfModule* MethodNames::owner_of(std::string_view name) {
  const auto at = modules_.find(name.substr(0, name.find('.')));
  return at == modules_.end() ? nullptr : &at->second;
}

MethodNames::OfModule& MethodNames::of(Module& module) {
  OfModule& of = modules_[module.name];
  of.module = &module;
  return of;
}

std::uint32_t MethodNames::number_of(OfModule& of, const std::string& name) {
  if (const Method* const method = table_.find(name)) return method->number;
  if (const auto at = of.waiting.find(name); at != of.waiting.end()) return at->second.number;
  if (of.free_numbers.empty()) {
    if (of.free_numbers.capacity() <= of.numbers) of.free_numbers.reserve(2 * std::size_t{of.numbers} + 16);
    of.waiting.emplace(name, Waiting{of.numbers});
    ++of.numbers;
  } else {
    of.waiting.emplace(name, Waiting{of.free_numbers.back()});
    of.free_numbers.pop_back();
  }
  waiting_count_.fetch_add(1, std::memory_order_release);
  return of.waiting.find(name)->second.number;
}

void MethodNames::forget(OfModule& names, Names::iterator& at) noexcept {
  names.free_numbers.push_back(at->second.number);
  at = names.waiting.erase(at);
  waiting_count_.fetch_sub(1, std::memory_order_relaxed);
}

void MethodNames::bind(Generation& generation) {
  const MutexLock lock(mutex_);
  OfModule& names = of(*generation.module);
  // Forgets those of a generation that was refused. Its numbers are not used again, because it may still be ending.
  waiting_count_.fetch_sub(
      std::erase_if(names.waiting, [](const auto& each) { return !each.second.answers && !each.second.answered; }),
      std::memory_order_relaxed);
  for (const auto& handler : generation.registered) {
    const std::uint32_t number = number_of(names, handler->name);
    if (generation.handlers.size() <= number) generation.handlers.resize(number + 1);
    generation.handlers[number] = handler.get();
  }
}

void MethodNames::publish(Module& module, const Generation* next) noexcept {
  const auto has = [next](std::uint32_t number) {
    return next != nullptr && number < next->handlers.size() && next->handlers[number] != nullptr;
  };
  const MutexLock lock(mutex_);
  for (Method* const method : module.methods) set_answers(*method, has(method->number));
  OfModule* const names = owner_of(module.name);
  if (names == nullptr) return;
  for (auto at = names->waiting.begin(); at != names->waiting.end();) {
    Waiting& name = at->second;
    name.answers = has(name.number);
    name.answered = name.answered || name.answers;
    // After an unload, a call still learns that the module is gone.
    if (name.answers || (next == nullptr && name.answered)) {
      ++at;
    } else {
      forget(*names, at);
    }
  }
}

}  // namespace backplane::host
