// SPDX-License-Identifier: Apache-2.0
//
// `backplane save`: writes what the host has loaded into its configuration file.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <backplane/cbor/reader.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/config_file.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/named.hpp"
#include "cli/output.hpp"
#include "cli/plan_difference.hpp"
#include "cli/run_plan.hpp"
#include "cli/saved_config.hpp"
#include "cli/text_diff.hpp"
#include "cli/value.hpp"
#include "cli/wait.hpp"
#include "support/unique_fd.hpp"

namespace backplane::host::cli {
namespace {

namespace fs = std::filesystem;

/// A module of the host's report: one that runs, or one that its configuration has.
struct ShownModule {
  std::string name;
  std::string path;
  cbor::Bytes config;
  std::string source;
  ModuleSettings settings;
};

std::vector<ShownModule> modules_in(const Value& report, const char* key) {
  std::vector<ShownModule> all;
  for (const Value& each : report[key].items()) {
    const std::string config = each["config"].raw();
    all.push_back({each["name"].raw(),
                   each["path"].raw(),
                   {config.begin(), config.end()},
                   each["source"].raw(),
                   ModuleSettings::of(each["settings"])});
  }
  return all;
}

/// What the file has to say so that a host loads what runs now.
class Saver {
 public:
  Saver(const ConfigFile& file, std::vector<ShownModule> running, std::vector<ShownModule> planned)
      : file_(file), running_(std::move(running)), planned_(std::move(planned)) {}

  std::vector<SavedModule> run() {
    for (const ShownModule& each : running_) save_running(each, !is_found(each));
    // Once a table has a path, the bundled modules are not loaded by themselves.
    if (!file_.module_dirs && has_path()) {
      for (const ShownModule& each : running_) {
        const ShownModule* const planned = named(planned_, each.name);
        const ModuleSection* const section = named(file_.modules, each.name);
        if (planned == nullptr || planned->source != "bundled" || (section != nullptr && section->path)) continue;
        std::erase_if(out_, [&](const SavedModule& saved) { return saved.name == each.name; });
        save_running(each, true);
      }
    }
    for (const ShownModule& each : planned_) leave_out(each.name, each.source);
    for (const ModuleSection& each : file_.modules) leave_out(each.name, {});
    return std::move(out_);
  }

 private:
  // Whether a host finds the module where it runs from, without a path in its table.
  bool is_found(const ShownModule& running) const {
    const ShownModule* const planned = named(planned_, running.name);
    const ModuleSection* const section = named(file_.modules, running.name);
    return planned != nullptr && planned->path == running.path && (section == nullptr || !section->path);
  }

  bool has_path() const {
    return std::any_of(out_.begin(), out_.end(), [](const SavedModule& each) { return each.path.has_value(); }) ||
           std::any_of(file_.modules.begin(), file_.modules.end(),
                       [](const ModuleSection& each) { return each.path.has_value(); });
  }

  void save_running(const ShownModule& running, bool needs_path) {
    const ModuleSection* const section = named(file_.modules, running.name);
    SavedModule saved{running.name, {}, {}, {}, {}};
    const bool same_path = section != nullptr && section->path && section->path->value == running.path;
    if (needs_path && !same_path) saved.path = running.path;
    if (section != nullptr && !section->load) saved.load = true;
    const cbor::Bytes before = section == nullptr ? cbor::Bytes() : section->config;
    if (!same_config(before, running.config)) saved.config = running.config;
    if (running.settings != (section == nullptr ? ModuleSettings() : section->settings)) {
      saved.settings = running.settings;
    }
    if (saved.path || saved.load || saved.config || saved.settings) out_.push_back(std::move(saved));
  }

  void leave_out(const std::string& name, const std::string& source) {
    const ModuleSection* const section = named(file_.modules, name);
    if (named(running_, name) != nullptr || named(out_, name) != nullptr || (section != nullptr && !section->load))
      return;
    if (source == "--module") {
      note(cat("warning: ", name, " is not loaded, but --module of backplane run names it; no table can leave it out"));
      return;
    }
    out_.push_back({name, {}, false, {}, {}});
  }

  const ConfigFile& file_;
  const std::vector<ShownModule> running_;
  const std::vector<ShownModule> planned_;
  std::vector<SavedModule> out_;
};

[[noreturn]] void fail(const std::string& file, const char* what) {
  throw CommandFailure{exit_error, BP_IO, cat("\"", file, "\" is as it was: ", what, ": ", std::strerror(errno))};
}

// The file behind links, which need not exist.
std::string target_of(const std::string& file) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(file, error);
  return error ? file : target.string();
}

// Returns whether the file exists. A device, a pipe or a broken link is not replaced by a file.
bool check_target(const std::string& file, const std::string& target) {
  struct stat info {};
  if (::lstat(target.c_str(), &info) != 0) {
    if (errno == ENOENT && ::lstat(file.c_str(), &info) != 0) return false;
    throw usage(cat("\"", file, "\" cannot be written: it leads nowhere"), "expected a regular file, or none");
  }
  if (S_ISREG(info.st_mode)) return true;
  throw usage(cat("\"", file, "\" is not a regular file, so it is not replaced"), "expected a regular file, or none");
}

/// A new file beside another one, which it replaces or is removed.
class Replacement {
 public:
  explicit Replacement(const std::string& file) : file_(file), path_(cat(file, ".backplane-save.XXXXXX")) {
    fd_ = UniqueFd(::mkostemp(path_.data(), O_CLOEXEC));
    if (!fd_) fail(file_, "cannot make a new file beside it");
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement() {
    if (!done_) ::unlink(path_.c_str());
  }

  void write(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t written = ::write(fd_.get(), text.data() + at, text.size() - at);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail(file_, "cannot write a new file beside it");
      at += static_cast<std::size_t>(written);
    }
  }

  void commit() {
    struct stat old {};
    if (::stat(file_.c_str(), &old) == 0) {
      struct stat own {};
      if (::fstat(fd_.get(), &own) != 0) fail(file_, "cannot look at the new file beside it");
      const bool other = own.st_uid != old.st_uid || own.st_gid != old.st_gid;
      if (other && ::fchown(fd_.get(), old.st_uid, old.st_gid) != 0) fail(file_, "cannot keep its owner and group");
      if (::fchmod(fd_.get(), old.st_mode & 07777) != 0) fail(file_, "cannot keep its mode");
    } else {
      const mode_t mask = ::umask(0);
      ::umask(mask);
      if (::fchmod(fd_.get(), 0666 & ~mask) != 0) fail(file_, "cannot set its mode");
    }
    if (::fsync(fd_.get()) != 0) fail(file_, "cannot write a new file beside it");
    if (::rename(path_.c_str(), file_.c_str()) != 0) fail(file_, "cannot replace it");
    done_ = true;
    const UniqueFd folder(::open(fs::path(file_).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) ::fsync(folder.get());
  }

 private:
  const std::string file_;
  std::string path_;
  UniqueFd fd_;
  bool done_ = false;
};

// What a host with the file as it is now would run, whatever this host has read: somebody may have edited it, or it is
// another file. If its modules cannot be planned, none is: then each table gets its path.
std::vector<ShownModule> planned_by(const Args& args, const std::string& target, const Value& report) {
  std::vector<ShownModule> all;
  // Options of backplane run count for any file.
  for (ShownModule& each : modules_in(report, "planned")) {
    if (each.source.starts_with("--")) all.push_back(std::move(each));
  }
  Args of_file = args;
  of_file.config = target;
  try {
    for (const PlannedModule& each : make_plan(of_file).modules) {
      if (named(all, each.name) == nullptr)
        all.push_back({each.name, each.path, each.config, each.source, each.settings});
    }
  } catch (const CommandFailure&) {
    // Its own fault is told when a host reads it.
  }
  return all;
}

// Root reaches the hosts of all users. It must not write where one of them says.
bool is_own_host(const std::string& socket) {
  struct stat info {};
  return ::stat(socket.c_str(), &info) == 0 && info.st_uid == ::geteuid();
}

bool agrees(const Args& args, const std::string& file) {
  if (args.yes || args.json || ::isatty(STDIN_FILENO) == 0 || !stdout_is_terminal()) return true;
  write_err(cat("write this to ", one_line(file), "? [y/N] "));
  std::string line;
  std::getline(std::cin, line);
  return line == "y" || line == "yes";
}

std::string json_of(const std::string& file, const std::vector<std::string>& lines, bool written) {
  std::string all;
  for (const std::string& line : lines) all += cat(all.empty() ? "" : ",", cli::json_string(line));
  return cat("{\"file\":", cli::json_string(file), ",\"written\":", written ? "true" : "false", ",\"lines\":[", all,
             "]}\n");
}

int run_save(const Args& args) {
  Result shown;
  std::string socket;
  {
    const Client client(args);
    socket = client.socket();
    check(bp_host_reconfigure(client.context(), BP_RECONFIGURE_SHOW, timeout_ms(args), shown.out()), shown, exit_code);
  }
  const Value report = Value::read(shown.payload());
  const std::string file = args.config ? absolute_path(*args.config) : report["file"].raw();
  if (!args.config && !is_own_host(socket)) {
    throw usage("a host of another user says which file to write to",
                "name the file with --config FILE, if it is the right one");
  }
  if (file.empty()) {
    throw usage("the host runs without a configuration file, so there is none to write to",
                "name one with --config FILE");
  }
  const std::string target = target_of(file);
  const bool exists = check_target(file, target);
  const std::string before = exists ? read_file(target, file_limit) : std::string();
  const ConfigFile config = read_config_text(file, before);
  const std::vector<SavedModule> changes =
      Saver(config, modules_in(report, "modules"), planned_by(args, target, report)).run();
  const std::string after = changes.empty() ? before : saved_text(file, before, config, changes);
  const std::vector<std::string> lines = changed_lines(before, after);
  const std::string text = unified_diff(exists ? one_line(file) : "/dev/null", before, one_line(file), after);
  if (!args.json) write_result(lines.empty() ? "nothing has changed\n" : printable(text));
  const bool writes = !lines.empty() && !args.dry_run && agrees(args, file);
  if (writes) {
    const Signals signals;  // a new file is not left behind half-way
    Replacement fresh(target);
    fresh.write(after);
    const bool still = ::access(target.c_str(), F_OK) == 0;
    if (still != exists || (still && read_file(target, file_limit) != before)) {
      throw CommandFailure{exit_error, BP_IO,
                           cat("\"", file, "\" was changed meanwhile, so it is not replaced; run save again")};
    }
    fresh.commit();
    if (!args.json) note(cat("written to ", one_line(file)));
  }
  if (args.json) write_result(json_of(file, lines, writes));
  return exit_ok;
}

}  // namespace

const Command save_command = {
    "save",
    "write what the running host has loaded into its configuration file",
    R"(save changes the tables [modules.NAME] of the file, so that a host with this file loads what runs now: the paths, the
configurations, and load = false for modules of the file or the bundled set that do not run. It shows the difference as
diff -u does, with the table in which each change begins, and writes it. All else in the file stays, comments too. On a
terminal it asks first.

The file is replaced as a whole: it is the old or the new one, whatever happens. Its mode, owner and links stay; access
control lists and extended attributes do not. If somebody changes the file meanwhile, save leaves it as it is.

Examples:
  backplane save --dry-run
  backplane load ./echo.so --config '{"prefix": "> "}' && backplane save

Exit codes: 0 written, or nothing to write; 1 it cannot be written, and the old file is as it was; 2 usage, or a file
or a configuration that cannot be changed in place; 3 no host answers; 4 no answer within --timeout.)",
    {
        {"--config", "FILE", "the configuration file; default: the one that the host runs with", &Args::config},
        {"--dry-run", "", "show the difference, and write nothing", &Args::dry_run},
        {"--yes", "", "do not ask, also on a terminal", &Args::yes},
        look_timeout_option,
        socket_option,
        json_option,
    },
    run_save,
};

}  // namespace backplane::host::cli
