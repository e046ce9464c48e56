// SPDX-License-Identifier: Apache-2.0
//
// Makes the RunPlan: merges options, environment and configuration file, reads the manifest of each module, and
// compares its configuration with its CDDL.
#include "cli/run_plan.hpp"

#include <unistd.h>

#include <algorithm>
#include <backplane/cbor/reader.hpp>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "cli/client.hpp"
#include "cli/config_file.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/limits_check.hpp"
#include "cli/log_options.hpp"
#include "cli/module_config_check.hpp"
#include "cli/named.hpp"
#include "cli/output.hpp"
#include "support/directory.hpp"
#include "support/result.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host::cli {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> environment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == 0) return std::nullopt;
  return value;
}

/// A value, and where it comes from.
struct Choice {
  std::string value;
  std::string source;  // empty: the default
};

// The first that is set: the option, the environment, the file.
std::optional<Choice> choose(const std::optional<std::string>& option, const char* option_name, const char* variable,
                             const std::optional<Placed>& file) {
  if (option) return Choice{*option, option_name};
  if (auto given = environment(variable)) return Choice{std::move(*given), cat("$", variable)};
  if (file) return Choice{file->value, file->where};
  return std::nullopt;
}

Choice choose_log_level(const Args& args, const ConfigFile& file) {
  return choose(args.log_level, "--log-level", "BACKPLANE_LOG_LEVEL", file.log_level).value_or(Choice{"info", {}});
}

Choice choose_log_format(const Args& args, const ConfigFile& file) {
  return choose(args.log_format, "--log-format", "BACKPLANE_LOG_FORMAT", file.log_format).value_or(Choice{"human", {}});
}

// For errors: an option or a variable, or the place and the key.
std::string where(const Choice& choice, const char* key) {
  const bool in_file = !choice.source.starts_with('-') && !choice.source.starts_with('$');
  return in_file ? cat(choice.source, ": ", key) : choice.source;
}

Choice choose_data_dir(const Args& args, const ConfigFile& file) {
  if (auto chosen = choose(args.data_dir, "--data-dir", "BACKPLANE_DATA_DIR", file.data_dir)) {
    return {absolute_path(chosen->value), std::move(chosen->source)};
  }
  if (const auto given = environment("XDG_DATA_HOME")) return {*given + "/backplane", "$XDG_DATA_HOME"};
  if (const auto given = environment("HOME")) return {*given + "/.local/share/backplane", "$HOME"};
  throw usage("found no data directory: neither --data-dir nor $HOME is set", "give one with --data-dir DIR");
}

// Empty: the library's default, which follows the environment.
Choice choose_module_cache(const Args& args, const ConfigFile& file) {
  auto chosen = choose(args.module_cache, "--module-cache", "BACKPLANE_MODULE_CACHE", file.module_cache);
  if (!chosen) return {};
  return {absolute_path(chosen->value), std::move(chosen->source)};
}

Choice choose_socket(const Args& args, const ConfigFile& file) {
  return choose(args.socket, "--socket", "BACKPLANE_SOCKET", file.socket).value_or(Choice{default_socket_path(), {}});
}

// The folder of the bundled modules, in a build tree or in an installation.
std::vector<Placed> bundled_dirs() {
  std::error_code error;
  const fs::path bin = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* relative : {"../plugins", BP_MODULES_FROM_BIN}) {
    const fs::path dir = (bin / relative).lexically_normal();
    if (fs::is_directory(dir, error)) return {{dir.string(), {}}};
  }
  return {};
}

// `where` as the beginning of an error message. Empty if the fault is not in the configuration file.
std::string at(const std::string& where) { return where.empty() ? where : where + ": "; }

std::vector<std::string> modules_in(const Placed& place, std::vector<std::string>& warnings) {
  const std::string& dir = place.value;
  std::error_code error;
  std::vector<std::string> files;
  for (const std::string& name : names_in(dir, error)) {
    const fs::path path = fs::path(dir) / name;
    std::error_code ignored;
    if (path.extension() == ".so" && fs::is_regular_file(path, ignored)) files.push_back(path.string());
  }
  if (error) throw usage(cat(at(place.where), "cannot read the module directory \"", dir, "\": ", error.message()));
  if (files.empty())
    warnings.push_back(cat(at(place.where), "the module directory \"", dir, "\" has no modules (*.so files)"));
  std::sort(files.begin(), files.end());
  return files;
}

/// What the manifest of a file says.
struct Inspected {
  std::string name;
  std::string cddl;
  std::string sha256;
};

Inspected inspect(const std::string& path, const std::string& where) {
  Result result;
  const bp_status status = bp_module_inspect(path.c_str(), result.out());
  if (status != BP_OK) throw CommandFailure{exit_refused, status, cat(at(where), result.message(status))};
  const Value report = Value::read(result.payload());
  if (const auto problem = report["problem"].text(); !problem.empty()) {
    throw CommandFailure{exit_refused, BP_LOAD_REFUSED, cat(at(where), path, ": ", problem)};
  }
  const cbor::View cddl = report["cddl"].bytes();
  return {report["name"].text(), cddl.empty() ? std::string() : std::string(cbor::Reader(cddl).next().text()),
          report["sha256"].text()};
}

class Planner {
 public:
  Planner(const Args& args, const ConfigFile& file, RunPlan& plan)
      : args_(args), file_(file), warnings_(plan.warnings), unchecked_(plan.unchecked) {}

  // A file that is named directly takes precedence over a file of the same module in a directory.
  std::vector<PlannedModule> run() {
    for (const std::string& path : args_.modules) add(absolute_path(path), "--module");
    for (const ModuleSection& section : file_.modules) {
      if (section.path && section.load && !has(section.name)) add_section(section);
    }
    std::set<std::string> direct;  // modules whose file is named
    for (const PlannedModule& module : modules_) direct.insert(module.name);
    for (const Placed& dir : dirs()) {
      for (const std::string& path : modules_in(dir, warnings_)) add_found(path, dir, direct);
    }
    for (const ModuleSection& section : file_.modules) {
      if (section.load && !has(section.name)) {
        throw usage(cat(section.where, ": found no file for the module \"", section.name, "\""),
                    "set its path, put the file into one of the module directories, or set load = false");
      }
    }
    return std::move(modules_);
  }

 private:
  std::vector<Placed> dirs() {
    std::vector<Placed> out;
    for (const std::string& dir : args_.module_dirs) out.push_back({absolute_path(dir), {}});
    dirs_source_ = out.empty() ? "bundled" : "--module-dir";
    if (!out.empty()) return out;
    if (file_.module_dirs) return *file_.module_dirs;
    const bool paths =
        std::any_of(file_.modules.begin(), file_.modules.end(), [](const auto& m) { return m.path.has_value(); });
    return args_.modules.empty() && !paths ? bundled_dirs() : std::vector<Placed>();
  }

  bool has(const std::string& name) const { return named(modules_, name) != nullptr; }

  void add(const std::string& path, const char* source) { add(inspect(path, {}), path, source); }

  void add(const Inspected& file, const std::string& path, const std::string& source) {
    const std::string& name = file.name;
    for (const PlannedModule& other : modules_) {
      if (other.name == name) {
        throw CommandFailure{exit_refused, BP_NAME_TAKEN,
                             cat("\"", path, "\" and \"", other.path, "\" are both the module \"", name,
                                 "\"; expected one file per module: leave one out")};
      }
    }
    const ModuleSection* const section = named(file_.modules, name);
    check_module_config(name, path, file.cddl, section, unchecked_);
    modules_.push_back({name, path, section != nullptr ? section->config : cbor::Bytes(), source, file.sha256,
                        section != nullptr ? section->settings : ModuleSettings(),
                        section != nullptr && section->strict});
    if (section != nullptr) warn_of_workers(*section);
  }

  // More than the host has.
  void warn_of_workers(const ModuleSection& section) {
    constexpr std::uint64_t usual = 4;
    const std::uint64_t all = file_.workers.value_or(usual);
    if (section.settings.workers <= all) return;
    warnings_.push_back(cat(section.workers_where, ": modules.", section.name, ".workers: found ",
                            std::to_string(section.settings.workers), ", expected at most workers, which is ",
                            std::to_string(all), file_.workers ? "" : " by default", "; the smaller one holds"));
  }

  void add_section(const ModuleSection& section) {
    const Inspected file = inspect(section.path->value, section.path->where);
    const std::string& name = file.name;
    if (name != section.name) {
      throw usage(cat(section.path->where, ": \"", section.path->value, "\" is the module \"", name, "\", expected \"",
                      section.name, "\"; rename the table to [modules.", name, "], or correct the path"));
    }
    add(file, section.path->value, section.path->where);
  }

  void add_found(const std::string& path, const Placed& dir, const std::set<std::string>& direct) {
    const Inspected file = inspect(path, dir.where);
    const std::string& name = file.name;
    const ModuleSection* const section = named(file_.modules, name);
    if (direct.count(name) != 0 || (section != nullptr && !section->load)) return;
    add(file, path, dir.where.empty() ? dirs_source_ : dir.where);
  }

  const Args& args_;
  const ConfigFile& file_;
  std::vector<std::string>& warnings_;
  std::vector<std::string>& unchecked_;
  std::vector<PlannedModule> modules_;
  std::string dirs_source_;  // of directories that are not in the file
};

std::vector<std::string> allowed_dirs(const ConfigFile& file) {
  std::vector<std::string> out;
  for (const Placed& dir : file.allowed_dirs) {
    std::error_code error;
    if (!fs::is_directory(dir.value, error)) {
      throw usage(cat(dir.where, ": allowed_dirs: found \"", dir.value, "\", which is not a directory",
                      error ? cat(" (", error.message(), ")") : "", "; expected an existing directory"));
    }
    out.push_back(dir.value);
  }
  return out;
}

// The sockets beside the first one. All paths must differ, and fit a socket address.
std::vector<ListenOptions> further_sockets(const ConfigFile& file, const std::string& socket) {
  std::set<std::string> taken = {absolute_path(socket)};
  std::vector<ListenOptions> out;
  for (const ListenSection& section : file.listen) {
    try {
      check_socket_dir(section.options.path);
    } catch (const Failure& failure) {
      throw usage(cat(section.where, ": listen.path: ", failure.message));
    }
    if (!taken.insert(section.options.path).second) {
      throw usage(cat(section.where, ": listen.path: found \"", section.options.path,
                      "\", which another socket of this host has; expected another path"));
    }
    out.push_back(section.options);
  }
  return out;
}

}  // namespace

std::string bundled_dir() {
  const std::vector<Placed> all = bundled_dirs();
  return all.empty() ? std::string() : all.front().value;
}

std::string config_path(const Args& args) {
  return args.config ? *args.config : environment("BACKPLANE_CONFIG").value_or(std::string());
}

RunPlan make_plan(const Args& args) {
  ConfigFile file;
  if (args.config || environment("BACKPLANE_CONFIG")) file = read_config_file(config_path(args));
  RunPlan plan;
  check_limits(file, plan.warnings);
  const auto note_source = [&](const char* key, const Choice& choice) {
    if (!choice.source.empty()) plan.sources[key] = choice.source;
    return choice.value;
  };
  for (const auto& [key, limit] : file.limits) plan.sources[key] = limit.where;
  plan.socket = note_source("socket", choose_socket(args, file));
  plan.data_dir = note_source("data_dir", choose_data_dir(args, file));
  plan.module_cache = note_source("module_cache", choose_module_cache(args, file));
  const Choice level = choose_log_level(args, file);
  plan.log_level = log_level(note_source("log_level", level), where(level, "log_level"));
  const Choice format = choose_log_format(args, file);
  plan.log.struct_size = sizeof plan.log;
  plan.log.format =
      static_cast<std::uint32_t>(log_format(note_source("log_format", format), where(format, "log_format")));
  plan.log.queue_lines = file.log_queue_lines;
  plan.log.queue_bytes = file.log_queue_bytes;
  plan.workers = file.workers.value_or(0);
  plan.load_timeout_ms = file.load_timeout_ms;
  plan.trial_load = file.trial_load.value_or(true) && !args.no_trial;
  if (file.trial_load) plan.sources["trial_load"] = file.trial_load_where;
  if (args.no_trial) plan.sources["trial_load"] = "--no-trial";
  plan.memory_limit = file.memory_limit;
  plan.connection_memory = file.connection_memory;
  plan.context = file.context;
  plan.server = file.server;
  plan.server.listen = further_sockets(file, plan.socket);
  plan.limits = file.limits;
  plan.allowed_dirs = allowed_dirs(file);
  if (!file.on_event_overflow.empty()) plan.sources["on_event_overflow"] = file.on_event_overflow;
  if (!file.allowed_dirs.empty()) plan.sources["allowed_dirs"] = file.allowed_dirs.front().where;
  for (const ModuleSection& section : file.modules) {
    if (!section.load) plan.left_out.push_back(section.name);
  }
  plan.modules = Planner(args, file, plan).run();
  return plan;
}

}  // namespace backplane::host::cli
