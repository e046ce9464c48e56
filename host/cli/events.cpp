// SPDX-License-Identifier: Apache-2.0
//
// `backplane events`: listens to patterns and prints one line per event until it is stopped or the host ends.
#include <ctime>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/wait.hpp"

namespace backplane::host::cli {
namespace {

// The library emits this event when the connection breaks. It is the last event.
constexpr std::string_view disconnected = "backplane.disconnected";

// While this many events wait to be printed, the library keeps those that follow, and in the end loses some.
constexpr std::size_t inbox_limit = 16;

struct Event {
  std::chrono::system_clock::time_point when;
  std::string name;
  cbor::Bytes payload;
  bool is_gap = false;
};

// The "payload" member of a typed event, whose map is {"eventType", "payload"}; otherwise the whole payload.
cbor::View content(const bp_event& event) noexcept {
  const cbor::View whole = view(event.payload);
  if ((event.flags & BP_EVENT_TYPED) == 0) return whole;
  try {
    cbor::Reader reader(whole);
    const cbor::Item map = reader.next();
    if (map.type != cbor::Type::map || map.until_end) return whole;
    for (std::uint64_t i = 0; i < map.value; ++i) {
      const cbor::Item key = reader.next();
      const cbor::View value = reader.skip();
      if (key.type == cbor::Type::text && key.text() == "payload") return value;
    }
  } catch (const std::exception&) {
    // Not CBOR: show the whole.
  }
  return whole;
}

void push(void* inbox, const bp_event* event) {
  const cbor::View payload = content(*event);
  static_cast<Inbox<Event>*>(inbox)->push([&] {
    return Event{std::chrono::system_clock::now(),
                 std::string(view(event->name)),
                 {payload.begin(), payload.end()},
                 (event->flags & BP_EVENT_GAP) != 0};
  });
}

// A separate listener prints `disconnected` exactly once, even if several of the user's patterns match it.
void on_event(void* inbox, const bp_event* event) {
  if (view(event->name) != disconnected) push(inbox, event);
}

std::string clock_time(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count() % 1000;
  std::tm local = {};
  localtime_r(&seconds, &local);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%H:%M:%S", &local);
  std::snprintf(text + size, sizeof text - size, ".%03d", static_cast<int>(ms));
  return text;
}

class Following {
 public:
  explicit Following(const Args& args) : args_(args), client_(args) { listen(); }

  int run() {
    if (args_.count == 0) return exit_ok;
    for (;;) {
      switch (wait(signals_, inbox_.bell(), std::nullopt, true)) {
        case Wake::bell:
          if (print()) return exit_ok;
          break;
        default:
          print();
          return exit_ok;
      }
    }
  }

 private:
  void listen(std::string_view pattern, bp_event_fn callback) {
    bp_listener listener;
    bp_subscription subscription{};
    subscription.struct_size = sizeof subscription;
    subscription.flags = args_.lossless && callback == on_event ? std::uint32_t{BP_LISTEN_LOSSLESS} : 0;
    subscription.pattern = str(pattern);
    subscription.on_event = callback;
    subscription.user = &inbox_;
    const bp_status status = bp_subscribe(client_.context(), &subscription, &listener);
    if (status == BP_OVERLOADED) {
      throw CommandFailure{
          exit_code(status), status,
          cat("the host refuses the listener of ", pattern, "; see ", args_.lossless ? "lossless_listeners, " : "",
              "listeners_per_connection and listener_patterns in its configuration, and what was hit "
              "in backplane status")};
    }
    if (args_.lossless && status == BP_NOT_SUPPORTED) {
      throw CommandFailure{exit_code(status), status, "the host is too old for --lossless; leave it out"};
    }
    if (status == BP_INVALID_ARGUMENT) {
      throw usage(cat("\"", pattern,
                      "\" is not a pattern; expected an event name, or a prefix followed by *, for example kv.*"));
    }
    if (status != BP_OK) throw CommandFailure{exit_code(status), status, bp_status_text(status)};
  }

  void listen() {
    std::vector<std::string> patterns = args_.values;
    if (patterns.empty()) patterns.emplace_back("*");
    std::string all;
    for (const std::string& pattern : patterns) {
      listen(pattern, on_event);
      all += cat(all.empty() ? "" : ", ", pattern);
    }
    listen(disconnected, push);
    note(cat("listening to ", all, " on ", client_.socket()));
  }

  // Prints the waiting events. Returns true after --count events.
  bool print() {
    for (const Event& event : inbox_.take()) {
      if (event.name == disconnected) {
        throw CommandFailure{exit_unreachable, BP_UNREACHABLE,
                             cat("the host on ", client_.socket(), " has ended or closed the connection")};
      }
      const std::string payload = payload_json(event.payload, false).text;
      write_out(args_.json ? cat("{\"event\":", json_string(event.name), ",\"payload\":", payload, "}\n")
                           : cat(clock_time(event.when), "  ", printable(event.name), "  ", payload, "\n"));
      if (!event.is_gap && args_.count && ++printed_ == *args_.count) return true;
    }
    return false;
  }

  // Goes before the client: a callback that waits for room would hold up the client's end.
  struct CloseInbox {
    Inbox<Event>& inbox;
    ~CloseInbox() { inbox.close(); }
  };

  const Args& args_;
  Signals signals_;                  // blocks signals, so it must precede the client's threads, which inherit the mask
  Inbox<Event> inbox_{inbox_limit};  // must outlive the client: its threads write to the inbox
  Client client_;
  const CloseInbox close_inbox_{inbox_};
  std::uint64_t printed_ = 0;
};

int run_events(const Args& args) try { return Following(args).run(); } catch (const OutputInterrupted&) {
  return exit_ok;
}

}  // namespace

const Command events_command = {
    "events",
    "print the events of modules, one per line",
    R"(A pattern is an event name, or a prefix followed by *. Without a pattern, all events are shown. An event that
matches two of the patterns appears twice. With --json, each line is {"event": name, "payload": …}.

If the output is read more slowly than events come, some are lost. Then the line "backplane.gap" stands in their place:
"lost" says how many, "since_ms" when the first of them was emitted (Unix time in ms). It does not count for --count.

With --lossless, handlers that emit with emit_wait wait for this command, so that it loses none of their events. The
host's configuration must allow it (lossless_listeners). Other events may still be lost.

Ctrl-C ends the command.

Examples:
  backplane events
  backplane events kv.changed 'timer.*'
  backplane events kv.changed --count 1 --json
  backplane events order.paid --lossless

Exit codes: 0 ended by Ctrl-C, SIGTERM or --count, or stdout was closed; 1 the host refuses the listener; 2 usage; 3 no
host answers, or the host ended.)",
    {
        {"PATTERN", "", "the events to print; default *", &Args::values},
        {"--count", "N", "end after N events", &Args::count},
        {"--lossless", "", "lose no event of a handler that waits for its listeners", &Args::lossless},
        socket_option,
        json_option,
    },
    run_events,
};

}  // namespace backplane::host::cli
