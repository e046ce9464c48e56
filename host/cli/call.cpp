// SPDX-License-Identifier: Apache-2.0
//
// `backplane call`: one call, its partial answers as they arrive, its deadline, and its cancellation with Ctrl-C.
#include <unistd.h>

#include <algorithm>
#include <backplane/cbor/head.hpp>
#include <utility>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "cli/part_feed.hpp"
#include "cli/wait.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cli {
namespace {

using std::chrono::milliseconds;

// A call without an answer this long after its deadline means that the host is stuck.
constexpr milliseconds grace{2000};
// Wait this long for the host to confirm a cancellation.
constexpr milliseconds cancel_grace{2000};

// The "status" of a Reply that is none: the parts of the request cannot be sent.
constexpr bp_status broken_parts = -1;

struct Reply {
  bp_status status;
  cbor::Bytes payload;
  std::string message;
  cbor::Bytes detail;

  bool terminal() const { return status != BP_STALE && status != BP_PARTIAL; }
};

bool is_wire_name(std::string_view name) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789_.";
  return !name.empty() && name.size() <= BP_WIRE_NAME_MAX && !(name[0] >= '0' && name[0] <= '9') &&
         name.find('.') != std::string_view::npos && name.find("..") == std::string_view::npos &&
         !name.starts_with('.') && !name.ends_with('.') && name.find_first_not_of(letters) == std::string_view::npos;
}

cbor::Bytes make_payload(const Args& args) {
  if (args.raw) {
    const std::string bytes = read_input(args.input, raw_limit);
    return {bytes.begin(), bytes.end()};
  }
  if (args.input.empty()) return {cbor::empty_map};  // no parameters: the empty map
  return read_payload(args.input);
}

class Call {
 public:
  Call(const Args& args, cbor::Bytes payload) : args_(args), payload_(std::move(payload)), client_(args, args.timeout) {
    if (args.parts) {
      parts_.emplace(*args.parts, args.raw, [this](std::string why) {
        inbox_.push([&] { return Reply{broken_parts, {}, std::move(why), {}}; });
      });
    }
  }

  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  /// If nobody reads the answer any more, the call is not waited for.
  ~Call() {
    if (request_.id != 0 && !ended_) bp_cancel(client_.context(), request_);
  }

  int run() {
    submit();
    for (;;) {
      switch (wait(signals_, inbox_.bell(), deadline_)) {
        case Wake::signal:
          interrupt();
          break;
        case Wake::bell:
          for (const Reply& reply : inbox_.take()) {
            if (reply.status == broken_parts) {
              drop_parts(reply.message);
            } else if (reply.terminal()) {
              return finish(reply);
            } else if (reply.status == BP_STALE) {
              if (!std::exchange(printed_, false))
                note(cat("still running after ", std::string(reply.payload.begin(), reply.payload.end()), " ms"));
            } else {
              print(reply);
              printed_ = true;
              // What is printed makes room for more, so a slow reader of stdout slows down the handler. An empty part
              // counts as one byte.
              bp_request_credit(client_.context(), request_, std::max<std::size_t>(reply.payload.size(), 1));
            }
          }
          break;
        default:
          give_up();
      }
    }
  }

 private:
  static void on_reply(void* call, const bp_answer* answer) {
    const auto copy = [](bp_bytes b) { return cbor::Bytes(view(b).begin(), view(b).end()); };
    static_cast<Call*>(call)->inbox_.push([&] {
      return Reply{answer->status, copy(answer->payload), std::string(view(answer->message)), copy(answer->detail)};
    });
  }
  static void on_credit(void* call, std::uint64_t) { static_cast<Call*>(call)->parts_->has_room(); }

  void submit() {
    const bp_submission submission = {
        .struct_size = sizeof submission,
        .flags = BP_SUBMIT_CREDIT | (parts_ ? std::uint32_t{BP_SUBMIT_PARTS} : 0),
        .name = str(args_.name),
        .payload = bytes(payload_),
        .timeout_ms = args_.timeout.value_or(0),
        .on_reply = on_reply,
        .user = this,
        .on_credit = on_credit,
    };
    const bp_status status = bp_submit(client_.context(), &submission, &request_);
    if (status == BP_INVALID_ARGUMENT) throw invalid();
    if (status != BP_OK) throw CommandFailure{exit_code(status), status, bp_status_text(status)};
    if (parts_) parts_->start(client_.context(), request_);
    if (submission.timeout_ms != 0) {
      deadline_ = std::chrono::steady_clock::now() + milliseconds(submission.timeout_ms) + grace;
    }
  }

  // bp_submit() refuses two things: a bad name, or a payload that is too large.
  CommandFailure invalid() const {
    if (is_wire_name(args_.name)) {
      return {
          exit_error, BP_INVALID_ARGUMENT,
          cat("the payload has ", std::to_string(payload_.size()),
              " bytes, which is more than the host accepts in one call (frame_bytes of its configuration); send less, "
              "or in parts")};
    }
    return {exit_error,
            BP_UNKNOWN_NAME,
            cat("\"", args_.name, "\" is not a wire name; expected module.verb with a-z, 0-9, _ and dots, at most ",
                std::to_string(BP_WIRE_NAME_MAX), " bytes"),
            {},
            hint(BP_UNKNOWN_NAME)};
  }

  // The call is of no use without its parts.
  void drop_parts(const std::string& why) {
    broken_ = why.empty() ? "the parts of the request cannot be read: out of memory" : why;
    bp_cancel(client_.context(), request_);
    deadline_ = std::chrono::steady_clock::now() + cancel_grace;
  }

  void interrupt() {
    signals_.take();
    note("canceling; press Ctrl-C again to end at once");
    signals_.leave_on_next(exit_interrupted);
    interrupted_ = true;
    bp_cancel(client_.context(), request_);
    deadline_ = std::chrono::steady_clock::now() + cancel_grace;
  }

  [[noreturn]] void give_up() {
    // The host may still answer, and on_reply() would write to the inbox: exit without running destructors.
    if (!broken_.empty()) {
      report(usage(broken_), args_.json);
      ::_exit(exit_usage);
    }
    if (interrupted_) {
      report({exit_interrupted, BP_CANCELED, "the call was canceled, but the host has not confirmed it"}, args_.json);
      ::_exit(exit_interrupted);
    }
    report({exit_timeout,
            BP_TIMEOUT,
            cat("the deadline of ", std::to_string(*args_.timeout), " ms has passed, and the host did not report it"),
            {},
            "the host's request thread may be stuck; see the host's log"},
           args_.json);
    ::_exit(exit_timeout);
  }

  int finish(const Reply& reply) {
    ended_ = true;
    if (!broken_.empty()) throw usage(broken_);
    if (reply.status == BP_OK) {
      print(reply);
      return exit_ok;
    }
    const bool canceled = interrupted_ && reply.status == BP_CANCELED;
    CommandFailure failure{canceled ? static_cast<int>(exit_interrupted) : exit_code(reply.status), reply.status,
                           reply.message.empty() ? bp_status_text(reply.status) : reply.message, reply.detail};
    if (reply.status == BP_UNKNOWN_NAME || reply.status == BP_MODULE_GONE) {
      failure.hint = hint(reply.status);
    }
    throw failure;
  }

  void print(const Reply& reply) {
    if (args_.raw) {
      write_out({reinterpret_cast<const char*>(reply.payload.data()), reply.payload.size()});
      return;
    }
    const bool indented = !args_.json && reply.status == BP_OK && stdout_is_terminal();
    const std::string why = write_payload(reply.payload, indented);
    if (!why.empty() && !args_.json) {
      note(cat("the answer (", std::to_string(reply.payload.size()), " bytes) is not CBOR: ", why,
               "; --raw writes its bytes unchanged"));
    }
  }

  // Empty if the name exists. Then the handler itself called an unknown name, and the message has that name.
  std::string hint(bp_status status) const {
    const std::vector<std::string> known = known_names(client_.context(), false);
    if (std::find(known.begin(), known.end(), args_.name) != known.end()) return {};
    if (status == BP_MODULE_GONE) return "backplane load FILE loads the module again";
    const std::string near = did_you_mean(args_.name, known);
    return near.empty() ? "backplane ls lists all names" : cat(near, " backplane ls lists all names");
  }

  const Args& args_;
  const cbor::Bytes payload_;
  Signals signals_;                // blocks signals, so it must precede the client's threads, which inherit the mask
  Inbox<Reply> inbox_;             // must outlive the client: its threads write to the inbox
  std::optional<PartFeed> parts_;  // likewise
  Client client_;
  std::string broken_;  // why the parts cannot be sent
  bp_request request_ = {};
  Deadline deadline_;
  bool printed_ = false;  // a partial answer, since the last time that the host said that the call still runs
  bool interrupted_ = false;
  bool ended_ = false;
};

int run_call(const Args& args) {
  if (args.parts && *args.parts == "-" && args.input == "-") {
    throw usage(
        "found - for the payload and for --parts; stdin can be only one of them: give the payload as JSON or "
        "@FILE, or the parts as --parts FILE");
  }
  return Call(args, make_payload(args)).run();
}

}  // namespace

const Command call_command = {
    "call",
    "call a wire name and print its answer",
    R"(The payload is a JSON object with the parameters by name; without a payload it is {}. docs/cli.md describes how
JSON represents CBOR (bytes, NaN, tags).

Each partial answer is one line on stdout as it arrives; the last line is the answer. An answer that is not CBOR
appears as {"$raw": "<base64>"}. A payload of this form is sent as those bytes.

With --parts, the request comes in parts: PAYLOAD is the first, and each line of the file is a further one. Lines are
sent as they come and as the handler takes them, so the file may be of any size. Empty lines are passed over. If a line
is not JSON, the call is canceled. With --raw, the bytes of a line, without its end, are the part.

Ctrl-C cancels the call.

Examples:
  backplane call echo.shout '{"text": "hi"}'
  backplane call timer.ticks '{"count": 3, "interval_ms": 100}' --timeout 2000
  backplane call kv.put @record.json
  backplane call echo.raw --raw - < photo.jpg > copy.jpg
  zcat rows.jsonl.gz | backplane call import.rows '{"table": "t"}' --parts -

Exit codes: 0 answered; 1 the module or the host answered an error; 2 usage, or JSON that does not parse;
3 no host answers; 4 the deadline passed; 130 canceled with Ctrl-C.)",
    {
        {"NAME", "", "wire name to call; backplane ls lists all names", &Args::name, true},
        {"PAYLOAD", "", "JSON, @FILE with JSON, or - for JSON on stdin; default {}", &Args::input},
        {"--timeout", "MS", "deadline in milliseconds; default 0: no deadline", &Args::timeout},
        {"--parts", "FILE", "send each line of FILE, or of stdin (-), as a further part of the request", &Args::parts},
        {"--raw", "", "send the bytes of the payload and of each part unchanged, and write answers unchanged",
         &Args::raw},
        socket_option,
        json_option,
    },
    run_call,
};

}  // namespace backplane::host::cli
