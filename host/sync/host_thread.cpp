// SPDX-License-Identifier: Apache-2.0
#include "sync/host_thread.hpp"

#include <unistd.h>

#include <new>

#include "sync/mutex.hpp"
#include "sync/thread_name.hpp"

namespace backplane::host {
namespace {

// Never destroyed: threads may end after static objects.
struct AllThreads {
  Mutex mutex;
  HostThread* first BP_GUARDED_BY(mutex) = nullptr;
};

AllThreads& all() noexcept {
  alignas(AllThreads) static char room[sizeof(AllThreads)];
  static AllThreads* const made = new (room) AllThreads;
  return *made;
}

}  // namespace

HostThread::HostThread(const char* name) noexcept : tid_(::gettid()) {
  name_thread(name);
  AllThreads& threads = all();
  const MutexLock lock(threads.mutex);
  next_ = threads.first;
  link_ = &threads.first;
  if (next_ != nullptr) next_->link_ = &next_;
  threads.first = this;
}

HostThread::~HostThread() {
  const MutexLock lock(all().mutex);
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
}

bool HostThread::is_one(::pid_t tid) noexcept {
  AllThreads& threads = all();
  const MutexLock lock(threads.mutex);
  for (const HostThread* each = threads.first; each != nullptr; each = each->next_) {
    if (each->tid_ == tid) return true;
  }
  return false;
}

}  // namespace backplane::host
