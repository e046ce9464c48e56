// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

/// Threads that do one thing at a time together, of which the caller is one: making them is not measured along.
class Team {
 public:
  explicit Team(unsigned members) : errors_(members) {
    for (unsigned i = 1; i < members; ++i) threads_.emplace_back([this, i] { serve(i); });
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team() {
    work_ = nullptr;
    begin();
    for (std::thread& thread : threads_) thread.join();
  }

  /// Returns when each has done `work(i)`, i from 0 on. Throws what one of them has thrown, when all have ended.
  void run(const std::function<void(unsigned)>& work) {
    work_ = &work;
    busy_.store(static_cast<std::uint32_t>(threads_.size()));
    begin();
    do_part(0);
    for (std::uint32_t busy; (busy = busy_.load()) != 0;) busy_.wait(busy);
    for (std::exception_ptr& error : errors_) {
      if (error) std::rethrow_exception(std::exchange(error, nullptr));
    }
  }

 private:
  void begin() {
    turn_.fetch_add(1);
    turn_.notify_all();
  }
  void serve(unsigned i) {
    for (std::uint32_t turn = 0;; ++turn) {
      turn_.wait(turn);
      if (work_ == nullptr) return;
      do_part(i);
      if (busy_.fetch_sub(1) == 1) busy_.notify_one();
    }
  }

  void do_part(unsigned i) noexcept {
    try {
      (*work_)(i);
    } catch (...) {
      errors_[i] = std::current_exception();
    }
  }

  const std::function<void(unsigned)>* work_ = nullptr;
  std::vector<std::exception_ptr> errors_;
  std::atomic<std::uint32_t> turn_{0};
  std::atomic<std::uint32_t> busy_{0};
  std::vector<std::thread> threads_;
};

}  // namespace bench
