// SPDX-License-Identifier: Apache-2.0
#include "fiber/stack.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace backplane {
namespace {

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

Stack::Stack(std::size_t size) {
  const std::size_t page = page_size();
  size_ = (size + page - 1) / page * page;
  void* const memory = ::mmap(nullptr, size_ + page, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  bottom_ = static_cast<char*>(memory) + page;
  if (::mprotect(memory, page, PROT_NONE) != 0) {
    ::munmap(memory, size_ + page);
    throw std::bad_alloc();
  }
}

Stack::~Stack() { ::munmap(static_cast<char*>(bottom_) - page_size(), size_ + page_size()); }

}  // namespace backplane
