// SPDX-License-Identifier: Apache-2.0
//
// Has the C library as the client of conformance.py: lines of JSON on stdin and stdout, as README.md says.
#include <backplane/backplane.h>
#include <backplane/interfaces.h>
#include <backplane/providing.h>

#include <backplane/cbor/reader.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cli/json/json.hpp"

namespace cbor = backplane::cbor;
using backplane::host::json_quote;

namespace {

std::mutex output;

void say(const std::string& members) {
  const std::lock_guard lock(output);
  std::cout << "{" << members << "}" << std::endl;
}

std::string hex(bp_bytes bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < bytes.size; ++i) {
    out += digits[bytes.data[i] >> 4];
    out += digits[bytes.data[i] & 15];
  }
  return '"' + out + '"';
}

std::string unhex(const std::string& digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out += static_cast<char>(std::stoul(digits.substr(i, 2), nullptr, 16));
  }
  return out;
}

bp_str str(const std::string& text) { return {text.data(), text.size()}; }
bp_bytes bytes(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

std::string quoted(bp_str text) { return json_quote({text.data, text.size}); }

std::string words(bp_status status, bp_bytes payload, bp_str message, bp_bytes detail) {
  return ",\"status\":" + std::to_string(status) + ",\"payload\":" + hex(payload) + ",\"message\":" + quoted(message) +
         ",\"detail\":" + hex(detail);
}

/// A line of the script: texts and integers by name.
struct Line {
  std::map<std::string, std::string> texts;
  std::map<std::string, std::int64_t> numbers;

  explicit Line(const std::string& json) {
    const cbor::Bytes item = backplane::host::json_to_cbor(json);
    cbor::Reader reader(item);
    const std::uint64_t count = reader.next().value;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string key(reader.next().text());
      const cbor::Item value = reader.next();
      if (value.type == cbor::Type::text) texts[key] = value.text();
      if (value.type == cbor::Type::uint) numbers[key] = static_cast<std::int64_t>(value.value);
      if (value.type == cbor::Type::negint) numbers[key] = -1 - static_cast<std::int64_t>(value.value);
    }
  }
};

struct Tagged {
  std::string tag;
  bp_request request{};
  bp_listener listener{};
  std::string name{};
};

class Driver {
 public:
  void run(Line& line) {
    const std::string what = line.texts["do"];
    const std::string tag = line.texts["tag"];
    if (what == "connect") {
      connect();
    } else if (what == "call") {
      call(tag, line);
    } else if (what == "cancel") {
      bp_cancel(context_, all_.at(tag)->request);
    } else if (what == "listen") {
      wait_in_a_thread([this, tag, pattern = line.texts["pattern"]] { listen(tag, pattern); });
    } else if (what == "unlisten") {
      bp_unlisten(context_, listener_of(tag));
    } else if (what == "provide") {
      wait_in_a_thread([this, tag, name = line.texts["name"]] { provide(tag, name); });
    } else if (what == "withdraw") {
      bp_function_withdraw(context_, str(named(tag).name), &named(tag));
    } else if (what == "answer") {
      answer(line);
    } else if (what == "expect") {
      wait_in_a_thread([this, tag, line]() mutable { expect(tag, line); });
    } else if (what == "close") {
      bp_context_destroy(context_);
    }
  }
  ~Driver() {
    for (std::thread& each : threads_) each.join();
    bp_context_destroy(context_);
  }

 private:
  // The script answers what these wait for only after it has sent other lines.
  template <class F>
  void wait_in_a_thread(F f) {
    threads_.emplace_back(std::move(f));
  }
  Tagged& named(const std::string& tag) {
    const std::lock_guard lock(mutex_);
    auto& found = all_[tag];
    if (found == nullptr) found = std::make_unique<Tagged>(Tagged{tag});
    return *found;
  }
  bp_listener listener_of(const std::string& tag) {
    const std::lock_guard lock(mutex_);
    return all_.at(tag)->listener;
  }

  void connect() {
    const bp_status status = bp_context_connect(nullptr, &context_, nullptr);
    say(std::string("\"connected\":") + (status == BP_OK ? "true" : "false"));
  }

  static void on_reply(void* user, const bp_answer* answer) {
    const std::string tag = "\"tag\":" + json_quote(static_cast<Tagged*>(user)->tag);
    if (answer->status == BP_STALE) return;
    if (answer->status == BP_PARTIAL) return say(tag + ",\"partial\":" + hex(answer->payload));
    say(tag + words(answer->status, answer->payload, answer->message, answer->detail));
  }
  void call(const std::string& tag, Line& line) {
    Tagged& tagged = named(tag);
    const std::string payload = unhex(line.texts["payload"]);
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = str(line.texts["name"]);
    submission.payload = bytes(payload);
    submission.timeout_ms = static_cast<std::uint64_t>(line.numbers["timeout_ms"]);
    submission.on_reply = on_reply;
    submission.user = &tagged;
    const bp_status status = bp_submit(context_, &submission, &tagged.request);
    if (status != BP_OK) say("\"tag\":" + json_quote(tag) + words(status, {}, {}, {}));
  }

  static void on_event(void* user, const bp_event* event) {
    say("\"tag\":" + json_quote(static_cast<Tagged*>(user)->tag) + ",\"event\":" + quoted(event->name) +
        ",\"flags\":" + std::to_string(event->flags) + ",\"payload\":" + hex(event->payload));
  }
  void listen(const std::string& tag, const std::string& pattern) {
    Tagged& tagged = named(tag);
    bp_listener listener{};
    const bp_status status = bp_listen(context_, str(pattern), on_event, &tagged, &listener);
    {
      const std::lock_guard lock(mutex_);
      tagged.listener = listener;
    }
    say("\"tag\":" + json_quote(tag) + ",\"listening\":" + (status == BP_OK ? "true" : "false"));
  }

  static void on_ask(void* user, bp_context, const bp_ask* ask) {
    say("\"tag\":" + json_quote(static_cast<Tagged*>(user)->tag) + ",\"ask\":" + std::to_string(ask->token) +
        ",\"name\":" + quoted(ask->name) + ",\"payload\":" + hex(ask->payload) +
        ",\"timeout_ms\":" + std::to_string(ask->timeout_ms));
  }
  static void on_unask(void*, bp_context, bp_token token) { say("\"unask\":" + std::to_string(token)); }
  void provide(const std::string& tag, const std::string& name) {
    Tagged& tagged = named(tag);
    tagged.name = name;
    bp_provided provided{};
    provided.struct_size = sizeof provided;
    provided.name = str(tagged.name);
    provided.on_ask = on_ask;
    provided.on_unask = on_unask;
    provided.user = &tagged;
    say("\"tag\":" + json_quote(tag) + words(bp_function_provide(context_, &provided), {}, {}, {}));
  }
  void answer(Line& line) {
    const std::string payload = unhex(line.texts["payload"]);
    const std::string detail = unhex(line.texts["detail"]);
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    answer.status = static_cast<bp_status>(line.numbers["status"]);
    answer.payload = bytes(payload);
    answer.message = str(line.texts["message"]);
    answer.detail = bytes(detail);
    bp_complete(context_, static_cast<bp_token>(line.numbers["ask"]), &answer);
  }

  void expect(const std::string& tag, Line& line) {
    bp_result result{};
    result.struct_size = sizeof result;
    const bp_status status = bp_context_expect(context_, str(line.texts["module"]), str(line.texts["hash"]),
                                               str(line.texts["cddl"]), &result);
    say("\"tag\":" + json_quote(tag) + words(status, result.payload, result.message, result.detail));
    bp_result_free(&result);
  }

  bp_context context_{};
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Tagged>> all_;
  std::vector<std::thread> threads_;
};

}  // namespace

int main() {
  Driver driver;
  for (std::string line; std::getline(std::cin, line);) {
    Line read(line);
    driver.run(read);
  }
}
