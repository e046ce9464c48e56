// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "reply/buffer.hpp"
#include "reply/buffer_pool.hpp"

using namespace backplane::host;

TEST_CASE("each size belongs to the smallest class that has room for it") {
#if !defined(__SANITIZE_ADDRESS__)
  for (std::uint32_t i = 0; i < buffer_pool::classes; ++i) {
    CHECK(buffer_pool::class_of(buffer_pool::size_of(i)) == i);
    CHECK(buffer_pool::class_of(buffer_pool::size_of(i) + 1) == i + 1);  // of the last: no_class
  }
#endif
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{600}, std::size_t{1} << 40}) {
    const std::uint32_t size_class = buffer_pool::class_of(size);
    CHECK((size_class == buffer_pool::no_class || buffer_pool::size_of(size_class) >= size));
  }
}

TEST_CASE("a buffer has room for what was asked for, at every size, whoever has had its memory before") {
  for (int round = 0; round < 3; ++round) {
    std::vector<bp_buffer*> all;
    for (std::size_t size = 1; size < (1u << 21); size = size * 3 / 2 + 1) {
      bp_buffer* const buffer = new_buffer(size);
      REQUIRE(buffer != nullptr);
      CHECK(buffer->size == 0);
      CHECK(buffer->capacity == size);
      CHECK(reinterpret_cast<std::uintptr_t>(buffer->data) % 16 == 0);
      std::memset(buffer->data, static_cast<int>(size & 0xff), size);
      buffer->size = size;
      all.push_back(buffer);
    }
    for (bp_buffer* const buffer : all) {
      const auto expected = static_cast<std::uint8_t>(buffer->size & 0xff);
      CHECK(buffer->data[0] == expected);
      CHECK(buffer->data[buffer->size - 1] == expected);
      free_buffer(buffer);
    }
  }
}

TEST_CASE("what one thread frees another gets, and no memory is given out twice at a time") {
  constexpr std::size_t size = 64 * 1024;
  std::set<void*> seen;
  for (int round = 0; round < 20; ++round) {
    std::vector<bp_buffer*> all;
    for (int i = 0; i < 40; ++i) all.push_back(new_buffer(size));
    std::set<void*> now(all.begin(), all.end());
    CHECK(now.size() == all.size());
    seen.insert(now.begin(), now.end());
    std::thread([&all] {
      for (bp_buffer* const buffer : all) free_buffer(buffer);
    }).join();
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(seen.size() < 20 * 40 / 2);  // else it was malloc that found new memory each time
#endif
}

TEST_CASE("what lies unused in common is bounded") {
  std::vector<bp_buffer*> all;
  for (int i = 0; i < 100; ++i) all.push_back(new_buffer(400 * 1024));
  for (bp_buffer* const buffer : all) free_buffer(buffer);
  CHECK(buffer_pool::in_store() <= buffer_pool::store_limit);
}

TEST_CASE("many threads that make and free buffers at once lose none and share none") {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &wrong] {
      std::vector<bp_buffer*> mine;
      for (int i = 0; i < 20'000; ++i) {
        bp_buffer* const buffer = new_buffer(static_cast<std::size_t>(300 + 700 * (i % 3)));
        std::memcpy(buffer->data, &t, sizeof t);
        mine.push_back(buffer);
        if (mine.size() < 60) continue;
        for (bp_buffer* const each : mine) {
          wrong += std::memcmp(each->data, &t, sizeof t) != 0;
          free_buffer(each);
        }
        mine.clear();
      }
      for (bp_buffer* const each : mine) free_buffer(each);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}
