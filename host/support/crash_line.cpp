// SPDX-License-Identifier: Apache-2.0
#include "support/crash_line.hpp"

#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <iterator>

#include "support/gone_code.hpp"
#include "support/mapped_objects.hpp"
#include "support/running_code.hpp"
#include "support/signal_text.hpp"

namespace backplane::host {
namespace {

struct Watched {
  int signal;
  const char* name;
  struct sigaction previous;  // written once, before the new action is set
};
Watched watched[] = {{SIGSEGV, "SIGSEGV", {}},
                     {SIGBUS, "SIGBUS", {}},
                     {SIGFPE, "SIGFPE", {}},
                     {SIGILL, "SIGILL", {}},
                     {SIGABRT, "SIGABRT", {}}};

// The first thread that crashes. It alone is told.
std::atomic<pid_t> telling{0};
// While its stack is unwound, which may fault on a damaged stack: the line so far.
std::atomic<SignalText*> unwinding{nullptr};
std::atomic<bool> told{false};
pid_t process = 0;  // a forked child crashes and exits for itself

constexpr int most_frames = 24;

struct Frames {
  SignalText& line;
  int count = 0;
};

void tell_address(Frames& frames, std::uintptr_t at) noexcept {
  const MappedObject* const object = mapped_object_at(at);
  frames.line << (frames.count++ == 0 ? " " : ", ");
  if (object == nullptr) {
    frames.line << "0x";
    frames.line.hex(at);
    return;
  }
  frames.line << object->name << "[" << object->build_id << "]+0x";
  frames.line.hex(at - object->bias);
}

_Unwind_Reason_Code tell_frame(_Unwind_Context* context, void* to) {
  Frames& frames = *static_cast<Frames*>(to);
  int before = 0;
  std::uintptr_t at = _Unwind_GetIPInfo(context, &before);
  if (at == 0 || frames.count == most_frames) return _URC_END_OF_STACK;
  if (before == 0) --at;  // inside of the call instruction
  tell_address(frames, at);
  return _URC_NO_REASON;
}

// A fault at an address where the object of a module was.
struct Stray {
  const GoneCode* gone = nullptr;
  std::uintptr_t called_from = 0;  // 0: it was not a call, but an access to memory
};

Stray find_stray(const siginfo_t* info, void* context) noexcept {
  if (info == nullptr || info->si_code <= 0) return {};  // sent by a process: there is no address
  const auto* const at = static_cast<const ucontext_t*>(context);
#if defined(__x86_64__)
  const auto code = static_cast<std::uintptr_t>(at->uc_mcontext.gregs[REG_RIP]);
  const auto stack = static_cast<std::uintptr_t>(at->uc_mcontext.gregs[REG_RSP]);
#else
  const std::uintptr_t code = at->uc_mcontext.pc;
#endif
  if (const GoneCode* const gone = gone_code_at(code)) {
#if defined(__x86_64__)
    return {gone, *reinterpret_cast<const std::uintptr_t*>(stack)};  // the call has just put it there
#else
    return {gone, at->uc_mcontext.regs[30]};
#endif
  }
  return {gone_code_at(reinterpret_cast<std::uintptr_t>(info->si_addr)), 0};
}

void tell_stray(SignalText& line, const Stray& stray) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  char thread[17] = {};
  ::prctl(PR_GET_NAME, thread);
  line << (stray.called_from != 0 ? "code" : "memory") << " of the module \"" << stray.gone->module << "\", generation "
       << stray.gone->generation << ", unloaded " << static_cast<std::uint64_t>(now.tv_sec - stray.gone->since)
       << " s ago, was " << (stray.called_from != 0 ? "called from" : "used by") << " thread "
       << static_cast<std::uint64_t>(::gettid()) << " (" << static_cast<const char*>(thread) << ")";
}

SignalText& begin_line(SignalText& line, const char* what, const RunningCode& code) noexcept {
  line << "backplane: " << what << " in the " << code.in;
  if (!code.name.empty()) line << " of \"" << code.name << "\"";
  if (!code.module.empty()) line << " of the module \"" << code.module << "\", generation " << code.generation;
  if (const RunState state = find_run_state(); state.fiber != 0) line << ", in fiber " << state.fiber;
  ShortText::Buffer buffer;
  if (const std::string_view client = find_client(buffer); !client.empty()) line << ", called by " << client;
  return line;
}

// std::terminate() says no more than "terminate called". A common reason is an exception that the SDK has thrown.
void tell_cancellation(SignalText& line) noexcept {
  const RunState state = find_run_state();
  if (state.fiber_destroyed) {
    line << " The fiber was being destroyed";
  } else if (*state.unwanted != '\0') {
    line << " " << state.unwanted;
  } else {
    return;
  }
  line
      << ": a wait or switch throws backplane::Canceled then, and in a destructor or a noexcept function that ends the "
         "process. Wait outside of these, or use try_switch_to.";
}

// `code`: null if the thread runs none.
void tell(const char* signal, const RunningCode* code, const Stray& stray) noexcept {
  static SignalText line;  // a signal stack may be small
  if (code != nullptr) {
    begin_line(line, signal, *code);
  } else {
    line << "backplane: " << signal;
  }
  if (stray.gone != nullptr) tell_stray(line << (code != nullptr ? "; " : ": "), stray);
  line << "; the process ends.";
  if (code != nullptr && std::string_view(signal) == "SIGABRT") tell_cancellation(line);
  line << " Frames:";
  unwinding = &line;
  note_mapped_objects();
  Frames frames{line};
  if (stray.called_from != 0) {
    tell_address(frames, stray.called_from - 1);  // what lies above cannot be unwound without the code
  } else {
    _Unwind_Backtrace(tell_frame, &frames);
  }
  unwinding = nullptr;
  line.write();
  told = true;
}

void set_default(int signal) noexcept {
  struct sigaction fatal {};
  fatal.sa_handler = SIG_DFL;
  ::sigaction(signal, &fatal, nullptr);
}

// Does what the previous action would have done.
void pass_on(const struct sigaction& previous, int signal, siginfo_t* info, void* context) noexcept {
  const bool takes_info = (previous.sa_flags & SA_SIGINFO) != 0;
  if (takes_info) return previous.sa_sigaction(signal, info, context);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) return previous.sa_handler(signal);
  const bool sent = info->si_code <= 0;  // sent by kill(), abort() or similar: returning will not cause it again
  if (sent && previous.sa_handler == SIG_IGN) return;
  // Returning repeats the fault at the same place, so that the core file shows it.
  set_default(signal);
  if (sent) ::raise(signal);
}

// Another thread has crashed first. The process must not end before that is told.
void wait_until_told() noexcept {
  constexpr timespec a_moment = {0, 10'000'000};
  for (int i = 0; i < 50 && !told; ++i) ::nanosleep(&a_moment, nullptr);
}

void on_crash(int signal, siginfo_t* info, void* context) noexcept {
  const int error = errno;
  const pid_t teller = telling.load();
  if (teller == ::gettid()) {
    if (SignalText* const line = unwinding.exchange(nullptr)) {
      *line << " …";
      line->write();
      set_default(signal);
      return;
    }
  } else if (teller != 0) {
    wait_until_told();
  }
  RunningCode code;
  pid_t none = 0;
  const Stray stray = find_stray(info, context);
  const bool known = find_running_code(code);
  if (!told && ::getpid() == process && (known || stray.gone != nullptr) &&
      telling.compare_exchange_strong(none, ::gettid())) {
    for (const Watched& each : watched) {
      if (each.signal == signal) tell(each.name, known ? &code : nullptr, stray);
    }
  }
  errno = error;
  for (const Watched& each : watched) {
    if (each.signal == signal) return pass_on(each.previous, signal, info, context);
  }
}

// A module has called exit(). The host would end without a word, perhaps with success.
void tell_exit(int status, void*) noexcept {
  RunningCode running;
  if (::getpid() != process || !find_running_code(running)) return;
  const int code = (status & 255) == 0 ? 1 : status;
  SignalText line;
  begin_line(line, "exit() was called", running)
      << "; the process ends with " << static_cast<std::uint64_t>(code & 255);
  line.write();
  ::_exit(code);
}

}  // namespace

void crash_is_told() noexcept { told = true; }

void install_crash_line() noexcept {
  process = ::getpid();
  for (Watched& each : watched) {
    ::sigaction(each.signal, nullptr, &each.previous);  // read it first: another thread may fault at once
    struct sigaction action {};
    action.sa_sigaction = on_crash;
    action.sa_mask = each.previous.sa_mask;
    // A damaged stack may fault again while it is unwound.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    ::sigaction(each.signal, &action, nullptr);
  }
  ::on_exit(tell_exit, nullptr);
}

}  // namespace backplane::host
