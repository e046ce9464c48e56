// SPDX-License-Identifier: Apache-2.0
//
// `backplane provide`: a program answers host functions, one line of JSON for each call.
#include <backplane/providing.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/line_program.hpp"
#include "cli/output.hpp"
#include "cli/wait.hpp"
#include "json/base64.hpp"
#include "json/json.hpp"

namespace backplane::host::cli {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::string_view lost_event = "backplane.disconnected";
constexpr milliseconds first_wait{100};
constexpr milliseconds longest_wait{10'000};
/// A program that has run for so long has not failed to start.
constexpr milliseconds healthy_after{5'000};
/// How long a program may take to end after its stdin was closed, or its stdout has ended.
constexpr milliseconds grace{2'000};

/// What the threads of the library tell the command.
struct News {
  enum class Kind { ask, unask, disconnected };
  Kind kind;
  bp_token token = 0;
  std::string name = {};
  cbor::Bytes payload = {};
  std::uint64_t timeout_ms = 0;
};

/// An answer of the program.
struct Answer {
  std::optional<std::uint64_t> id;
  std::optional<cbor::Bytes> ok;
  std::optional<std::int64_t> status;
  std::string message;
  cbor::Bytes detail;
  std::string fault;  ///< why it is none; empty: it is one
};

cbor::Bytes copied(cbor::View bytes) { return {bytes.begin(), bytes.end()}; }

std::optional<std::int64_t> integer(cbor::View bytes) {
  const cbor::Item item = cbor::Reader(bytes).next();
  if ((item.type != cbor::Type::uint && item.type != cbor::Type::negint) || item.value > INT64_MAX) return std::nullopt;
  const auto value = static_cast<std::int64_t>(item.value);
  return item.type == cbor::Type::uint ? value : -1 - value;
}

std::optional<std::string> text(cbor::View bytes) {
  const cbor::Item item = cbor::Reader(bytes).next();
  if (item.type != cbor::Type::text || item.until_end) return std::nullopt;
  return std::string(item.text());
}

/// Takes one member. Returns false if it has the wrong type.
bool take(Answer& out, std::string_view key, cbor::View value) {
  if (key == "id") {
    const auto id = integer(value);
    if (id && *id >= 0) out.id = static_cast<std::uint64_t>(*id);
    return out.id.has_value();
  }
  if (key == "ok") {
    out.ok = copied(value);
  } else if (key == "raw") {
    const auto base64 = text(value);
    out.ok = base64 ? base64_decode(*base64) : std::nullopt;
    return out.ok.has_value();
  } else if (key == "status") {
    out.status = integer(value);
    return out.status.has_value();
  } else if (key == "message") {
    const auto message = text(value);
    out.message = message.value_or("");
    return message.has_value();
  } else if (key == "detail") {
    out.detail = copied(value);
  }
  return true;  // others are ignored
}

Answer answer_of(const std::string& line) {
  Answer out;
  try {
    const cbor::Bytes item = json_to_cbor(line);
    cbor::Reader reader(item);
    const cbor::Item map = reader.next();
    if (map.type != cbor::Type::map) {
      out.fault = "it is no object";
      return out;
    }
    for (std::uint64_t i = 0; i < map.value; ++i) {
      const std::string key(reader.next().text());
      if (!take(out, key, reader.skip())) out.fault = cat("its ", key, " has the wrong type");
    }
  } catch (const JsonError& error) {
    out.fault = error.what();
    return out;
  } catch (const cbor::Error&) {
    out.fault = "it is no object with text keys";
    return out;
  }
  if (!out.fault.empty()) return out;
  if (!out.id) {
    out.fault = "it has no id";
  } else if (out.ok.has_value() == out.status.has_value()) {
    out.fault = "expected either ok or status";
  } else if (out.status && (*out.status < INT32_MIN || *out.status > INT32_MAX || *out.status == BP_OK ||
                            *out.status == BP_STALE || *out.status == BP_PARTIAL)) {
    out.fault = "its status is no error";
  }
  return out;
}

class Providing {
 public:
  explicit Providing(const Args& args) : args_(args), program_(args.exec), client_(args) {
    begin_program();
    for (const std::string& name : args.functions) provide(name);
    bp_listener listener{};
    const bp_status status = bp_listen(client_.context(), str(lost_event), on_event, &inbox_, &listener);
    if (status != BP_OK) throw CommandFailure{exit_code(status), status, bp_status_text(status)};
    note(cat("providing ", joined(), " on ", client_.socket()));
  }
  Providing(const Providing&) = delete;
  Providing& operator=(const Providing&) = delete;
  /// Before the client: a callback that waits for room would hold up its end.
  ~Providing() { inbox_.close(); }

  int run() {
    while (!(ending_ && asked_.empty())) {
      if (!wait_and_work()) break;
    }
    program_.close_input();
    program_.end(grace);
    return exit_ok;
  }

 private:
  /// A call that the program is to answer.
  struct Asked {
    bp_token token;
    bool sent = false;  ///< the program has got a part of it
  };

  static void on_ask(void* inbox, bp_context, const bp_ask* ask) {
    static_cast<Inbox<News>*>(inbox)->push([ask] {
      return News{News::Kind::ask, ask->token, std::string(view(ask->name)), copied(view(ask->payload)),
                  ask->timeout_ms};
    });
  }
  static void on_unask(void* inbox, bp_context, bp_token token) {
    static_cast<Inbox<News>*>(inbox)->push([token] { return News{News::Kind::unask, token}; });
  }
  static void on_event(void* inbox, const bp_event*) {
    static_cast<Inbox<News>*>(inbox)->push([] { return News{News::Kind::disconnected}; });
  }

  void provide(const std::string& name) {
    bp_provided provided{};
    provided.struct_size = sizeof provided;
    provided.flags = BP_PROVIDE_NEW;
    provided.name = str(name);
    provided.on_ask = on_ask;
    provided.on_unask = on_unask;
    provided.user = &inbox_;
    const bp_status status = bp_function_provide(client_.context(), &provided);
    if (status == BP_OK) return;
    if (status == BP_INVALID_ARGUMENT) {
      throw usage(cat("--function: found \"", name, "\", expected the name of a host function, such as app.profile"));
    }
    const char* const why =
        status == BP_NAME_TAKEN   ? "it is provided already: by the host itself, or by another connection"
        : status == BP_OVERLOADED ? "a connection may provide no more (functions_per_connection of its configuration)"
        : status == BP_NOT_SUPPORTED ? "it is too old for that"
                                     : bp_status_text(status);
    throw CommandFailure{exit_code(status), status, cat("the host does not take \"", name, "\": ", why)};
  }

  std::string joined() const {
    std::string all;
    for (const std::string& name : args_.functions) all += cat(all.empty() ? "" : ", ", name);
    return all;
  }

  /// Waits for one thing at least, and does what it asks for. Returns false at the end.
  bool wait_and_work() {
    const short wanted = program_.wants_room() ? POLLOUT : 0;
    pollfd waits[] = {{signals_.fd(), POLLIN, 0},
                      {inbox_.bell().fd(), POLLIN, 0},
                      {program_.output(), POLLIN, 0},
                      {wanted != 0 ? program_.input() : -1, wanted, 0}};
    if (::poll(waits, 4, timeout()) < 0 && errno != EINTR) return false;
    if (waits[0].revents != 0 && signals_.take() != 0 && !begin_end()) return false;
    if (ending_ && Clock::now() >= *ending_) return false;
    if (waits[1].revents != 0) take_news();
    if (waits[3].revents != 0) write();
    if (waits[2].revents != 0) read();
    if (!program_.runs() && Clock::now() >= starts_at_) begin_program();
    return true;
  }

  int timeout() const {
    std::optional<Clock::time_point> until = ending_;
    if (!program_.runs()) until = until ? std::min(*until, starts_at_) : starts_at_;
    if (!until) return -1;
    const auto left = std::chrono::ceil<milliseconds>(*until - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT32_MAX));
  }

  /// Takes no more calls. Returns false if there is nothing to wait for.
  bool begin_end() {
    if (ending_) return false;
    ending_ = Clock::now() + grace;
    for (const std::string& name : args_.functions) {
      bp_function_withdraw(client_.context(), str(name), &inbox_);
    }
    take_news();
    return !asked_.empty();
  }

  void take_news() {
    for (News& news : inbox_.take()) {
      switch (news.kind) {
        case News::Kind::ask:
          ask(news);
          break;
        case News::Kind::unask:
          if (const auto at = ids_.find(news.token); at != ids_.end()) {
            asked_.erase(at->second);
            ids_.erase(at);
          }
          break;
        case News::Kind::disconnected:
          throw CommandFailure{exit_unreachable, BP_UNREACHABLE,
                               cat("the host on ", client_.socket(), " has ended or closed the connection")};
      }
    }
    write();
  }

  void ask(const News& news) {
    const std::uint64_t id = ++last_id_;
    std::string line = cat("{\"id\":", std::to_string(id), ",\"name\":", json_string(news.name),
                           ",\"payload\":", payload_json(news.payload, false).text);
    if (news.timeout_ms != 0) line += cat(",\"timeout_ms\":", std::to_string(news.timeout_ms));
    asked_[id] = {news.token};
    ids_[news.token] = id;
    program_.add(line + "}\n");
    queued_.push_back(id);
  }

  void write() {
    for (std::size_t begun = program_.write(); begun != 0 && !queued_.empty(); --begun) {
      if (const auto at = asked_.find(queued_.front()); at != asked_.end()) at->second.sent = true;
      queued_.pop_front();
    }
  }

  void read() {
    std::vector<std::string> lines;
    const bool goes_on = program_.read(lines, json_limit);
    for (const std::string& line : lines) take_line(line);
    if (!goes_on) restart();
  }

  void take_line(const std::string& line) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) return;
    const Answer given = answer_of(line);
    if (!given.fault.empty()) note(cat("a line of the program is no answer: ", one_line(given.fault)));
    const auto at = given.id ? asked_.find(*given.id) : asked_.end();
    if (at == asked_.end()) return;  // nobody waits for it any more
    if (!given.fault.empty()) {
      return complete(at->first, BP_EXCEPTION, cat("the program's answer is wrong: ", given.fault), {});
    }
    if (given.ok) return complete(at->first, BP_OK, {}, *given.ok);
    complete(at->first, static_cast<bp_status>(*given.status), given.message, given.detail);
  }

  /// `bytes`: the payload with BP_OK, else the detail.
  void complete(std::uint64_t id, bp_status status, const std::string& message, const cbor::Bytes& bytes) {
    const auto at = asked_.find(id);
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    answer.status = status;
    answer.message = str(message);
    (status == BP_OK ? answer.payload : answer.detail) = host::bytes(bytes);
    bp_complete(client_.context(), at->second.token, &answer);
    ids_.erase(at->second.token);
    asked_.erase(at);
  }

  void begin_program() {
    program_.start();
    started_at_ = Clock::now();
    write();
  }

  /// The program has ended. What it has got is lost; what it has not, waits for the next one.
  void restart() {
    const std::string how = program_.end(grace);
    for (auto at = asked_.begin(); at != asked_.end();) {
      const auto [id, asked] = *at++;
      if (asked.sent) complete(id, BP_PROVIDER_LOST, cat("the program ", how, " before it answered"), {});
    }
    if (Clock::now() - started_at_ >= healthy_after) wait_ = first_wait;
    starts_at_ = Clock::now() + wait_;
    note(cat("the program ", how, "; it is started again in ", std::to_string(wait_.count()), " ms"));
    wait_ = std::min(2 * wait_, longest_wait);
  }

  const Args& args_;
  Signals signals_;  // blocks signals, so it must precede the client's threads, which inherit the mask
  Inbox<News> inbox_;
  LineProgram program_;
  Client client_;  // its threads write to the inbox
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Asked> asked_;
  std::map<bp_token, std::uint64_t> ids_;
  std::deque<std::uint64_t> queued_;  ///< those of which the program has got nothing yet, in order
  std::optional<Clock::time_point> ending_;
  Clock::time_point started_at_, starts_at_;
  milliseconds wait_ = first_wait;
};

int run_provide(const Args& args) { return Providing(args).run(); }

}  // namespace

const Command provide_command = {
    "provide",
    "answer host functions with a program",
    R"(Modules call host functions. For each call the program gets a line of JSON on its stdin:
  {"id": 1, "name": "app.profile", "payload": {"user": "ada"}, "timeout_ms": 2000}
It answers with a line on its stdout, in any order:
  {"id": 1, "ok": {"name": "Ada"}}
  {"id": 1, "status": 1004, "message": "no such user", "detail": {"user": "ada"}}

"timeout_ms" is there if the caller waits only so long. A payload that is no CBOR is {"$raw": "<base64>"}; the answer
{"id": 1, "raw": "<base64>"} gives such a payload. The program may answer several calls at once, and must flush its
stdout after each line. What it writes to stderr appears here. /bin/sh runs CMD.

If the program ends, the calls that it has got end with provider_lost. It is started again after 0.1 s, then after twice
as long each time, up to 10 s. Calls that come meanwhile wait for it.

Ctrl-C ends the command: no more calls are taken, and those that are open have 2 s. Then the program's stdin ends, and
after 2 s more it is killed, with what it has started.

Examples:
  backplane provide --function profile.fetch --exec 'python3 -u profiles.py'
  backplane provide --function app.now --function app.log --exec ./functions

Exit codes: 0 ended by Ctrl-C or SIGTERM; 1 the host does not take a name, or the program cannot be started; 2 usage;
3 no host answers, or the host ended.)",
    {
        {"--function", "NAME", "the host function to provide; may be repeated", &Args::functions, true},
        {"--exec", "CMD", "the program", &Args::exec, true},
        socket_option,
        json_option,
    },
    run_provide,
};

}  // namespace backplane::host::cli
