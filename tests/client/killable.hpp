// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>

/// A coroutine that a test may destroy where it waits.
struct Killable {
  struct promise_type {
    Killable get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept {}
  };
  std::coroutine_handle<promise_type> handle;
};
