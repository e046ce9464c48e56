// SPDX-License-Identifier: Apache-2.0
#include "request/worker_thread.hpp"

#include <memory>
#include <system_error>
#include <utility>

#include "fiber/stack_chunk.hpp"

namespace backplane::host {

void WorkerThread::start(std::function<void()> run) {
  auto body = std::make_unique<std::function<void()>>(std::move(run));
  ::pthread_attr_t attributes;
  int error = ::pthread_attr_init(&attributes);
  if (error == 0) {
    std::size_t size = 0;
    if (::pthread_attr_getstacksize(&attributes, &size) == 0) {
      ::pthread_attr_setguardsize(&attributes, StackChunk::guard_of(size));
    }
    const auto routine = [](void* data) noexcept -> void* {
      const std::unique_ptr<std::function<void()>> own(static_cast<std::function<void()>*>(data));
      (*own)();
      return nullptr;
    };
    error = ::pthread_create(&thread_, &attributes, routine, body.get());
    ::pthread_attr_destroy(&attributes);
  }
  if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_create");
  body.release();  // NOLINT(bugprone-unused-return-value): the thread owns it
}

}  // namespace backplane::host
