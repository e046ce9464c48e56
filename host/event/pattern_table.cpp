// SPDX-License-Identifier: Apache-2.0
#include "event/pattern_table.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <new>

namespace backplane::host {
namespace {

std::string_view without_star(std::string_view pattern) noexcept {
  if (pattern.ends_with('*')) pattern.remove_suffix(1);
  return pattern;
}

/// Names that differ are likely to differ in their first or last eight bytes, or in size.
std::size_t quick_hash(std::string_view name) noexcept {
  if (name.size() < sizeof(std::uint64_t)) return std::hash<std::string_view>{}(name);
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::memcpy(&first, name.data(), sizeof first);
  std::memcpy(&last, name.data() + name.size() - sizeof last, sizeof last);
  return static_cast<std::size_t>((first * 31 + last + name.size()) * 0x9e3779b97f4a7c15u >> 32);
}

/// Room for one element more than `size`.
template <class T>
void make_room(std::vector<T>& vector, std::size_t size) {
  if (vector.capacity() <= size) vector.reserve(std::max<std::size_t>(8, 2 * size));
}

}  // namespace

PatternTable::Id PatternTable::add(std::string_view pattern) {
  Ids& table = table_of(pattern);
  if (const auto found = table.find(without_star(pattern)); found != table.end()) {
    ++patterns_[found->second].listeners;
    return found->second;
  }
  Id id = static_cast<Id>(patterns_.size());
  if (free_.empty() && id == bound_) throw Full();
  if (!free_.empty()) {
    id = free_.back();
  } else {
    make_room(patterns_, patterns_.size());
    make_room(matched_, patterns_.size());
    make_room(free_, patterns_.size());
  }
  std::string text(pattern);
  table.emplace(without_star(pattern), id);
  if (id < patterns_.size()) {
    free_.pop_back();
    patterns_[id].text = std::move(text);
    patterns_[id].listeners = 1;
  } else {
    patterns_.push_back({std::move(text), 1, 0, 0});
    matched_.push_back(0);
  }
  if (pattern.ends_with('*')) ++prefixes_of_size_[pattern.size() - 1];
  ++version_;
  return id;
}

void PatternTable::remove(Id id) noexcept {
  Pattern& pattern = patterns_[id];
  if (--pattern.listeners != 0) return;
  if (pattern.text.ends_with('*')) --prefixes_of_size_[pattern.text.size() - 1];
  Ids& table = table_of(pattern.text);
  table.erase(table.find(without_star(pattern.text)));
  free_.push_back(id);
  ++version_;
}

void PatternTable::clear() noexcept {
  exact_.clear();
  prefixes_.clear();
  prefixes_of_size_.fill(0);
  free_.clear();
  for (Id id = 0; id < patterns_.size(); ++id) free_.push_back(id);
  ++version_;
}

void PatternTable::find(std::string_view name, std::vector<Id>& ids) const {
  ids.clear();
  if (const auto found = exact_.find(name); found != exact_.end()) ids.push_back(found->second);
  if (prefixes_.empty()) return;
  for (std::size_t size = 0; size <= name.size(); ++size) {
    if (prefixes_of_size_[size] == 0) continue;
    if (const auto found = prefixes_.find(name.substr(0, size)); found != prefixes_.end()) ids.push_back(found->second);
  }
}

bool PatternTable::count(std::span<const Id> ids, PatternCounts& part) noexcept try {
  if (part.stamp_ == 0) part.stamp_ = ++last_stamp_;
  for (const Id id : ids) {
    Pattern& pattern = patterns_[id];
    if (pattern.stamp == part.stamp_) continue;
    part.list_.push_back({id, 0});
    pattern.stamp = part.stamp_;
    pattern.place = part.list_.size() - 1;
  }
  for (const Id id : ids) {
    ++matched_[id];
    ++part.list_[patterns_[id].place].events;
  }
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

std::span<const PatternTable::Id> PatternTable::match(std::string_view name) {
  if (known_ == nullptr) known_ = std::make_unique<Known[]>(known_names);
  Known& known = known_[quick_hash(name) % known_names];
  if (known.version != version_ || known.name != name) {
    known.version = 0;  // should memory run out
    known.name = name;
    find(name, known.ids);
    known.version = version_;
  }
  return known.ids;
}

}  // namespace backplane::host
