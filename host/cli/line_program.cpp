// SPDX-License-Identifier: Apache-2.0
#include "cli/line_program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/wait.hpp"

extern char** environ;

namespace backplane::host::cli {
namespace {

struct Pipe {
  UniqueFd read, write;

  Pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw CommandFailure{exit_error, BP_IO, cat("cannot make a pipe: ", std::strerror(errno))};
    }
    read = UniqueFd(ends[0]);
    write = UniqueFd(ends[1]);
  }
};

void do_not_wait(const UniqueFd& fd) noexcept { ::fcntl(fd.get(), F_SETFL, O_NONBLOCK); }

/// What a spawned program gets: its pipes, a process group of its own, and the usual signals.
class Spawn {
 public:
  Spawn(const Pipe& in, const Pipe& out) {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawn_file_actions_adddup2(&files_, in.read.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&files_, out.write.get(), STDOUT_FILENO);
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t usual;
    ::sigemptyset(&usual);
    for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::sigaddset(&usual, each);
    ::posix_spawnattr_setsigdefault(&attributes_, &usual);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  pid_t run(std::string command) const {
    std::string shell = "sh";
    std::string flag = "-c";
    char* const arguments[] = {shell.data(), flag.data(), command.data(), nullptr};
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, "/bin/sh", &files_, &attributes_, arguments, environ);
    if (error != 0) throw CommandFailure{exit_error, BP_IO, cat("cannot start /bin/sh: ", std::strerror(error))};
    return pid;
  }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

std::string end_words(int status) {
  if (WIFSIGNALED(status)) return cat("was ended by signal ", std::to_string(WTERMSIG(status)));
  return cat("ended with exit code ", std::to_string(WEXITSTATUS(status)));
}

}  // namespace

void LineProgram::start() {
  Pipe in;
  Pipe out;
  pid_ = Spawn(in, out).run(command_);
  input_ = std::move(in.write);
  output_ = std::move(out.read);
  do_not_wait(input_);
  do_not_wait(output_);
  sent_ = 0;
  partial_.clear();
}

std::size_t LineProgram::write() {
  std::size_t begun = 0;
  while (wants_room()) {
    const std::string& line = unsent_.front();
    const ssize_t size = ::write(input_.get(), line.data() + sent_, line.size() - sent_);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return begun;
    if (size < 0) {  // it reads no more; the end of its stdout tells the rest
      input_.reset();
      return begun;
    }
    if (sent_ == 0) ++begun;
    sent_ += static_cast<std::size_t>(size);
    if (sent_ < line.size()) continue;
    unsent_.pop_front();
    sent_ = 0;
  }
  return begun;
}

bool LineProgram::read(std::vector<std::string>& lines, std::size_t most) {
  std::array<char, 65536> bytes;
  const ssize_t size = ::read(output_.get(), bytes.data(), bytes.size());
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (size <= 0) return false;
  std::string_view left(bytes.data(), static_cast<std::size_t>(size));
  for (std::size_t end; (end = left.find('\n')) != std::string_view::npos; left.remove_prefix(end + 1)) {
    partial_ += left.substr(0, end);
    lines.push_back(std::move(partial_));
    partial_.clear();
  }
  partial_ += left;
  return partial_.size() <= most;
}

std::string LineProgram::end(std::chrono::milliseconds grace) noexcept {
  if (pid_ == 0) return {};
  input_.reset();
  output_.reset();
  const UniqueFd process = watch_process(static_cast<std::uint64_t>(pid_));
  if (process) wait_for_end(process.get(), std::chrono::steady_clock::now() + grace);
  // It may have ended. What it has started is in its process group.
  int status = 0;
  const bool ended = ::waitpid(pid_, &status, WNOHANG) == pid_;
  ::kill(-pid_, SIGKILL);
  while (!ended && ::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  if (sent_ != 0) unsent_.pop_front();
  sent_ = 0;
  try {
    return end_words(status);
  } catch (const std::bad_alloc&) {
    return {};
  }
}

}  // namespace backplane::host::cli
