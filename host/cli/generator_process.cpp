// SPDX-License-Identifier: Apache-2.0
#include "cli/generator_process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/this_program.hpp"
#include "support/signal_name.hpp"
#include "support/unique_fd.hpp"

extern char** environ;

namespace backplane::host::cli {
namespace {

constexpr const char* program_name = "backplane-bindgen";

std::string path_of_generator() {
  const std::string path = (std::filesystem::path(this_program()).parent_path() / program_name).string();
  if (::access(path.c_str(), X_OK) == 0) return path;
  if (errno != ENOENT) throw usage(cat(path, " cannot be run: ", std::strerror(errno)));
  throw usage("backplane-bindgen is not installed; it is in the package backplane-bindgen",
              cat("looked for ", path, "; backplane bindgen json works without it"));
}

// Starts the program with the reading end of a pipe as its standard input.
pid_t start(const std::string& path, const std::vector<std::string>& arguments, int input) {
  std::vector<char*> argv = {const_cast<char*>(program_name)};
  for (const std::string& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  pid_t child = 0;
  const int error = posix_spawn(&child, path.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw usage(cat(path, " cannot be run: ", std::strerror(error)));
  return child;
}

// If the program reads no more, its own message says why.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size > 0) {
      text.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace

int run_generator(const std::vector<std::string>& arguments, std::string_view input) {
  const std::string path = path_of_generator();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw usage(cat("cannot make a pipe: ", std::strerror(errno)));
  UniqueFd read(ends[0]);
  UniqueFd write(ends[1]);
  const pid_t child = start(path, arguments, read.get());
  read = UniqueFd();  // so that a write fails when the program reads no more
  write_all(write.get(), input);
  write = UniqueFd();
  int status = 0;
  while (::waitpid(child, &status, 0) == -1) {
    if (errno != EINTR) throw CommandFailure{exit_error, BP_IO, cat("cannot wait for ", program_name)};
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  if (WTERMSIG(status) == SIGINT) return exit_interrupted;
  throw CommandFailure{exit_error, BP_ERROR, cat(path, " was ended by ", signal_name(WTERMSIG(status)))};
}

}  // namespace backplane::host::cli
