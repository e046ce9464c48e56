// SPDX-License-Identifier: Apache-2.0
#include "fiber/overflow.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <new>

#include "support/log.hpp"

namespace backplane::host {
namespace {

// Large enough for the previous signal handler as well, which may belong to a debugger or a runtime.
constexpr std::size_t signal_stack_size = 64 * 1024;

std::atomic<OverflowWatch::Find> find_overflow{nullptr};
struct sigaction previous;  // written once, before the new action is set

// A text of fixed capacity, without allocation. Text that does not fit is cut off.
class Line {
 public:
  Line& operator<<(const char* text) noexcept {
    const std::size_t size = std::min(std::strlen(text), sizeof text_ - size_);
    std::memcpy(text_ + size_, text, size);
    size_ += size;
    return *this;
  }
  Line& operator<<(std::uint64_t number) noexcept {
    char digits[21] = {};
    char* at = digits + sizeof digits - 1;
    do {
      *--at = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    return *this << at;
  }
  // After the lines of the log. If stderr takes none, the process must end all the same.
  void write() const noexcept {
    constexpr int longest_ms = 100;
    log::flush_in_signal_handler(std::chrono::milliseconds(longest_ms));
    pollfd fd = {STDERR_FILENO, POLLOUT, 0};
    if (::poll(&fd, 1, longest_ms) == 0) return;
    const ssize_t written = ::write(STDERR_FILENO, text_, size_);
    static_cast<void>(written);  // nothing can be done about an error
  }

 private:
  char text_[1024];
  std::size_t size_ = 0;
};

void tell(const Overflow& overflow) noexcept {
  Line line;
  line << "backplane: stack overflow in ";
  if (overflow.fiber != 0) line << "fiber " << overflow.fiber << " of ";
  line << "\"" << overflow.wire_name << "\" of the module \"" << overflow.module << "\": its stack of "
       << std::uint64_t{overflow.stack_size}
       << " bytes is used up, and the process ends. Put large objects on the heap, "
       << "or enlarge the stack with "
       << (overflow.fiber != 0 ? "bp_fiber_desc.stack_size (C++: StackSize)"
                               : "bp_context_options.fiber_stack_size (backplane run: fiber_stack_size in its file)")
       << ".\n";
  line.write();
}

void set_default(int signal) noexcept {
  struct sigaction fatal {};
  fatal.sa_handler = SIG_DFL;
  ::sigaction(signal, &fatal, nullptr);
}

// Does what the previous action would have done.
void pass_on(int signal, siginfo_t* info, void* context) noexcept {
  const bool takes_info = (previous.sa_flags & SA_SIGINFO) != 0;
  if (takes_info || (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)) {
    if ((previous.sa_flags & static_cast<int>(SA_RESETHAND)) != 0) set_default(signal);
    return takes_info ? previous.sa_sigaction(signal, info, context) : previous.sa_handler(signal);
  }
  const bool sent = info->si_code <= 0;  // sent by kill() or similar: returning will not cause it again
  if (sent && previous.sa_handler == SIG_IGN) return;
  // Returning repeats the fault at the same place, so that the core file shows it.
  set_default(signal);
  if (sent) ::raise(signal);  // blocked until this returns
}

void on_fault(int signal, siginfo_t* info, void* context) noexcept {
  const int error = errno;
  const OverflowWatch::Find find = find_overflow.load(std::memory_order_acquire);
  Overflow overflow;
  if (info->si_code > 0 && find != nullptr && find(info->si_addr, overflow)) tell(overflow);
  errno = error;
  pass_on(signal, info, context);
}

// Sets the action while the library is loaded.
struct Action {
  Action() noexcept {
    ::sigaction(SIGSEGV, nullptr, &previous);  // read it first: another thread may fault as soon as the action is set
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_mask = previous.sa_mask;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous.sa_flags & SA_NODEFER);
    ::sigaction(SIGSEGV, &action, nullptr);
  }
  Action(const Action&) = delete;
  Action& operator=(const Action&) = delete;
  ~Action() {
    struct sigaction now {};
    if (::sigaction(SIGSEGV, nullptr, &now) == 0 && now.sa_sigaction == on_fault) {
      ::sigaction(SIGSEGV, &previous, nullptr);
    }
  }
};

}  // namespace

OverflowWatch::OverflowWatch(Find find) noexcept {
  find_overflow.store(find, std::memory_order_release);
  static const Action action;
  stack_t there{};
  if (::sigaltstack(nullptr, &there) != 0 || (there.ss_flags & SS_DISABLE) == 0) return;  // a sanitizer has set one
  signal_stack_.reset(new (std::nothrow) char[signal_stack_size]);
  if (signal_stack_ == nullptr) return;
  stack_t own{};
  own.ss_sp = signal_stack_.get();
  own.ss_size = signal_stack_size;
  ::sigaltstack(&own, nullptr);
}

OverflowWatch::~OverflowWatch() {
  if (signal_stack_ == nullptr) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
}

}  // namespace backplane::host
