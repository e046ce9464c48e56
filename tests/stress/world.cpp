// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include "operation.hpp"

namespace stress {
namespace {

// More would say the same.
constexpr std::size_t texts_kept = 200;

}  // namespace

void Problems::add(const std::string& text) {
  ++count_;
  const std::lock_guard lock(mutex_);
  if (texts_.size() < texts_kept || texts_.contains(text)) ++texts_[text];
}

std::map<std::string, std::uint64_t> Problems::all() const {
  const std::lock_guard lock(mutex_);
  return texts_;
}

const std::uint8_t* noise() {
  static const std::vector<std::uint8_t> bytes = [] {
    std::vector<std::uint8_t> made(noise_size);
    Random random(1);
    for (auto& byte : made) byte = static_cast<std::uint8_t>(random.next());
    return made;
  }();
  return bytes.data();
}

}  // namespace stress
