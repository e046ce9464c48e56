// SPDX-License-Identifier: Apache-2.0
//
// Changes the tables of modules in the text of a configuration file, and leaves all else as it is.
#include "cli/saved_config.hpp"

#include <algorithm>
#include <backplane/cbor/reader.hpp>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "cli/failure.hpp"
#include "cli/named.hpp"
#include "cli/output.hpp"
#include "cli/plan_difference.hpp"
#include "cli/print_config.hpp"
#include "cli/toml_layout.hpp"

namespace backplane::host::cli {
namespace {

using Path = std::vector<std::string>;

// Whether TOML can say the value.
bool fits_toml(cbor::Reader& in) {
  const cbor::Item item = in.next();
  if (item.until_end) return false;
  switch (item.type) {
    case cbor::Type::uint:
    case cbor::Type::negint:
      return item.value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    case cbor::Type::boolean:
    case cbor::Type::real:
      return true;
    case cbor::Type::text:
      return cbor::valid_utf8(item.text());
    case cbor::Type::array:
      for (std::uint64_t i = 0; i < item.value; ++i) {
        if (!fits_toml(in)) return false;
      }
      return true;
    case cbor::Type::map:
      for (std::uint64_t i = 0; i < item.value; ++i) {
        if (in.peek().type != cbor::Type::text || !fits_toml(in) || !fits_toml(in)) return false;
      }
      return true;
    default:
      return false;
  }
}

// The members of a map, each encoded.
std::map<std::string, cbor::Bytes> members_of(cbor::View map) {
  std::map<std::string, cbor::Bytes> out;
  if (map.empty()) return out;
  cbor::Reader in(map);
  const cbor::Item head = in.next();
  for (std::uint64_t i = 0; head.type == cbor::Type::map && i < head.value; ++i) {
    std::string key(in.next().text());
    const cbor::View value = in.skip();
    out[std::move(key)] = {value.begin(), value.end()};
  }
  return out;
}

std::string toml_key(const std::string& key) {
  const bool bare = !key.empty() && key.find_first_not_of(
                                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-") == std::string::npos;
  return bare ? key : toml_string(key);
}

std::string toml_keys(Path::const_iterator begin, Path::const_iterator end) {
  std::string out;
  for (; begin != end; ++begin) out += cat(out.empty() ? "" : ".", toml_key(*begin));
  return out;
}

bool begins_with(const Path& path, const Path& prefix) {
  return path.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), path.begin());
}

class Editor {
 public:
  explicit Editor(const std::string& text) : text_(text), statements_(toml_layout(text)) {}

  /// Sets a value, or removes it and all below it.
  void set(const Path& path, const std::optional<std::string>& value) {
    const TomlStatement* const key = key_of(path);
    if (key != nullptr && value) {
      edits_.push_back({key->value, key->value_end, *value});
      return;
    }
    for (const TomlStatement& each : statements_) {
      if (begins_with(each.path, path)) edits_.push_back({each.begin, each.end, {}});
    }
    if (value) insert(path, *value);
  }

  bool has(const Path& path) const {
    return std::any_of(statements_.begin(), statements_.end(),
                       [&](const TomlStatement& each) { return begins_with(each.path, path); });
  }
  /// Whether a key has the whole as its value.
  bool is_value(const Path& path) const { return key_of(path) != nullptr; }

  void append(const std::string& table) {
    std::string& end = appended_;
    if (end.empty() && !text_.empty() && text_.back() != '\n') end += "\n";
    end += (text_.empty() && end.empty() ? "" : "\n") + table;
  }

  std::string run() {
    std::stable_sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
    std::string out;
    std::size_t at = 0;
    for (const Edit& each : edits_) {
      if (each.begin < at) {  // in what is removed
        out += each.text;
        continue;
      }
      out += text_.substr(at, each.begin - at);
      if (!each.text.empty() && each.begin == each.end && !out.empty() && out.back() != '\n') out += "\n";
      out += each.text;
      at = each.end;
    }
    return out + text_.substr(at) + appended_;
  }

 private:
  struct Edit {
    std::size_t begin, end;
    std::string text;
  };

  const TomlStatement* key_of(const Path& path) const {
    for (const TomlStatement& each : statements_) {
      if (!each.header && each.path == path) return &each;
    }
    return nullptr;
  }

  // A new key of the table `path` without its last part: below its header, else below a key of it, else with a header
  // before the first of its sub-tables.
  void insert(const Path& path, const std::string& value) {
    const Path table(path.begin(), path.end() - 1);
    const TomlStatement* key = nullptr;
    const TomlStatement* below = nullptr;
    for (const TomlStatement& each : statements_) {
      if (each.header && each.path == table) return add(each.end, cat(toml_key(path.back()), " = ", value, "\n"));
      if (!begins_with(each.path, table)) continue;
      if (!each.header && each.above < table.size()) key = &each;
      if (each.header && below == nullptr) below = &each;
    }
    if (key != nullptr) {
      const auto own = static_cast<std::ptrdiff_t>(key->above);
      return add(key->end, cat(toml_keys(path.begin() + own, path.end()), " = ", value, "\n"));
    }
    if (below == nullptr) return;
    add(below->begin,
        cat("[", toml_keys(table.begin(), table.end()), "]\n", toml_key(path.back()), " = ", value, "\n\n"));
  }

  void add(std::size_t at, std::string text) { edits_.push_back({at, at, std::move(text)}); }

  const std::string& text_;
  const std::vector<TomlStatement> statements_;
  std::vector<Edit> edits_;
  std::string appended_;
};

void edit_config(Editor& editor, const Path& place, cbor::View before, const cbor::Bytes& after) {
  if (editor.is_value(place) || !editor.has(place)) return editor.set(place, toml_value(after));
  const auto old = members_of(before);
  const auto next = members_of(after);
  if (next.empty()) return editor.set(place, std::nullopt);
  for (const auto& [key, value] : next) {
    const auto found = old.find(key);
    Path path = place;
    path.push_back(key);
    if (found == old.end() || !same_config(found->second, value)) editor.set(path, toml_value(value));
  }
  for (const auto& [key, value] : old) {
    Path path = place;
    path.push_back(key);
    if (next.find(key) == next.end()) editor.set(path, std::nullopt);
  }
}

void edit_settings(Editor& editor, const std::string& module, const ModuleSettings& before,
                   const ModuleSettings& after) {
  const auto old = before.in_toml();
  const auto next = after.in_toml();
  for (std::size_t i = 0; i < next.size(); ++i) {
    const auto& [key, value] = next[i];
    if (value == old[i].second) continue;
    editor.set({"modules", module, key}, value.empty() ? std::nullopt : std::optional(value));
  }
}

std::string new_table(const SavedModule& module) {
  std::string out = cat("[modules.", toml_key(module.name), "]\n");
  if (module.path) out += cat("path = ", toml_string(*module.path), "\n");
  if (module.load) out += cat("load = ", *module.load ? "true" : "false", "\n");
  for (const auto& [key, value] : module.settings.value_or(ModuleSettings()).in_toml()) {
    if (!value.empty()) out += cat(key, " = ", value, "\n");
  }
  if (module.config) out += cat("config = ", toml_value(*module.config), "\n");
  return out;
}

void check_values(const SavedModule& module) {
  const auto refuse = [&](const char* what) {
    throw usage(cat("the ", what, " of the module \"", module.name, "\" cannot be said in TOML"),
                "it has bytes, null, a tag, or text that is not UTF-8; load it with other values, or unload it first");
  };
  if (module.path && !cbor::valid_utf8(*module.path)) refuse("path");
  if (!module.config) return;
  cbor::Reader in(*module.config);
  if (!fits_toml(in)) refuse("configuration");
}

// Whether the text says what it should, and nothing else has changed.
bool is_right(const ConfigFile& before, const ConfigFile& after, const std::vector<SavedModule>& modules) {
  std::set<std::string> changed;
  for (const SavedModule& each : modules) {
    changed.insert(each.name);
    const ModuleSection* const now = named(after.modules, each.name);
    if (now == nullptr) return false;
    if (each.path && (!now->path || now->path->value != *each.path)) return false;
    if (each.load && now->load != *each.load) return false;
    if (each.config && !same_config(now->config, *each.config)) return false;
    if (each.settings && now->settings != *each.settings) return false;
  }
  for (const ModuleSection& each : before.modules) {
    if (changed.count(each.name) != 0) continue;
    const ModuleSection* const now = named(after.modules, each.name);
    if (now == nullptr || now->load != each.load || now->config != each.config || now->settings != each.settings) {
      return false;
    }
  }
  return after.limits.size() == before.limits.size() && after.listen.size() == before.listen.size();
}

}  // namespace

std::string saved_text(const std::string& path, const std::string& text, const ConfigFile& file,
                       const std::vector<SavedModule>& modules) {
  Editor editor(text);
  for (const SavedModule& each : modules) {
    check_values(each);
    const ModuleSection* const section = named(file.modules, each.name);
    if (section == nullptr) {
      editor.append(new_table(each));
      continue;
    }
    const auto place = [&](const char* key) { return Path{"modules", each.name, key}; };
    if (each.path) editor.set(place("path"), toml_string(*each.path));
    if (each.load) editor.set(place("load"), *each.load ? "true" : "false");
    if (each.settings) edit_settings(editor, each.name, section->settings, *each.settings);
    if (each.config) edit_config(editor, place("config"), section->config, *each.config);
  }
  std::string out = editor.run();
  bool right = false;
  try {
    right = is_right(file, read_config_text(path, out), modules);
  } catch (const CommandFailure&) {
    // It is told below.
  }
  if (right) return out;
  std::string names;
  for (const SavedModule& each : modules) names += cat(names.empty() ? "" : ", ", each.name);
  throw usage(cat(path, ": the tables of these modules cannot be changed in place: ", names),
              "write each as [modules.NAME], with one key in each line");
}

}  // namespace backplane::host::cli
