// SPDX-License-Identifier: Apache-2.0
//
// Starts a program so that the application gets no SIGCHLD and finds no child. Two functions here run in processes that
// share this process's memory, beside a thread of it: they use system calls alone, no errno, and no sanitizer.
#include "support/quiet_child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

// glibc's function without the interceptor of a sanitizer, which would take the new process for a fork.
extern "C" int __clone(int (*function)(void*), void* stack, int flags, void* argument, ...);  // NOLINT

namespace backplane::host {
namespace {

#define BP_PLAIN [[gnu::no_sanitize("address", "thread", "undefined")]]

constexpr int last_signal = 64;
constexpr std::size_t kernel_mask_size = 8;
// Descriptors of the program.
constexpr int report_fd = 3;
constexpr int program_fd = 4;
constexpr long close_range_unshare = 2;  // CLOSE_RANGE_UNSHARE

/// What this process and the one in between share. It lies in a mapping with the stacks.
struct Shared {
  // Set before.
  int program;
  int input;
  int null;
  int report;
  int errors;
  char* const* arguments;
  char* const* environment;
  // Set by the process in between.
  int error;     // errno of what failed
  int child_fd;  // a pidfd of the program; -1: not yet
  int child;     // its id; it is nobody else's as long as the process in between has not ended
  int child_pidfd;
  siginfo_t ended;
};

constexpr std::size_t stack_size = std::size_t{64} << 10;
constexpr std::size_t mapping_size = sizeof(Shared) + 2 * stack_size + 64;

// Returns -errno after an error.
#if defined(__x86_64__)
BP_PLAIN inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) noexcept {
  long result = number;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
}
#else
BP_PLAIN inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) noexcept {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
#endif

// Not std::atomic, whose functions a sanitizer would change.
BP_PLAIN inline void publish(int& place, int value) noexcept { __atomic_store_n(&place, value, __ATOMIC_RELEASE); }
BP_PLAIN inline int read(const int& place) noexcept { return __atomic_load_n(&place, __ATOMIC_ACQUIRE); }

template <class T>
BP_PLAIN long word(T* pointer) noexcept {
  return reinterpret_cast<long>(pointer);
}

BP_PLAIN void default_signals() noexcept {
  // The kernel's struct: all of it zero is SIG_DFL without flags.
  const std::uint64_t action[4] = {};
  for (long number = 1; number <= last_signal; ++number) {
    system_call(SYS_rt_sigaction, number, word(action), 0, kernel_mask_size);
  }
}

BP_PLAIN void close_from(long first) noexcept {
  if (system_call(SYS_close_range, first, UINT32_MAX, 0) >= 0) return;
  rlimit most = {};
  system_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, word(&most));
  for (long i = first; i < static_cast<long>(most.rlim_cur); ++i) system_call(SYS_close, i);
}

// Becomes the program. Runs in a process that shares the memory until then, while its parent waits.
BP_PLAIN int become_program(void* argument) {
  Shared& shared = *static_cast<Shared*>(argument);
  system_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  system_call(SYS_setsid);
  default_signals();
  const rlimit none = {0, 0};
  system_call(SYS_prlimit64, 0, RLIMIT_CORE, word(&none), 0);
  const int places[5] = {shared.input, shared.null, shared.errors, shared.report, shared.program};
  for (int i = 0; i < 5; ++i) system_call(SYS_dup3, places[i], i, i == program_fd ? O_CLOEXEC : 0);
  close_from(program_fd + 1);
  const std::uint64_t no_signals = 0;
  system_call(SYS_rt_sigprocmask, SIG_SETMASK, word(&no_signals), 0, kernel_mask_size);
  const long error =
      system_call(SYS_execveat, program_fd, word(""), word(shared.arguments), word(shared.environment), AT_EMPTY_PATH);
  publish(shared.error, static_cast<int>(-error));
  system_call(SYS_exit_group, 127);
  return 0;
}

// The process in between. Its signals are all blocked.
BP_PLAIN int stand_between(void* argument) {
  Shared& shared = *static_cast<Shared*>(argument);
  system_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  default_signals();  // if SIGCHLD were ignored, the kernel would forget how the program ended
  char* const stack = reinterpret_cast<char*>(argument) - stack_size;  // the second stack; see run()
  const int pid =
      __clone(become_program, stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, argument, &shared.child_pidfd);
  if (pid < 0) {
    publish(shared.error, errno);
    system_call(SYS_exit_group, 1);
  }
  shared.child = pid;
  publish(shared.child_fd, shared.child_pidfd);
  // Until here, this process shares the descriptors of the application, which gets the pidfd by that. Now it drops
  // them: if the application is killed, its locks and listening sockets must not stay until this process has ended.
  if (system_call(SYS_close_range, 0, UINT32_MAX, close_range_unshare) < 0 &&
      system_call(SYS_unshare, CLONE_FILES) == 0) {
    close_from(0);
  }
  // First kill whatever it has started, while its number cannot be another's yet.
  while (system_call(SYS_waitid, P_PID, pid, word(&shared.ended), WEXITED | WNOWAIT) == -EINTR) {
  }
  system_call(SYS_kill, -pid, SIGKILL);
  system_call(SYS_waitid, P_PID, pid, word(&shared.ended), WEXITED);
  system_call(SYS_exit_group, 0);
  return 0;
}

[[noreturn]] void fail(int error, const char* what) { throw std::system_error(error, std::generic_category(), what); }

/// The stacks and what is shared. From low to high addresses: a stack for the program, one for the process in between.
class Mapping {
 public:
  Mapping() {
    memory_ = ::mmap(nullptr, mapping_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory_ == MAP_FAILED) fail(errno, "mmap");
    // Both stacks grow down from a place below `shared`.
    char* const at = static_cast<char*>(memory_) + 2 * stack_size;
    shared = new (at) Shared{};
    shared->child_fd = -1;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (const int fd = read(shared->child_fd); fd >= 0) ::close(fd);
    ::munmap(memory_, mapping_size);
  }
  void* stack() const noexcept { return shared; }

  Shared* shared = nullptr;

 private:
  void* memory_ = nullptr;
};

/// What a program wrote to a pipe.
class Captured {
 public:
  Captured() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) fail(errno, "pipe2");
    read_ = UniqueFd(ends[0]);
    const UniqueFd low(ends[1]);
    write_ = high(low.get());
  }

  /// A descriptor beyond those of the program, so that setting these in turn overwrites none.
  static UniqueFd high(int fd) {
    UniqueFd moved(::fcntl(fd, F_DUPFD_CLOEXEC, program_fd + 1));
    if (!moved) fail(errno, "fcntl");
    return moved;
  }

  int write_end() const noexcept { return write_.get(); }
  int read_end() const noexcept { return read_.get(); }
  void close_write_end() noexcept { write_.reset(); }
  void close_read_end() noexcept { read_.reset(); }

  /// Takes what is there. Of more than the bound, the beginning stays.
  void take(const std::function<void(std::string_view)>& then = {}) {
    constexpr std::size_t most = 16384;
    char buffer[4096];
    for (;;) {
      const ssize_t n = ::read(read_.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return read_.reset();
      if (then) then({buffer, static_cast<std::size_t>(n)});
      text.append(buffer, std::min(static_cast<std::size_t>(n), most - text.size()));
    }
  }

  std::string text;

 private:
  UniqueFd read_;
  UniqueFd write_;
};

// A signal handler of the application must not run in a process that shares its memory.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;
  ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

UniqueFd QuietChild::open(const std::string& path) noexcept {
  UniqueFd file(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (file && ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0) file.reset();
  return file;
}

struct QuietChild::Parts {
  using Clock = std::chrono::steady_clock;

  explicit Parts(const Program& of) : on_output(of.on_output), texts(of.arguments) {
    for (const std::string& each : texts) arguments.push_back(const_cast<char*>(each.c_str()));
    arguments.push_back(nullptr);
  }

  std::function<void(std::string_view)> on_output;
  std::vector<std::string> texts;
  std::vector<char*> arguments;
  Captured report;
  Captured errors;
  Mapping mapping;
  UniqueFd between;
  UniqueFd program, input, null;  // until the program is executed
  Clock::time_point killed{};     // when it was asked for
  bool has_ended = false;

  // The process in between ends with the program, unless somebody has stopped it.
  void kill_all() const noexcept {
    constexpr std::chrono::seconds grace{1};
    const Shared& shared = *mapping.shared;
    const int child = read(shared.child_fd);
    if (child >= 0) ::syscall(SYS_pidfd_send_signal, child, SIGKILL, nullptr, 0);
    if (Clock::now() < killed + grace) return;
    if (child >= 0) ::kill(-shared.child, SIGKILL);
    ::syscall(SYS_pidfd_send_signal, between.get(), SIGKILL, nullptr, 0);
  }
};

QuietChild::QuietChild(const Program& program) : parts_(std::make_unique<Parts>(program)) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) fail(errno, "/dev/null");
  parts_->null = Captured::high(null.get());
  parts_->input = Captured::high(program.input >= 0 ? program.input : null.get());
  parts_->program = Captured::high(program.file);
  Shared& shared = *parts_->mapping.shared;
  shared.program = parts_->program.get();
  shared.input = parts_->input.get();
  shared.null = parts_->null.get();
  shared.report = parts_->report.write_end();
  shared.errors = parts_->errors.write_end();
  shared.arguments = parts_->arguments.data();
  shared.environment = ::environ;
  int fd = -1;
  int made = -1;
  {
    const NoSignals blocked;
    made = ::__clone(stand_between, parts_->mapping.stack(), CLONE_VM | CLONE_FILES | CLONE_PIDFD, &shared, &fd);
  }
  if (made < 0) fail(errno, "clone");
  parts_->between = UniqueFd(fd);
}

QuietChild::~QuietChild() {
  constexpr int look_ms = 50;
  kill();
  // Nobody reads what it has written, and there may be no memory for it.
  parts_->report.close_read_end();
  parts_->errors.close_read_end();
  while (!wait(look_ms)) continue;
}

void QuietChild::kill() noexcept {
  if (parts_->has_ended || parts_->killed != Parts::Clock::time_point{}) return;
  parts_->killed = Parts::Clock::now();
  parts_->kill_all();
}

bool QuietChild::wait(int most_ms) {
  Parts& parts = *parts_;
  if (parts.has_ended) return true;
  if (parts.killed != Parts::Clock::time_point{}) parts.kill_all();
  pollfd all[3] = {
      {parts.between.get(), POLLIN, 0}, {parts.report.read_end(), POLLIN, 0}, {parts.errors.read_end(), POLLIN, 0}};
  if (::poll(all, 3, most_ms) < 0) return false;
  // The program has its own by now, or never will.
  if (read(parts.mapping.shared->child_fd) >= 0) {
    parts.report.close_write_end();
    parts.errors.close_write_end();
    parts.program.reset();
    parts.input.reset();
    parts.null.reset();
  }
  if (all[1].revents != 0) parts.report.take(parts.on_output);
  if (all[2].revents != 0) parts.errors.take();
  if (all[0].revents == 0) return false;
  siginfo_t of_between;
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(parts.between.get()), &of_between,
                  WEXITED | __WALL) != 0 &&
         errno == EINTR) {
  }
  if (parts.report.read_end() >= 0) parts.report.take(parts.on_output);
  if (parts.errors.read_end() >= 0) parts.errors.take();
  return parts.has_ended = true;
}

std::string QuietChild::take_errors() {
  if (parts_->errors.read_end() >= 0) parts_->errors.take();
  return std::exchange(parts_->errors.text, {});
}

QuietChild::Ended QuietChild::ended() {
  const Shared& shared = *parts_->mapping.shared;
  if (const int error = read(shared.error); error != 0) fail(error, "execve");
  Ended out;
  const bool known = shared.ended.si_pid != 0;  // else what stood between was killed
  (known && shared.ended.si_code == CLD_EXITED ? out.code : out.signal) = known ? shared.ended.si_status : SIGKILL;
  out.output = std::move(parts_->report.text);
  out.errors = std::move(parts_->errors.text);
  return out;
}

QuietChild::Ended QuietChild::run(const Program& program, std::chrono::milliseconds timeout,
                                  const std::function<bool()>& canceled) {
  using Clock = std::chrono::steady_clock;
  constexpr long look_ms = 50;
  const auto until = Clock::now() + timeout;
  QuietChild child(program);
  bool in_time = true;
  bool is_canceled = false;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    const bool over = !in_time || is_canceled;
    if (!over && (left.count() <= 0 || canceled())) {
      (left.count() <= 0 ? in_time : is_canceled) = left.count() > 0;
      child.kill();
    }
    if (child.wait(static_cast<int>(over ? look_ms : std::clamp(static_cast<long>(left.count()), 1L, look_ms)))) break;
  }
  Ended ended = child.ended();
  ended.in_time = in_time;
  ended.canceled = is_canceled;
  return ended;
}

}  // namespace backplane::host
