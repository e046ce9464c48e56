// SPDX-License-Identifier: Apache-2.0
//
// `backplane run --print-config`: what is in force, as TOML.
#include "cli/print_config.hpp"

#include <grp.h>

#include <algorithm>
#include <backplane/cbor/escape.hpp>
#include <backplane/cbor/reader.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

#include "cli/output.hpp"
#include "support/log_level.hpp"

namespace backplane::host::cli {
namespace {

std::string toml_real(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  char digits[32];
  std::string out(digits, std::to_chars(digits, digits + sizeof digits, v).ptr);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

// The configuration of a module, which comes from TOML, as a value on one line.
std::string toml_value(cbor::Reader& in) {
  const cbor::Item item = in.next();
  switch (item.type) {
    case cbor::Type::uint:
      return std::to_string(item.value);
    case cbor::Type::negint:
      return std::to_string(-1 - static_cast<std::int64_t>(item.value));
    case cbor::Type::boolean:
      return item.value != 0 ? "true" : "false";
    case cbor::Type::real:
      return toml_real(item.real);
    case cbor::Type::array: {
      std::string out = "[";
      for (std::uint64_t i = 0; i < item.value; ++i) out += cat(i == 0 ? "" : ", ", toml_value(in));
      return out + "]";
    }
    case cbor::Type::map: {
      std::string out = "{";
      for (std::uint64_t i = 0; i < item.value; ++i) {
        const std::string key = toml_string(in.next().text());
        out += cat(i == 0 ? " " : ", ", key, " = ", toml_value(in));
      }
      return out + (item.value == 0 ? "}" : " }");
    }
    default:
      return toml_string(item.text());
  }
}

class Printer {
 public:
  explicit Printer(const RunPlan& plan) : plan_(plan) {}

  std::string run() {
    setting("socket", toml_string(plan_.socket));
    setting("data_dir", toml_string(plan_.data_dir));
    if (plan_.module_cache.empty()) {
      out_ += "# module_cache  # not set\n";
    } else {
      setting("module_cache", toml_string(plan_.module_cache));
    }
    setting("log_level", toml_string(log_level_name(plan_.log_level)));
    setting("log_format", plan_.log.format == BP_LOG_FORMAT_JSON ? "\"json\"" : "\"human\"");
    number("log_queue_lines", 8'192);
    number("log_queue_bytes", 1 << 20);
    number("workers", 4);
    number("load_timeout_ms", 10'000);
    setting("trial_load", plan_.trial_load ? "true" : "false");
    memory();
    calls();
    setting("on_event_overflow", plan_.context.on_event_overflow == BP_OVERFLOW_REFUSE ? "\"refuse\"" : "\"gap\"");
    number("event_log_events", 65'536);
    number("event_log_bytes", 8 << 20);
    number("event_queue_depth", 1'024);
    number("event_output_bytes", usual_.max_event_output);
    parts_and_connections();
    out_ += "module_dirs = []  # the modules stand below\n";
    directories();
    for (const ListenOptions& each : plan_.server.listen) listen(each);
    for (const PlannedModule& each : plan_.modules) module(each);
    for (const std::string& name : plan_.left_out) out_ += cat("\n[modules.", toml_string(name), "]\nload = false\n");
    return std::move(out_);
  }

  std::map<std::string, std::string> values() {
    run();
    return std::move(values_);
  }

 private:
  void setting(const char* key, const std::string& value) {
    values_[key] = value;
    const auto source = plan_.sources.find(key);
    if (source == plan_.sources.end()) {
      out_ += cat("# ", key, " = ", value, "  # default\n");
    } else {
      out_ += cat(key, " = ", value, "  # ", one_line(source->second), "\n");
    }
  }

  // An integer of the file, or the default; none: there is no number for it.
  void number(const char* key, std::optional<std::uint64_t> usual) {
    const auto given = plan_.limits.find(key);
    if (given != plan_.limits.end()) {
      setting(key, std::to_string(static_cast<std::int64_t>(given->second.value)));
    } else if (usual) {
      setting(key, std::to_string(static_cast<std::int64_t>(*usual)));
    } else {
      out_ += cat("# ", key, "  # not set\n");
    }
  }

  std::uint64_t effective(const char* key, std::uint64_t usual) const {
    const auto given = plan_.limits.find(key);
    return given == plan_.limits.end() ? usual : given->second.value;
  }

  void memory() {
    // Without the key, the host takes a share of the machine's memory when it starts.
    const std::uint64_t all = effective("memory_limit", UINT64_MAX);
    const bool is_set = all != UINT64_MAX;
    number("memory_limit", is_set ? std::optional(all) : std::nullopt);
    number("connection_memory", is_set ? std::optional(all / 4) : std::nullopt);
    number("context_memory", std::nullopt);
  }

  void calls() {
    const std::uint64_t suspended = effective("suspended_limit", 262'144);
    const std::uint64_t per_name = effective("suspended_per_name", std::max<std::uint64_t>(suspended / 2, 1));
    number("fiber_stack_size", 262'144);
    number("fiber_limit", 1'000'000);
    number("call_depth", 64);
    number("suspended_limit", suspended);
    number("suspended_per_name", per_name);
    number("calls_per_name", std::max<std::uint64_t>(262'144, per_name));
    number("queue_depth", 1 << 20);
    number("default_deadline_ms", 0);
    number("cpu_warning_ms", 500);
  }

  void parts_and_connections() {
    number("window_bytes", 1 << 20);
    number("window_parts", 1'024);
    number("request_window_bytes", 1 << 20);
    number("request_window_parts", 1'024);
    number("part_output_bytes", usual_.max_part_output);
    number("stalled_client_ms", static_cast<std::uint64_t>(usual_.stalled_client.count()));
    number("frame_bytes", usual_.max_frame);
    const std::uint64_t output = effective("output_bytes", usual_.max_output);
    number("output_bytes", output);
    number("answer_output_bytes", 16 * output);
    number("max_connections", usual_.max_connections);
    number("management_connections", usual_.management_connections);
    number("management_idle_ms", static_cast<std::uint64_t>(usual_.management_idle.count()));
    number("calls_per_connection", usual_.calls_per_connection);
    number("calls_of_connections", usual_.calls_of_connections);
    number("bytes_per_connection", usual_.bytes_per_connection);
    number("bytes_of_connections", usual_.bytes_of_connections);
    number("listeners_per_connection", usual_.max_listeners);
    number("listener_patterns", 65'536);
    number("lossless_listeners", usual_.lossless_listeners);
    number("lossless_window_bytes", usual_.lossless_window);
    number("functions_per_connection", usual_.functions_per_connection);
    number("asks_per_connection", usual_.asks_per_connection);
  }

  void directories() {
    std::string all;
    for (const std::string& directory : plan_.allowed_dirs) all += cat(all.empty() ? "" : ", ", toml_string(directory));
    if (!all.empty()) setting("allowed_dirs", cat("[", all, "]"));
  }

  // Sockets beside the first come from the file only.
  void listen(const ListenOptions& socket) {
    char mode[16];
    std::snprintf(mode, sizeof mode, "0o%o", static_cast<unsigned>(socket.mode));
    out_ += cat("\n[[listen]]\npath = ", toml_string(socket.path), "\nmode = ", mode, "\n");
    const struct group* const group = socket.group ? ::getgrgid(*socket.group) : nullptr;
    if (group != nullptr) out_ += cat("group = ", toml_string(group->gr_name), "\n");
    std::string roles;
    for (const auto& [role, name] :
         {std::pair(role_call, "call"), std::pair(role_observe, "observe"), std::pair(role_manage, "manage")}) {
      if ((socket.may & role) != 0) roles += cat(roles.empty() ? "\"" : ", \"", name, "\"");
    }
    out_ += cat("may = [", roles, "]\n");
    values_["listen"] +=
        cat(values_["listen"].empty() ? "" : ", ", toml_string(socket.path), " (", mode,
            group != nullptr ? cat(", group ", toml_string(group->gr_name)) : "", ", may [", roles, "])");
  }

  void module(const PlannedModule& module) {
    out_ += cat("\n[modules.", toml_string(module.name), "]\npath = ", toml_string(module.path), "  # ",
                one_line(module.source), "\n");
    for (const auto& [key, value] : module.settings.in_toml()) {
      if (!value.empty()) out_ += cat(key, " = ", value, "\n");
    }
    if (module.strict) out_ += "strict = true\n";
    if (module.config.empty()) return;
    cbor::Reader in(module.config);
    out_ += cat("config = ", toml_value(in), "\n");
  }

  const RunPlan& plan_;
  const ServerOptions usual_;
  std::string out_;
  std::map<std::string, std::string> values_;
};

}  // namespace

// What is not UTF-8 cannot be said in TOML.
std::string toml_string(std::string_view text) { return cat("\"", cbor::escaped(text, cbor::Escape::json), "\""); }

std::string toml_value(cbor::View value) {
  cbor::Reader in(value);
  return toml_value(in);
}

std::string config_text(const RunPlan& plan) { return Printer(plan).run(); }

std::map<std::string, std::string> settings_of(const RunPlan& plan) { return Printer(plan).values(); }

}  // namespace backplane::host::cli
