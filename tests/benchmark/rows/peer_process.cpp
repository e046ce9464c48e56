// SPDX-License-Identifier: Apache-2.0
#include "peer_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{20};

/// In the child: becomes the command, with stdout and stderr as given.
[[noreturn]] void become(const std::vector<std::string>& command, int out, int err) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(0);  // the row's, which the exec would keep
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& each : command) arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  const std::string why = "cannot run " + command[0] + ": " + std::strerror(errno) + "; scripts/setup installs it\n";
  [[maybe_unused]] const ssize_t size = ::write(err, why.data(), why.size());
  ::_exit(127);
}

pid_t start(const std::vector<std::string>& command, int out, int err) {
  const pid_t child = ::fork();
  if (child == 0) become(command, out, err);
  if (child < 0) throw std::runtime_error(std::string("no process for a server: ") + std::strerror(errno));
  return child;
}

bool takes_connections(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path.size() >= sizeof to.sun_path) throw std::runtime_error("the path " + path + " is too long for a socket");
  std::memcpy(to.sun_path, path.c_str(), path.size());
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  ::close(fd);
  return connected;
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

ScratchDir::ScratchDir() {
  std::string name = (std::filesystem::temp_directory_path() / "backplane-bench.XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory like " + name);
  path_ = name;
}

ScratchDir::~ScratchDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

PeerProcess::PeerProcess(const std::vector<std::string>& command, const std::string& socket, const std::string& log) {
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  process_ = start(command, file, file);
  ::close(file);
  const auto until = Clock::now() + patience;
  while (!takes_connections(socket)) {
    const bool gone = ended();
    if (!gone && Clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    if (!gone) ::kill(process_, SIGKILL);
    if (!gone) ::waitpid(process_, nullptr, 0);
    throw std::runtime_error(command[0] + " does not serve: " + contents(log));
  }
}

PeerProcess::~PeerProcess() {
  ::kill(process_, SIGTERM);
  const auto until = Clock::now() + patience;
  while (!ended()) {
    if (Clock::now() >= until) ::kill(process_, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

bool PeerProcess::ended() { return ::waitpid(process_, nullptr, WNOHANG) == process_; }

std::string output_of(const std::vector<std::string>& command) {
  const ScratchDir dir;
  const std::string out = dir.path("out");
  const std::string err = dir.path("err");
  const int out_file = ::open(out.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const int err_file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const pid_t child = start(command, out_file, err_file);
  ::close(out_file);
  ::close(err_file);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) throw std::runtime_error(command[0] + " failed: " + contents(err));
  return contents(out);
}

}  // namespace bench
