// SPDX-License-Identifier: Apache-2.0
#include "request/record.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

using namespace backplane::host;

namespace {

template <class T>
bool zero_bytes_become_new() {
  struct alignas(T) Memory {
    unsigned char bytes[sizeof(T)];
  };
  const auto made = std::make_unique<Memory>();
  const auto restored = std::make_unique<Memory>();
  T* const fresh = new (made->bytes) T;
  reinterpret_cast<T*>(restored->bytes)->restore();
  const bool same = std::memcmp(made->bytes, restored->bytes, sizeof(T)) == 0;
  fresh->~T();
  return same;
}

}  // namespace

// Slab::trim() returns the memory of free records. The system then gives zero bytes in its place.
TEST_CASE("a record whose memory was returned to the system is as a new one") {
  CHECK(zero_bytes_become_new<Request>());
  CHECK(zero_bytes_become_new<Pending>());
}
