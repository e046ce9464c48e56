// SPDX-License-Identifier: Apache-2.0
#include "cli/status_text.hpp"

#include <algorithm>
#include <vector>

#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

std::string duration(std::uint64_t ms) {
  const std::uint64_t s = ms / 1000;
  if (s < 60) return cat(std::to_string(s), ".", std::to_string(ms % 1000 / 100), " s");
  if (s < 3600) return cat(std::to_string(s / 60), " min ", std::to_string(s % 60), " s");
  return cat(std::to_string(s / 3600), " h ", std::to_string(s / 60 % 60), " min");
}

std::string span(const Value& spans, const char* which) {
  if (spans["measured"].number() == 0) return "-";
  const std::uint64_t n = spans[which].number();
  const auto one_digit = [n](std::uint64_t unit) {
    return cat(std::to_string(n / unit), ".", std::to_string(n % unit * 10 / unit));
  };
  if (n < 1'000) return cat(std::to_string(n), " ns");
  if (n < 1'000'000) return cat(one_digit(1'000), " us");
  if (n < 1'000'000'000) return cat(one_digit(1'000'000), " ms");
  return cat(one_digit(1'000'000'000), " s");
}

// The statistics of each wire name. The names whose handlers took the most time come first.
std::string blame(const Value& report) {
  std::vector<const Value*> names;
  for (const Value& name : report["names"].items()) names.push_back(&name);
  std::stable_sort(names.begin(), names.end(), [](const Value* a, const Value* b) {
    return (*a)["run_ns"]["total"].number() > (*b)["run_ns"]["total"].number();
  });
  std::vector<std::vector<std::string>> rows = {{"NAME", "CALLS", "ERRORS", "IN FLIGHT", "REFUSED", "WAIT P50", "P99",
                                                 "MAX", ">1 MS", "RUN P50", "P99", "MAX", "TOTAL", "BYTES IN", "OUT",
                                                 "HELD"}};
  for (const Value* const each : names) {
    const Value& name = *each;
    rows.push_back({name["name"].text(), name["calls"].text(), name["errors"].text(), name["in_flight"].text(),
                    name["refused"].text(), span(name["wait_ns"], "p50"), span(name["wait_ns"], "p99"),
                    span(name["wait_ns"], "max"), name["waits_above_1ms"].text(), span(name["run_ns"], "p50"),
                    span(name["run_ns"], "p99"), span(name["run_ns"], "max"), span(name["run_ns"], "total"),
                    name["bytes_in"].text(), name["bytes_out"].text(), name["held"].text()});
  }
  return rows.size() == 1 ? std::string() : table(rows);
}

std::string size(const Value& bytes) {
  const std::uint64_t kib = bytes.number() / 1024;
  const auto one_digit = [kib](std::uint64_t unit) {
    return cat(std::to_string(kib / unit), ".", std::to_string(kib % unit * 10 / unit));
  };
  constexpr std::uint64_t mib = 1024, gib = 1024 * mib;
  if (kib < 10 * mib) return cat(std::to_string(kib), " KiB");
  return kib < gib ? cat(one_digit(mib), " MiB") : cat(one_digit(gib), " GiB");
}

std::string memory_line(const Value& memory) {
  std::string line = cat(size(memory["used"]), " of ", size(memory["limit"]), ", peak ", size(memory["peak"]));
  if (memory["refused"].number() != 0) line += cat(", ", memory["refused"].text(), " requests for memory refused");
  return cat(line, "; resident ", size(memory["rss"]));
}

// The stacks of handlers and fibers: their memory, and how much of a stack the deepest use has taken.
std::string stack_table(const Value& report) {
  std::vector<std::vector<std::string>> rows = {{"STACKS OF", "IN USE", "MAPPED", "RESIDENT", "DEEPEST USE", ""}};
  for (const Value& stacks : report["stacks"].items()) {
    const std::uint64_t whole = std::max<std::uint64_t>(stacks["size"].number(), 1);  // never divide by a reported 0
    const std::uint64_t percent = stacks["high_water"].number() * 100 / whole;
    rows.push_back({size(stacks["size"]), stacks["used"].text(), stacks["mapped"].text(), size(stacks["resident"]),
                    size(stacks["high_water"]), cat(std::to_string(percent), " %")});
  }
  return rows.size() == 1 ? std::string() : table(rows);
}

// Of a listener for which emitters wait: what is on its way to it, and who waits.
std::string lossless_text(const Value& listener) {
  if (listener["lossless"].text() != "yes") return {};
  std::string text = "lossless";
  if (listener["on_the_way"].number() != 0) text += cat(", ", size(listener["on_the_way"]), " on the way");
  if (listener["waiting"].number() != 0) text += cat(", ", listener["waiting"].text(), " emitters wait");
  return text;
}

// The listeners of events: those that are furthest behind or have lost most come first.
std::string listener_table(const Value& report) {
  constexpr std::size_t most = 20;
  struct Line {
    std::uint64_t trouble;
    std::vector<std::string> row;
  };
  std::vector<Line> lines;
  for (const Value& context : report["contexts"].items()) {
    for (const Value& each : context["events"]["listeners"].items()) {
      const std::string label = each["label"].text();
      lines.push_back({each["lost"].number() + each["behind"].number(),
                       {label.empty() ? "the application" : label, each["pattern"].text(), context["id"].text(),
                        each["delivered"].text(), each["behind"].text(), each["lost"].text(), lossless_text(each)}});
    }
  }
  if (lines.empty()) return {};
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) { return a.trouble > b.trouble; });
  std::vector<std::vector<std::string>> rows = {{"LISTENER", "PATTERN", "CONTEXT", "DELIVERED", "BEHIND", "LOST", ""}};
  for (std::size_t i = 0; i < std::min(lines.size(), most); ++i) rows.push_back(lines[i].row);
  std::string out = table(rows);
  if (lines.size() > most) out += cat("and ", std::to_string(lines.size() - most), " more; --json has them all\n");
  return out;
}

// A swallowed cancellation is a bug of a module. The host's log names the module.
std::string swallowed_lines(const Value& report) {
  std::string out;
  for (const Value& context : report["contexts"].items()) {
    const Value& count = context["fibers"]["swallowed"];
    if (count.number() == 0) continue;
    out += cat("context ", context["id"].text(), ": ", count.text(), count.number() == 1 ? " fiber" : " fibers",
               " swallowed the cancellation when destroyed, which is a bug of the module; the host's log names it\n");
  }
  return out;
}

std::uint64_t held_sources(const Value& report) {
  std::uint64_t held = 0;
  for (const Value& context : report["contexts"].items()) held += context["sources"]["held"].number();
  return held;
}

// What the connections of the host have open.
std::string connection_line(const Value& server, std::uint64_t held) {
  std::string limit;
  for (const Value& each : server["limits"].items()) {
    if (each["key"].text() == "max_connections") limit = each["limit"].text();
  }
  const Value& counts = server["connection_counts"];
  std::string line = cat(server["connections"].text(), " of ", limit);
  const auto add = [&](const char* before, const char* key, const char* after) {
    if (counts[key].number() != 0) line += cat(before, counts[key].text(), after);
  };
  add(", peak ", "peak", "");
  add(", ", "management", " for management");
  add(", ", "without_hello", " without a hello");
  add(", ", "refused", " refused");
  add(", ", "replaced", " replaced");
  add(", ", "no_descriptor", " found no descriptor");
  line += cat("; ", server["calls"].text(), " calls in flight with ", size(server["bytes"]));
  if (held != 0) line += cat("; ", std::to_string(held), " held, because output waits for them");
  return line;
}

// The limits of the server that were hit, and how often.
std::string limit_table(const Value& server) {
  std::vector<std::vector<std::string>> rows = {{"LIMIT HIT", "VALUE", "TIMES"}};
  for (const Value& each : server["limits"].items()) {
    if (each["hits"].number() != 0) rows.push_back({each["key"].text(), each["limit"].text(), each["hits"].text()});
  }
  return rows.size() == 1 ? std::string() : table(rows);
}

std::string part_lines(const Value& report) {
  std::string out;
  for (const Value& context : report["contexts"].items()) {
    const Value& parts = context["parts"];
    if (parts["sent"].number() + parts["received"].number() + parts["would_block"].number() == 0) continue;
    out += cat("context ", context["id"].text(), ": parts: ", parts["sent"].text(), " sent, ", parts["received"].text(),
               " received, ", parts["would_block"].text(), " found no room\n");
  }
  return out;
}

// Which of a context's bounds have refused calls.
std::string refusal_lines(const Value& report) {
  std::string out;
  for (const Value& context : report["contexts"].items()) {
    const std::string who = cat("context ", context["id"].text(), ": ");
    const Value& suspended = context["suspended"];
    if (suspended["refused"].number() != 0) {
      out += cat(who, suspended["refused"].text(), " calls refused because of suspended handlers: suspended_limit ",
                 suspended["limit"].text(), ", suspended_per_name ", suspended["limit_per_name"].text(), "\n");
    }
    const Value& names = context["calls_per_name"];
    if (names["refused"].number() != 0) {
      out += cat(who, names["refused"].text(),
                 " calls refused because of the calls in flight of their name: calls_per_name ", names["limit"].text(),
                 "\n");
    }
    const Value& events = context["events"];
    if (events["refused"].number() != 0)
      out += cat(who, events["refused"].text(), " events refused to their emitters\n");
    if (events["given_up"].number() != 0) {
      out += cat(who, events["given_up"].text(), " listeners are not lossless any more: stalled_client_ms\n");
    }
    const Value& memory = context["memory"];
    if (memory["refused"].number() != 0) {
      out += cat(who, memory["refused"].text(), " calls refused because of what calls in flight hold: context_memory ",
                 memory["limit"].text(), "\n");
    }
    const Value& depth = context["call_depth"];
    if (depth["refused"].number() != 0) {
      out += cat(who, depth["refused"].text(), " calls refused because of their depth: call_depth ",
                 depth["limit"].text(), "\n");
    }
    const Value& held = context["held_calls"];
    if (held["refused"].number() != 0) {
      out += cat(who, held["refused"].text(), " calls refused because too many wait for modules that are being ",
                 "replaced: queue_depth ", held["limit"].text(), "\n");
    }
    const Value& patterns = context["listener_patterns"];
    if (patterns["refused"].number() != 0) {
      out += cat(who, patterns["refused"].text(), " listeners refused because of their patterns: listener_patterns ",
                 patterns["limit"].text(), "\n");
    }
  }
  return out;
}

// Of each context, the call that has waited longest for its answer.
std::string oldest_call_lines(const Value& report) {
  std::string out;
  for (const Value& context : report["contexts"].items()) {
    const std::string oldest = oldest_call_text(context["oldest_call"]);
    if (!oldest.empty()) out += cat("context ", context["id"].text(), ": oldest call: ", oldest, "\n");
  }
  return out;
}

// Operations that go on. Those that have ended are in --json only.
std::string operation_table(const Value& report) {
  std::vector<std::vector<std::string>> rows = {{"OPERATION", "WHAT", "STATE", "SINCE", "ASKED BY"}};
  for (const Value& each : report["operations"].items()) {
    if (each["state"].text() == "ended") continue;
    const std::string& module = each["module"].text();
    const std::string& requester = each["requester"].text();
    rows.push_back({each["id"].text(),
                    cat(each["kind"].text(), " ", printable(module.empty() ? each["path"].text() : module)),
                    each["state"].text(), duration(each["for_ms"].number()),
                    requester.empty() ? "the host" : printable(requester)});
  }
  return rows.size() > 1 ? table(rows) : "";
}

// The modules that are being replaced, the old generation first.
std::string held_lines(const Value& report) {
  std::string out;
  for (const Value& each : report["held"].items()) {
    const bool one = each["calls"].number() == 1;
    out += cat(each["module"].text(), ": ", each["calls"].text(), one ? " call waits" : " calls wait",
               " for its next generation, held for ", duration(each["for_ms"].number()), "\n");
  }
  return out;
}

// What keeps a control thread: code of modules that the loader has called. `overdue`: for too long.
std::string module_call_lines(const Value& report, bool overdue) {
  std::string out;
  for (const Value& each : report["module_calls"].items()) {
    if (each["overdue"].truth() != overdue) continue;
    out += cat(overdue ? "NOT RESPONDING: " : "", printable(each["what"].text()),
               overdue ? " did not return in time, for " : ", for ", duration(each["for_ms"].number()),
               overdue && each["locks_loader"].truth()
                   ? "; it keeps the dynamic loader locked, so no module can be loaded, unloaded or reloaded"
                   : "",
               "\n");
  }
  return out;
}

std::string silent_line(const std::string& what, const Value& silent, const std::string& more) {
  const std::string& module = silent["module"].text();
  return cat("NOT RESPONDING: ", what, silent["in"].text().empty() ? "" : cat(", in the ", silent["in"].text()),
             module.empty() ? "" : cat(" of ", module, " (generation ", silent["generation"].text(), ")"),
             silent["name"].text().empty() ? "" : cat(", for ", printable(silent["name"].text())), ", for ",
             duration(silent["for_ms"].number()), more, "\n");
}

std::uint64_t queued_of(const Value& workers, const std::string& module) {
  for (const Value& each : workers["modules"].items()) {
    if (each["module"].text() == module) return each["queued"].number();
  }
  return workers["queued"].number();  // an older host
}

// The worker threads of each module: how long its calls wait for one.
std::string worker_table(const Value& workers) {
  std::vector<std::vector<std::string>> rows = {
      {"WORKERS OF", "RUNNING", "LIMIT", "QUEUED", "WAITED", "WAIT P50", "P99", "MAX"}};
  for (const Value& each : workers["modules"].items()) {
    rows.push_back({each["module"].text(), each["running"].text(), each["limit"].text(), each["queued"].text(),
                    each["waited"].text(), span(each["wait_ns"], "p50"), span(each["wait_ns"], "p99"),
                    span(each["wait_ns"], "max")});
  }
  return rows.size() == 1 ? std::string() : table(rows);
}

// Threads that make no progress.
std::string silent_lines(const Value& report) {
  std::string out;
  for (const Value& context : report["contexts"].items()) {
    for (const Value& each : context["not_responding"].items()) {
      out += silent_line(cat("the ", each["thread"].text(), " thread of context ", context["id"].text()), each, "");
    }
  }
  const Value& workers = report["workers"];
  for (const Value& each : workers["not_responding"].items()) {
    const std::string queued = std::to_string(queued_of(workers, each["module"].text()));
    out += silent_line(cat("the worker threads of ", each["module"].text()), each,
                       cat("; ", queued, queued == "1" ? " call waits" : " calls wait"));
  }
  return out;
}

// ": 3 of /usr/lib/backplane/plugins, 1 of /srv"
std::string module_places(const Value& report) {
  std::string out;
  for (const Value& each : report["module_places"].items()) {
    out += cat(out.empty() ? ": " : ", ", each["modules"].text(), " of ", each["path"].text());
  }
  return out;
}

}  // namespace

std::string oldest_call_text(const Value& oldest) {
  if (oldest["state"].text().empty()) return {};
  const std::string name = printable(oldest["name"].text());
  return cat(name.empty() ? "an unknown name" : name, ", of ", printable(oldest["client"].text()), ", ",
             oldest["state"].text(), ", for ", duration(oldest["for_ms"].number()));
}

std::string not_responding_text(const Value& report) {
  return cat(silent_lines(report), module_call_lines(report, true));
}

std::string status_text(const Value& report) {
  const Value& workers = report["workers"];
  const Value& server = report["server"];
  std::vector<std::vector<std::string>> head = {
      {"version", cat(report["version"].text(), " (ABI ", report["abi"].text(), ")")},
      {"pid", report["pid"].text()},
      {"uptime", duration(report["uptime_ms"].number())},
      {"modules", cat(report["modules"].text(), module_places(report))},
      {"workers",
       cat(workers["threads"].text(), workers["threads"].number() == 1 ? " thread, " : " threads, ",
           workers["running"].text(), " running, ", workers["queued"].text(), " queued",
           workers["refused"].number() == 0 ? ""
                                            : cat(", ", workers["refused"].text(), " refused: all of at most ",
                                                  workers["limit"].text(), " threads waited"))},
      {"memory", memory_line(report["memory"])},
  };
  if (!server["limits"].items().empty()) {
    head.push_back({"connections", connection_line(server, held_sources(report))});
  }
  const Value& library = report["library"];
  if (!library["path"].text().empty()) {  // an older host does not say it
    head.insert(
        head.begin() + 1,
        {"library", cat(library["path"].text(),
                        library["replaced"].truth() ? "; another file is there now: restart the host to use it" : "")});
  }
  const Value& lost = report["log"]["dropped"];
  if (lost.number() != 0) head.push_back({"log", cat("dropped ", lost.text(), ", because stderr took no lines")});
  const std::string silent = not_responding_text(report);
  std::string out = cat(silent, silent.empty() ? "" : "\n", table(head));
  std::vector<std::vector<std::string>> rows = {{"CONTEXT", "STATE", "QUEUED", "RUNNING", "ACCEPTED", "REPLIED",
                                                 "ERRORS", "REFUSED", "LISTENERS", "EVENTS", "TOKENS OPEN", "FIBERS",
                                                 "SUSPENDED"}};
  for (const Value& context : report["contexts"].items()) {
    rows.push_back({context["id"].text(), context["state"].text(), context["queued"].text(), context["running"].text(),
                    context["accepted"].text(), context["replied"].text(), context["errors"].text(),
                    context["refused"].text(), context["listeners"].text(), context["events"]["emitted"].text(),
                    context["tokens"]["open"].text(), context["fibers"]["alive"].text(),
                    cat(context["suspended"]["now"].text(), "/", context["suspended"]["limit"].text())});
  }
  if (rows.size() > 1)
    out = cat(out, "\n", table(rows), oldest_call_lines(report), swallowed_lines(report), refusal_lines(report),
              part_lines(report));
  const std::string operations = cat(operation_table(report), held_lines(report));
  const std::string calls = module_call_lines(report, false);
  if (!operations.empty() || !calls.empty()) out = cat(out, "\n", operations, calls);
  const std::string lines = worker_table(workers);
  if (!lines.empty()) out = cat(out, "\n", lines);
  const std::string limits = limit_table(server);
  if (!limits.empty()) out = cat(out, "\n", limits);
  const std::string listeners = listener_table(report);
  if (!listeners.empty()) out = cat(out, "\n", listeners);
  const std::string stacks = stack_table(report);
  if (!stacks.empty()) out = cat(out, "\n", stacks);
  const std::string names = blame(report);
  return names.empty() ? out : cat(out, "\n", names);
}

}  // namespace backplane::host::cli
