// SPDX-License-Identifier: Apache-2.0
//
// Reads the configuration file of `backplane run`. Only this unit includes toml++.
#include "cli/config_file.hpp"

#include <grp.h>

// toml++ asserts what a wrong file may violate, for example "[[.a]]". Then it reports the fault all the same.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

#include <algorithm>
#include <backplane/cbor/reader.hpp>
#include <filesystem>
#include <limits>
#include <sstream>

#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "cli/toml_depth.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cli {
namespace {

const char* type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a float";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

// TOML has no null and no bytes. Dates and times become text in the format of RFC 3339. Returns the first value that is
// nested too deeply; null if there is none.
const toml::node* encode(cbor::Bytes& out, const toml::node& node, std::size_t depth = 0) {
  if (depth > cbor::max_depth) return &node;
  cbor::Writer writer(out);
  const toml::node* too_deep = nullptr;
  node.visit([&](const auto& v) {
    using Node = std::remove_cvref_t<decltype(v)>;
    if constexpr (toml::is_table<Node>) {
      writer.map(v.size());
      for (const auto& [key, value] : v) {
        writer.text(key.str());
        if (too_deep == nullptr) too_deep = encode(out, value, depth + 1);
      }
    } else if constexpr (toml::is_array<Node>) {
      writer.array(v.size());
      for (const auto& element : v) {
        if (too_deep == nullptr) too_deep = encode(out, element, depth + 1);
      }
    } else if constexpr (toml::is_string<Node>) {
      writer.text(v.get());
    } else if constexpr (toml::is_integer<Node>) {
      writer.integer(v.get());
    } else if constexpr (toml::is_floating_point<Node>) {
      writer.real(v.get());
    } else if constexpr (toml::is_boolean<Node>) {
      writer.boolean(v.get());
    } else {
      std::ostringstream text;
      text << v.get();
      writer.text(text.str());
    }
  });
  return too_deep;
}

// Three tables lead to the configuration of a module.
constexpr std::size_t most_levels = cbor::max_depth + 3;

std::string too_deep_text() {
  return cat("nested too deeply; expected at most ", std::to_string(cbor::max_depth), " levels in a configuration");
}

std::optional<gid_t> group_id(const std::string& name) {
  const struct group* const found = ::getgrnam(name.c_str());
  return found == nullptr ? std::nullopt : std::optional(found->gr_gid);
}

Roles role_of(std::string_view name) {
  return name == "call" ? role_call : name == "observe" ? role_observe : name == "manage" ? role_manage : Roles{0};
}

class ConfigReader {
 public:
  explicit ConfigReader(const std::string& path) : file_(path), folder_(std::filesystem::path(path).parent_path()) {}

  ConfigFile run(const std::string& text) {
    const toml::table root = parse(text);
    ConfigFile out;
    known(root, "",
          {"socket",
           "data_dir",
           "module_cache",
           "log_level",
           "log_format",
           "log_queue_lines",
           "log_queue_bytes",
           "workers",
           "load_timeout_ms",
           "trial_load",
           "memory_limit",
           "connection_memory",
           "fiber_stack_size",
           "fiber_limit",
           "call_depth",
           "suspended_limit",
           "suspended_per_name",
           "calls_per_name",
           "context_memory",
           "on_event_overflow",
           "event_log_events",
           "event_log_bytes",
           "event_queue_depth",
           "event_output_bytes",
           "window_bytes",
           "window_parts",
           "request_window_bytes",
           "request_window_parts",
           "part_output_bytes",
           "stalled_client_ms",
           "output_bytes",
           "answer_output_bytes",
           "frame_bytes",
           "listener_patterns",
           "listeners_per_connection",
           "lossless_listeners",
           "lossless_window_bytes",
           "functions_per_connection",
           "asks_per_connection",
           "max_connections",
           "management_connections",
           "management_idle_ms",
           "calls_per_connection",
           "calls_of_connections",
           "bytes_per_connection",
           "bytes_of_connections",
           "default_deadline_ms",
           "cpu_warning_ms",
           "queue_depth",
           "module_dirs",
           "allowed_dirs",
           "listen",
           "modules"});
    out.socket = path(root, "socket");
    out.data_dir = path(root, "data_dir");
    out.module_cache = path(root, "module_cache");
    out.log_level = placed(root, "log_level");
    out.log_format = placed(root, "log_format");
    limit(root, "log_queue_lines", 1, 1 << 24, out.log_queue_lines);
    limit(root, "log_queue_bytes", 65'536, 1 << 30, out.log_queue_bytes);
    if (const auto n = integer(root, "workers", workers_least, workers_most, "an integer from 1 to 256")) {
      out.workers = static_cast<std::uint32_t>(*n);
    }
    limit(root, "load_timeout_ms", 100, 3'600'000, out.load_timeout_ms);
    if (const toml::node* node = root.get("trial_load")) {
      if (!node->is_boolean()) wrong(*node, "trial_load", "true or false");
      out.trial_load = node->as_boolean()->get();
      out.trial_load_where = place(node->source());
    }
    read_memory(root, out);
    read_fibers(root, out.context);
    read_run_limits(root, out.context);
    read_events(root, out);
    read_limits(root, out.context, out.server);
    for (const auto& [key, node] : root) {
      if (!node.is_integer()) continue;
      out.limits[std::string(key.str())] = {static_cast<std::uint64_t>(node.as_integer()->get()), place(node.source())};
    }
    if (const toml::node* node = root.get("module_dirs")) out.module_dirs = paths(*node, "module_dirs");
    if (const toml::node* node = root.get("allowed_dirs")) out.allowed_dirs = paths(*node, "allowed_dirs");
    if (const toml::node* node = root.get("listen")) {
      if (!node->is_array()) wrong(*node, "listen", "tables [[listen]]");
      for (const auto& section : *node->as_array()) out.listen.push_back(listen(section));
    }
    if (const toml::node* node = root.get("modules")) {
      for (const auto& [name, section] : table(*node, "modules")) {
        out.modules.push_back(module(std::string(name.str()), section));
      }
    }
    return out;
  }

 private:
  static constexpr std::int64_t workers_least = 1, workers_most = 256;
  static constexpr std::int64_t most_bytes = std::int64_t{1} << 40;
  static constexpr std::int64_t stack_least = 16'384, stack_most = 1 << 30;

  void read_memory(const toml::table& root, ConfigFile& out) const {
    constexpr std::int64_t limit_least = 64 << 20, connection_least = 1 << 20;
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    if (const auto n = integer(root, "memory_limit", limit_least, most, "bytes, an integer from 67108864")) {
      out.memory_limit = static_cast<std::uint64_t>(*n);
    }
    if (const auto n = integer(root, "connection_memory", connection_least, most, "bytes, an integer from 1048576")) {
      out.connection_memory = static_cast<std::uint64_t>(*n);
    }
  }

  void read_events(const toml::table& root, ConfigFile& out) const {
    if (const toml::node* node = root.get("on_event_overflow")) {
      constexpr const char* policies = "\"gap\" or \"refuse\"";
      if (!node->is_string()) wrong(*node, "on_event_overflow", policies);
      const std::string policy = node->as_string()->get();
      if (policy != "gap" && policy != "refuse") wrong(*node, "on_event_overflow", policies, cat("\"", policy, "\""));
      out.on_event_overflow = place(node->source());
      out.context.on_event_overflow = policy == "refuse" ? BP_OVERFLOW_REFUSE : BP_OVERFLOW_GAP;
    }
    limit(root, "event_log_events", 16, 1 << 24, out.context.event_log_events);
    limit(root, "event_log_bytes", 65'536, 1 << 30, out.context.event_log_bytes);
    limit(root, "event_queue_depth", 1, 1 << 24, out.context.event_queue_depth);
    limit(root, "event_output_bytes", 65'536, 1 << 30, out.server.max_event_output);
  }

  void read_limits(const toml::table& root, bp_context_options& context, ServerOptions& server) const {
    limit(root, "queue_depth", 1, 1 << 23, context.queue_depth);
    limit(root, "window_bytes", 4'096, 1 << 30, context.window_bytes);
    limit(root, "window_parts", 1, 1 << 20, context.window_parts);
    if (limit(root, "request_window_bytes", 4'096, 1 << 30, context.request_window_bytes)) {
      server.request_window_bytes = context.request_window_bytes;
    }
    if (limit(root, "request_window_parts", 1, 1 << 20, context.request_window_parts)) {
      server.request_window_parts = context.request_window_parts;
    }
    limit(root, "listener_patterns", 1, 1 << 20, context.listener_patterns);
    limit(root, "cpu_warning_ms", -1, 86'400'000, context.cpu_warning_ms);
    limit(root, "part_output_bytes", 4'096, 1 << 30, server.max_part_output);
    limit(root, "output_bytes", 65'536, 1 << 30, server.max_output);
    limit(root, "answer_output_bytes", 65'536, most_bytes, server.max_answer_output);
    limit(root, "frame_bytes", 4'096, 1 << 30, server.max_frame);
    limit(root, "listeners_per_connection", 1, 1 << 20, server.max_listeners);
    limit(root, "lossless_listeners", 0, 1 << 20, server.lossless_listeners);
    limit(root, "lossless_window_bytes", 1'024, 1 << 30, server.lossless_window);
    limit(root, "functions_per_connection", 0, 1 << 16, server.functions_per_connection);
    limit(root, "asks_per_connection", 1, 1 << 20, server.asks_per_connection);
    limit(root, "max_connections", 1, 1 << 20, server.max_connections);
    limit(root, "management_connections", 1, 1'024, server.management_connections);
    limit(root, "calls_per_connection", 1, 1 << 23, server.calls_per_connection);
    limit(root, "calls_of_connections", 1, 1 << 23, server.calls_of_connections);
    limit(root, "bytes_per_connection", 4'096, most_bytes, server.bytes_per_connection);
    limit(root, "bytes_of_connections", 4'096, most_bytes, server.bytes_of_connections);
    std::int64_t ms = 0;
    if (limit(root, "management_idle_ms", 100, 86'400'000, ms)) server.management_idle = std::chrono::milliseconds(ms);
    if (limit(root, "stalled_client_ms", 1, 86'400'000, ms)) {
      server.stalled_client = std::chrono::milliseconds(ms);
      context.stalled_listener_ms = static_cast<std::uint32_t>(ms);
    }
    if (limit(root, "default_deadline_ms", 0, 86'400'000, ms)) server.default_deadline = std::chrono::milliseconds(ms);
  }

  /// Reads an integer into `out`, if the file has it.
  template <class T>
  bool limit(const toml::table& root, const char* key, std::int64_t least, std::int64_t most, T& out) const {
    const std::string_view name = key;
    const char* const unit = name.ends_with("_bytes") ? "bytes, " : name.ends_with("_ms") ? "milliseconds, " : "";
    const std::string expected = cat(unit, "an integer from ", std::to_string(least), " to ", std::to_string(most));
    const auto n = integer(root, key, least, most, expected.c_str());
    if (n) out = static_cast<T>(*n);
    return n.has_value();
  }

  void read_fibers(const toml::table& root, bp_context_options& out) const {
    if (const auto n =
            integer(root, "fiber_stack_size", stack_least, stack_most, "bytes, an integer from 16384 to 1073741824")) {
      out.fiber_stack_size = static_cast<std::uint32_t>(*n);
    }
    constexpr const char* limits = "an integer from 1 to 2147483647, or -1 for no fibers";
    if (const auto n = integer(root, "fiber_limit", -1, std::numeric_limits<std::int32_t>::max(), limits)) {
      if (*n == 0) wrong(*root.get("fiber_limit"), "fiber_limit", limits, "0");
      out.fiber_limit = static_cast<std::int32_t>(*n);
    }
  }

  void read_run_limits(const toml::table& root, bp_context_options& out) const {
    limit(root, "call_depth", 1, 65'535, out.call_depth);
    limit(root, "suspended_limit", 1, 1 << 23, out.suspended_limit);
    limit(root, "suspended_per_name", 1, 1 << 23, out.suspended_per_name);
    limit(root, "calls_per_name", 1, 1 << 23, out.calls_per_name);
    limit(root, "context_memory", 1 << 20, most_bytes, out.context_memory);
  }

  toml::table parse(const std::string& text) const {
    if (const auto deep = find_too_deep(text, most_levels)) {
      throw usage(cat(file_, ":", std::to_string(deep->line), ":", std::to_string(deep->column), ": ",
                      deep->not_ascii
                          ? std::string("found a character that is not ASCII; outside of comments, expected such "
                                        "characters in strings and in quoted keys only")
                          : too_deep_text()));
    }
    try {
      return toml::parse(std::string_view(text), std::string_view(file_));
    } catch (const toml::parse_error& error) {
      throw usage(cat(place(error.source()), ": ", error.description()));
    }
  }

  ListenSection listen(const toml::node& node) const {
    const toml::table& section = table(node, "listen");
    known(section, "listen", {"path", "mode", "group", "may"});
    std::optional<Placed> given = path(section, "path");
    if (!given) wrong(node, "listen", "a path", "a table without one");
    ListenSection out = {.where = given->where, .options = {.path = std::move(given->value)}};
    constexpr const char* modes = "a mode such as 0o660, at most 0o777";
    if (const auto n = integer(section, "mode", 1, 0777, modes)) out.options.mode = static_cast<mode_t>(*n);
    if (const toml::node* group = section.get("group")) {
      const std::string name = string(*group, "listen.group");
      out.options.group = group_id(name);
      if (!out.options.group)
        wrong(*group, "listen.group", "the name of a group of this system", cat("\"", name, "\""));
    }
    const toml::node* const may = section.get("may");
    if (may != nullptr) out.options.may = roles(*may);
    return out;
  }

  Roles roles(const toml::node& node) const {
    constexpr const char* expected = "an array of \"call\", \"observe\" and \"manage\", not empty";
    Roles out = 0;
    if (!node.is_array()) wrong(node, "listen.may", expected);
    for (const auto& element : *node.as_array()) {
      const std::string name = string(element, "listen.may");
      const Roles role = role_of(name);
      if (role == 0) wrong(element, "listen.may", expected, cat("\"", name, "\""));
      out |= role;
    }
    if (out == 0) wrong(node, "listen.may", expected, "an empty array");
    return out;
  }

  ModuleSection module(const std::string& name, const toml::node& node) const {
    const std::string full = cat("modules.", name);
    const toml::table& section = table(node, full);
    known(section, full, {"path", "load", "config", "unload", "workers", "stack_size", "strict"});
    ModuleSection out = {.name = name, .where = place(node.source())};
    out.path = path(section, "path");
    if (const toml::node* load = section.get("load")) {
      if (!load->is_boolean()) wrong(*load, full + ".load", "true or false");
      out.load = load->as_boolean()->get();
    }
    if (const toml::node* strict = section.get("strict")) {
      if (!strict->is_boolean()) wrong(*strict, full + ".strict", "true or false");
      out.strict = strict->as_boolean()->get();
    }
    read_settings(section, full, out);
    if (const toml::node* config = section.get("config")) {
      const toml::node* const deep = encode(out.config, table(*config, full + ".config"));
      if (deep != nullptr) throw usage(cat(place(deep->source()), ": ", full, ".config: ", too_deep_text()));
      out.config_where = place(config->source());
      note_places(*config, {}, out.places);
    }
    return out;
  }

  void read_settings(const toml::table& section, const std::string& name, ModuleSection& out) const {
    if (const toml::node* unload = section.get("unload")) {
      constexpr const char* expected = "\"drain\" or \"never\"";
      const std::string how = string(*unload, name + ".unload");
      if (how != "drain" && how != "never") wrong(*unload, name + ".unload", expected, cat("\"", how, "\""));
      out.settings.unload_never = how == "never";
    }
    const auto number = [&](const char* key, std::uint64_t least, std::uint64_t most, const char* unit) {
      const std::string expected = cat(unit, "an integer from ", std::to_string(least), " to ", std::to_string(most));
      const std::string full = cat(name, ".", key);
      const toml::node* const node = section.get(key);
      if (node == nullptr) return std::uint64_t{0};
      if (!node->is_integer()) wrong(*node, full, expected.c_str());
      const std::int64_t given = node->as_integer()->get();
      const bool fits =
          given >= 0 && static_cast<std::uint64_t>(given) >= least && static_cast<std::uint64_t>(given) <= most;
      if (!fits) wrong(*node, full, expected.c_str(), std::to_string(given));
      return static_cast<std::uint64_t>(given);
    };
    out.settings.workers = number("workers", 1, most_workers, "");
    out.settings.stack_size = number("stack_size", least_stack, most_stack, "bytes, ");
    if (const toml::node* workers = section.get("workers")) out.workers_where = place(workers->source());
  }

  void note_places(const toml::node& node, const std::string& path,
                   std::map<std::string, std::string, std::less<>>& places) const {
    if (const toml::table* const members = node.as_table()) {
      for (const auto& [key, value] : *members) {
        const std::string full = cat(path, path.empty() ? "" : ".", key.str());
        places.emplace(full, place(key.source()));
        note_places(value, full, places);
      }
    } else if (const toml::array* const elements = node.as_array()) {
      for (std::size_t i = 0; i < elements->size(); ++i) {
        const std::string full = cat(path, "[", std::to_string(i), "]");
        places.emplace(full, place(elements->get(i)->source()));
        note_places(*elements->get(i), full, places);
      }
    }
  }

  std::string place(const toml::source_region& source) const {
    return cat(file_, ":", std::to_string(source.begin.line), ":", std::to_string(source.begin.column));
  }

  [[noreturn]] void wrong(const toml::node& node, const std::string& key, const char* expected) const {
    wrong(node, key, expected, type_name(node));
  }

  [[noreturn]] void wrong(const toml::node& node, const std::string& key, const char* expected,
                          const std::string& found) const {
    throw usage(cat(place(node.source()), ": ", key, ": found ", found, ", expected ", expected));
  }

  void known(const toml::table& section, const std::string& prefix, const std::vector<std::string>& keys) const {
    for (const auto& [key, node] : section) {
      const std::string given(key.str());
      if (std::find(keys.begin(), keys.end(), given) != keys.end()) continue;
      const std::string hint = did_you_mean(given, keys);
      throw usage(cat(place(key.source()), ": unknown key \"", given, "\"", prefix.empty() ? "" : " in ", prefix,
                      hint.empty() ? "" : "; ", hint, "; ", where_listed(keys)));
    }
  }

  // Few keys are told, and of many where they are.
  static std::string where_listed(const std::vector<std::string>& keys) {
    constexpr std::size_t few = 8;
    if (keys.size() > few) return "backplane run --help and docs/cli.md list the keys";
    std::string all = "expected one of: ";
    for (const std::string& name : keys) all += cat(&name == &keys.front() ? "" : ", ", name);
    return all;
  }

  const toml::table& table(const toml::node& node, const std::string& key) const {
    if (!node.is_table()) wrong(node, key, "a table");
    return *node.as_table();
  }

  std::string string(const toml::node& node, const std::string& key) const {
    if (!node.is_string() || node.as_string()->get().empty()) wrong(node, key, "a non-empty string");
    if (node.as_string()->get().find('\0') != std::string::npos) {
      wrong(node, key, "a string without zero bytes", "a string with a zero byte (\\u0000)");
    }
    return node.as_string()->get();
  }

  std::string resolved(const std::string& given) const { return absolute_path((folder_ / given).string()); }

  std::optional<Placed> path(const toml::table& section, const char* key) const {
    const toml::node* const node = section.get(key);
    if (node == nullptr) return std::nullopt;
    return Placed{resolved(string(*node, key)), place(node->source())};
  }

  std::optional<Placed> placed(const toml::table& section, const char* key) const {
    const toml::node* const node = section.get(key);
    if (node == nullptr) return std::nullopt;
    return Placed{string(*node, key), place(node->source())};
  }

  std::vector<Placed> paths(const toml::node& node, const char* key) const {
    if (!node.is_array()) wrong(node, key, "an array of strings");
    std::vector<Placed> out;
    for (const auto& element : *node.as_array()) {
      out.push_back({resolved(string(element, key)), place(element.source())});
    }
    return out;
  }

  std::optional<std::int64_t> integer(const toml::table& section, const char* key, std::int64_t least,
                                      std::int64_t most, const char* expected) const {
    const toml::node* const node = section.get(key);
    if (node == nullptr) return std::nullopt;
    if (!node->is_integer()) wrong(*node, key, expected);
    const std::int64_t given = node->as_integer()->get();
    if (given < least || given > most) wrong(*node, key, expected, std::to_string(given));
    return given;
  }

  const std::string file_;
  const std::filesystem::path folder_;
};

}  // namespace

ConfigFile read_config_file(const std::string& path) { return read_config_text(path, read_file(path, file_limit)); }

ConfigFile read_config_text(const std::string& path, const std::string& text) { return ConfigReader(path).run(text); }

}  // namespace backplane::host::cli
