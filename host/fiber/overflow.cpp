// SPDX-License-Identifier: Apache-2.0
#include "fiber/overflow.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>

#include "support/crash_line.hpp"
#include "support/signal_text.hpp"

namespace backplane::host {
namespace {

std::atomic<OverflowWatch::Find> find_overflow{nullptr};
struct sigaction previous;  // written once, before the new action is set

// How its author and its operator give it a larger stack.
void tell_ways(SignalText& line, const Overflow& overflow) noexcept {
  if (overflow.fiber != 0) {
    line << "bp_fiber_desc.stack_size (C++: StackSize)";
  } else if (overflow.blocking) {
    line << "\"ulimit -s\" before the process starts: a blocking handler has the stack of a thread";
  } else {
    line << "bp_handler_desc.stack_size (C++: StackSize); for all handlers of the module that give none, with "
            "stack_size "
            "in its manifest, in [modules."
         << overflow.module
         << "] of the configuration file, with \"backplane load --stack-size\" or in bp_load_options; or for all "
            "modules "
            "with fiber_stack_size in the configuration file or in bp_context_options";
  }
}

void tell(const Overflow& overflow) noexcept {
  SignalText line;
  line << "backplane: stack overflow in ";
  if (overflow.fiber != 0) line << "fiber " << overflow.fiber << " of ";
  line << "\"" << overflow.wire_name << "\" of the module \"" << overflow.module << "\": its stack of "
       << std::uint64_t{overflow.stack_size}
       << " bytes is used up, and the process ends. Put large objects on the heap, or enlarge the stack with ";
  tell_ways(line, overflow);
  line << ".";
  line.write();
  crash_is_told();
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
}

}  // namespace backplane::host
