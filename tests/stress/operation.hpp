// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

namespace stress {

/// splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): the same numbers
/// for a seed on every machine, which the standard library's distributions do not promise.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

enum class Kind : std::uint8_t {
  submit,
  submit_wrongly,
  call_sync,
  cancel,
  complete_wrongly,
  listen,
  unlisten,
  set_function,
  unset_function,
  find_method,
  look_at_modules,
  change_module,
  end_context,
  pause,
  count
};
const char* name(Kind kind) noexcept;

/// One thing that an actor does. `draws` say how; what they mean is the operation's own business.
struct Operation {
  Kind kind = Kind::pause;
  std::array<std::uint64_t, 6> draws{};
};

/// The operations of one actor. They depend on the seed and the thread's number alone: each takes the same
/// count of random numbers, and none asks what became of the ones before.
class Operations {
 public:
  Operations(std::uint64_t seed, unsigned thread);
  Operation next();

  std::uint64_t drawn() const noexcept { return drawn_; }
  /// Over the first so many operations; 0 until so many were drawn.
  std::uint64_t hash(std::uint64_t of_first) const noexcept { return drawn_ >= of_first ? hash_ : 0; }
  /// Operations beyond these are not hashed any more.
  void hash_first(std::uint64_t count) noexcept { hashed_ = count; }

 private:
  Random random_;
  std::uint64_t drawn_ = 0;
  std::uint64_t hashed_ = 0;
  std::uint64_t hash_ = 14695981039346656037u;  // FNV-1a, 64 bits
};

}  // namespace stress
