// SPDX-License-Identifier: Apache-2.0
//
// `backplane bindgen`: makes outlines of interfaces, and gives them to the program that writes bindings. That one is
// Python, so that its templates need no compiler.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "cddl/outline.hpp"
#include "cddl/parser.hpp"
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/generator_process.hpp"
#include "cli/input.hpp"
#include "cli/json/json.hpp"
#include "cli/output.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cli {
namespace {

using cddl::Outline;

constexpr std::size_t most_text = std::size_t{16} << 20;  // of a .cddl file
constexpr const char* cddl_end = ".cddl";

/// The outlines that are made, each with where it comes from.
class Sources {
 public:
  void add(Outline outline, std::string from) {
    const auto [found, fresh] = from_.emplace(outline.name, from);
    if (!fresh) {
      throw usage(cat("found the module \"", one_line(outline.name), "\" in ", found->second, " and in ", from,
                      ", expected each module once"),
                  "leave one of them out");
    }
    for (const std::string& warning : outline.warnings) note(cat(from, ": ", one_line(warning)));
    outlines_.push_back(std::move(outline));
  }
  bool has(const std::string& module) const { return from_.contains(module); }

  cbor::Bytes document() const {
    cbor::Bytes out;
    cbor::Writer writer(out);
    cddl::write_outlines(writer, BP_VERSION_STRING, outlines_);
    return out;
  }

 private:
  std::vector<Outline> outlines_;
  std::map<std::string, std::string> from_;
};

std::vector<std::string> texts(const Value& list) {
  std::vector<std::string> out;
  for (const Value& each : list.items()) out.push_back(each.raw());
  return out;
}

cddl::Schema parse_text(const std::string& text, const std::string& from) try {
  return cddl::parse(text);
} catch (const cddl::ParseError& fault) {
  throw CommandFailure{exit_refused, BP_LOAD_REFUSED, cat(from, " is not CDDL as Backplane reads it: ", fault.what())};
}

// The outline of what a manifest-report says, or an element of a module list.
Outline outline_of(const Value& report, const std::vector<std::string>& provides,
                   const std::vector<std::string>& offers, const std::vector<std::string>& emits,
                   const std::string& from) {
  const std::string name = report["name"].raw(), text = report["cddl"].raw();
  const auto calls = texts(report["calls"]), listens = texts(report["listens"]);
  const cddl::Schema schema = parse_text(text, from);
  Outline out = cddl::outline_of({name, text, provides, offers, emits, calls, listens}, schema);
  out.version = report["version"].raw();
  out.summary = report["summary"].raw();
  out.hash = report["interface_hash"].raw();
  return out;
}

void add_module_file(const std::string& path, Sources& to) {
  Result result;
  check(bp_module_inspect(path.c_str(), result.out()), result, load_exit_code);
  const Value report = Value::read(result.payload());
  to.add(outline_of(report, texts(report["provides"]), texts(report["offers"]), texts(report["emits"]), path), path);
}

void add_text_file(const std::string& path, const Args& args, Sources& to) {
  const std::string text = read_file(path, most_text);
  const cddl::Schema schema = parse_text(text, path);
  const cddl::TextNames names = cddl::names_of(schema, args.interface_name.value_or(""));
  if (names.module.empty()) {
    throw usage(cat(path, ": found no rule such as m.verb.request or m.name.event, which would say the module's name"),
                "give it with --name");
  }
  const cddl::Interface interface { names.module, text, names.provides, {}, names.emits, names.calls, names.listens };
  Outline out = cddl::outline_of(interface, schema);
  out.version = args.interface_version.value_or("");
  out.summary = args.interface_summary.value_or("");
  out.hash = cddl::interface_hash(interface, schema);
  to.add(std::move(out), path);
}

void add_running_module(const Value& report, Sources& to) {
  const std::string name = report["name"].text();
  if (!report["left_out"].items().empty()) {
    throw CommandFailure{exit_error,
                         BP_NOT_SUPPORTED,
                         cat("the host does not list the whole interface of \"", name, "\""),
                         {},
                         cat("name its file: ", report["path"].text())};
  }
  std::vector<std::string> provides;
  for (const Value& each : report["names"].items()) provides.push_back(each["name"].raw());
  const std::string from = cat("the module ", name, " of the host");
  to.add(outline_of(report, provides, texts(report["functions"]), texts(report["events"]), from), from);
}

// Those that --module names, or all that run.
void add_running_modules(const Args& args, Sources& to) {
  const auto answered = end_at_timeout(args);
  const Client client(args);
  Result result;
  check(bp_module_list(client.context(), result.out()), result, exit_code);
  *answered = true;
  const Value report = Value::read(result.payload());
  std::vector<std::string> known;
  std::vector<std::string> wanted = args.modules;
  for (const Value& module : report["modules"].items()) {
    const std::string name = module["name"].raw();
    if (module["state"].text() != "running") continue;
    known.push_back(name);
    const auto named = std::find(wanted.begin(), wanted.end(), name);
    if (!args.modules.empty() && named == wanted.end()) continue;
    if (named != wanted.end()) wanted.erase(named);
    add_running_module(module, to);
  }
  if (wanted.empty() && !known.empty()) return;
  if (wanted.empty())
    throw CommandFailure{exit_error, BP_NOT_LOADED, "the host has no module; load one, or name a file"};
  throw CommandFailure{exit_error,
                       BP_NOT_LOADED,
                       cat("no module \"", one_line(wanted[0]), "\" runs in the host"),
                       {},
                       did_you_mean(wanted[0], known)};
}

void check_arguments(const Args& args) {
  const bool json = args.language == "json";
  if (!json && !args.output) {
    throw usage("found no -o DIR, expected where to write",
                cat("backplane bindgen ", one_line(args.language), " … -o src/gen"));
  }
  if (json && (args.output || args.check_generated)) {
    throw usage(cat("found ", args.output ? "-o" : "--check", " with json, which is printed on stdout"),
                "backplane bindgen json … > outline.json");
  }
  const auto is_text = [](const std::string& source) { return source.ends_with(cddl_end); };
  const bool named = args.interface_name || args.interface_version || args.interface_summary;
  if (named && (args.values.size() != 1 || !is_text(args.values[0]))) {
    throw usage(
        "found --name, --module-version or --summary without a single .cddl file as the only SOURCE; "
        "other sources say these themselves");
  }
}

int run_bindgen(const Args& args) {
  check_arguments(args);
  Sources sources;
  for (const std::string& source : args.values) {
    if (source.ends_with(cddl_end)) {
      add_text_file(source, args, sources);
    } else {
      add_module_file(source, sources);
    }
  }
  if (args.values.empty() || !args.modules.empty() || args.socket) add_running_modules(args, sources);
  const cbor::Bytes document = sources.document();
  if (args.language == "json") {
    write_result(cat(cbor_to_json(document, JsonStyle::indented), "\n"));
    return exit_ok;
  }
  std::vector<std::string> arguments = {args.language, "-o", *args.output};
  if (args.check_generated) arguments.emplace_back("--check");
  return run_generator(arguments, cbor_to_json(document));
}

}  // namespace

const Command bindgen_command = {
    "bindgen",
    "write typed bindings for modules, in another language",
    R"(SOURCE is the file of a module, of which nothing runs, or a .cddl file with an interface. Without SOURCE, or with
--module or --socket, the modules of the running host are taken.

LANG is c, cpp, python, typescript or rust. json prints the outline that the others are made of. Bindings for all
languages need the package backplane-bindgen. Files that would not change are not written.

With --check, nothing is written: if the files in DIR are not as they would be written, the difference is shown, and
the exit code is 1. A step of a build thus finds bindings that are out of date.

Examples:
  backplane bindgen python build/plugins/kv.so build/plugins/timer.so -o src/bindings
  backplane bindgen rust -o src/gen                            all modules of the running host
  backplane bindgen typescript --module kv --module timer -o src/gen
  backplane bindgen cpp kv.cddl --module-version 1.2.0 -o gen
  backplane bindgen cpp build/plugins/kv.so -o gen --check     as a step of a build: 1 if it is out of date
  backplane bindgen json build/plugins/kv.so | jq '.modules[0].calls[].name'

Exit codes: 0 ok; 1 out of date, no such module, or a file cannot be written; 2 usage, or backplane-bindgen is not
installed; 3 no host answers; 4 no answer within --timeout; 5 a file is not a module, or has CDDL that cannot be read.)",
    {
        {"LANG", "", "c, cpp, python, typescript, rust or json", &Args::language, true},
        {"SOURCE", "", "a module's file, or a .cddl file", &Args::values},
        {"-o,--output", "DIR", "the directory for the bindings", &Args::output},
        {"--check", "", "write nothing; show what is out of date, with exit code 1", &Args::check_generated},
        {"--module", "MODULE", "take this module of the running host; may be repeated", &Args::modules},
        {"--name", "NAME", "of a .cddl file: the module; default the first word of most of its names",
         &Args::interface_name},
        {"--module-version", "TEXT", "of a .cddl file: the version of the module", &Args::interface_version},
        {"--summary", "TEXT", "of a .cddl file: what the module is for", &Args::interface_summary},
        look_timeout_option,
        socket_option,
        json_option,
    },
    run_bindgen,
};

}  // namespace backplane::host::cli
