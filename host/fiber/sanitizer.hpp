// SPDX-License-Identifier: Apache-2.0
//
// Tells AddressSanitizer and ThreadSanitizer about stack switches, which they cannot detect. Does nothing in other
// builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define BP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BP_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define BP_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BP_TSAN 1
#endif
#endif

#if defined(BP_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(BP_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace backplane::host {

/// One stack, for the sanitizers. Call leave_to() on the old stack right before a jump, and arrive() on the new stack
/// right after it.
///
/// After leave_for_good(), a stack may begin() again. Call end() on another stack, because ThreadSanitizer keeps state
/// for a stack while it is in use.
class StackMark {
 public:
  StackMark() = default;  ///< a thread's own stack; the first arrival from it sets its bounds
  StackMark(const StackMark&) = delete;
  StackMark& operator=(const StackMark&) = delete;

#if defined(BP_ASAN)
  ~StackMark() = default;
  void begin(const void* bottom, std::size_t size) noexcept {
    bottom_ = bottom;
    size_ = size;
    fake_ = nullptr;
    forget(bottom, size);
  }
  void end() noexcept {}
  void leave_to(StackMark& to) noexcept { __sanitizer_start_switch_fiber(&fake_, to.bottom_, to.size_); }
  void leave_for_good(StackMark& to) noexcept { __sanitizer_start_switch_fiber(nullptr, to.bottom_, to.size_); }
  void arrive() noexcept { __sanitizer_finish_switch_fiber(fake_, nullptr, nullptr); }
  void arrive_from_thread(StackMark& thread) noexcept {
    __sanitizer_finish_switch_fiber(fake_, &thread.bottom_, &thread.size_);
  }
  /// Frames that never returned are still poisoned. Clears that for the next use of the memory.
  static void forget(const void* bottom, std::size_t size) noexcept { __asan_unpoison_memory_region(bottom, size); }

 private:
  const void* bottom_ = nullptr;
  std::size_t size_ = 0;
  void* fake_ = nullptr;
#elif defined(BP_TSAN)
  ~StackMark() = default;
  void begin(const void*, std::size_t) noexcept { fiber_ = __tsan_create_fiber(0); }
  void end() noexcept {
    __tsan_destroy_fiber(fiber_);
    fiber_ = nullptr;
  }
  void leave_to(StackMark& to) noexcept {
    fiber_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to.fiber_, 0);
  }
  void leave_for_good(StackMark& to) noexcept { leave_to(to); }
  void arrive() noexcept {}
  void arrive_from_thread(StackMark&) noexcept {}
  static void forget(const void*, std::size_t) noexcept {}

 private:
  void* fiber_ = nullptr;
#else
  ~StackMark() = default;
  void begin(const void*, std::size_t) noexcept {}
  void end() noexcept {}
  void leave_to(StackMark&) noexcept {}
  void leave_for_good(StackMark&) noexcept {}
  void arrive() noexcept {}
  void arrive_from_thread(StackMark&) noexcept {}
  static void forget(const void*, std::size_t) noexcept {}
#endif
};

}  // namespace backplane::host
