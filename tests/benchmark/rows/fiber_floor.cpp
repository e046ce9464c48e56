// SPDX-License-Identifier: Apache-2.0
#include "fiber_floor.hpp"

#include <boost/context/fiber.hpp>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "../module/orders.h"

namespace bench {
namespace {

using boost::context::fiber;
using boost::context::stack_context;

constexpr std::size_t stack_size = 64 * 1024;

/// The least that a pool can do: a list of free stacks. It is faster than Boost's own pooled_fixedsize_stack, which
/// counts references; a floor should be what is fastest.
class StackPool {
 public:
  stack_context allocate() {
    if (free_.empty()) add_one();
    stack_context stack;
    stack.sp = free_.back();
    stack.size = stack_size;
    free_.pop_back();
    return stack;
  }
  void deallocate(stack_context& stack) noexcept { free_.push_back(stack.sp); }

 private:
  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };
  void add_one() {
    std::unique_ptr<void, Free> memory(std::aligned_alloc(64, stack_size));
    if (!memory) throw std::bad_alloc();
    all_.push_back(std::move(memory));
    free_.reserve(all_.size());  // so that giving back cannot fail
    free_.push_back(static_cast<char*>(all_.back().get()) + stack_size);
  }
  std::vector<std::unique_ptr<void, Free>> all_;
  std::vector<void*> free_;  // their tops
};

/// What a fiber copies as its allocator.
struct FromPool {
  StackPool* pool;
  stack_context allocate() { return pool->allocate(); }
  void deallocate(stack_context& stack) noexcept { pool->deallocate(stack); }
};

double each(std::uint64_t nanoseconds, std::uint64_t count) {
  return static_cast<double>(nanoseconds) / static_cast<double>(count);
}

}  // namespace

double raw_switch_pair(std::uint64_t count) {
  StackPool pool;
  std::uint64_t switched = 0;
  bool stop = false;
  fiber other(std::allocator_arg, FromPool{&pool}, [&](fiber&& main) {
    while (!stop) {
      ++switched;
      main = std::move(main).resume();
    }
    return std::move(main);
  });
  other = std::move(other).resume();
  const std::uint64_t begin = bench_now();
  for (std::uint64_t i = 0; i < count; ++i) other = std::move(other).resume();
  const std::uint64_t took = bench_now() - begin;
  stop = true;
  other = std::move(other).resume();
  return switched == count + 1 ? each(took, count) : 0;
}

double raw_create(std::uint64_t count) {
  StackPool pool;
  std::uint64_t ran = 0;
  const std::uint64_t begin = bench_now();
  for (std::uint64_t i = 0; i < count; ++i) {
    fiber one(std::allocator_arg, FromPool{&pool}, [&](fiber&& main) {
      ++ran;
      return std::move(main);
    });
    one = std::move(one).resume();
  }
  const std::uint64_t took = bench_now() - begin;
  return ran == count ? each(took, count) : 0;
}

}  // namespace bench
