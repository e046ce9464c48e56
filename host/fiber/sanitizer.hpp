// SPDX-License-Identifier: Apache-2.0
//
// Tells AddressSanitizer and ThreadSanitizer of stack switches, which they cannot see; nothing in
// other builds.
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

namespace backplane {

#if defined(BP_ASAN)

class FiberSanitizer {
 public:
  FiberSanitizer(const void* bottom, std::size_t size) : bottom_(bottom), size_(size) {}
  FiberSanitizer(const FiberSanitizer&) = delete;
  FiberSanitizer& operator=(const FiberSanitizer&) = delete;
  // The frames of a body that never returns are still marked; whatever is mapped here next must not inherit that.
  ~FiberSanitizer() { __asan_unpoison_memory_region(bottom_, size_); }
  void leave_root() noexcept { __sanitizer_start_switch_fiber(&root_fake_, bottom_, size_); }
  void arrive_root() noexcept { __sanitizer_finish_switch_fiber(root_fake_, nullptr, nullptr); }
  void leave_fiber() noexcept { __sanitizer_start_switch_fiber(&fiber_fake_, root_bottom_, root_size_); }
  void arrive_fiber() noexcept { __sanitizer_finish_switch_fiber(fiber_fake_, &root_bottom_, &root_size_); }

 private:
  const void* bottom_;
  std::size_t size_;
  const void* root_bottom_ = nullptr;
  std::size_t root_size_ = 0;
  void* root_fake_ = nullptr;
  void* fiber_fake_ = nullptr;
};

#elif defined(BP_TSAN)

class FiberSanitizer {
 public:
  FiberSanitizer(const void*, std::size_t) : fiber_(__tsan_create_fiber(0)) {}
  FiberSanitizer(const FiberSanitizer&) = delete;
  FiberSanitizer& operator=(const FiberSanitizer&) = delete;
  ~FiberSanitizer() { __tsan_destroy_fiber(fiber_); }
  void leave_root() noexcept {
    root_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber_, 0);
  }
  void arrive_root() noexcept {}
  void leave_fiber() noexcept { __tsan_switch_to_fiber(root_, 0); }
  void arrive_fiber() noexcept {}

 private:
  void* fiber_;
  void* root_ = nullptr;
};

#else

class FiberSanitizer {
 public:
  FiberSanitizer(const void*, std::size_t) {}
  void leave_root() noexcept {}
  void arrive_root() noexcept {}
  void leave_fiber() noexcept {}
  void arrive_fiber() noexcept {}
};

#endif

}  // namespace backplane
