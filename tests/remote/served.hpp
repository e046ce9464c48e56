// SPDX-License-Identifier: Apache-2.0
//
// An embedded context, a server on a fresh socket, and applications that connect to it.
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <backplane/cbor/writer.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calls.hpp"
#include "raw_peer.hpp"
#include "server/server.hpp"
#include "temp_dir.hpp"

/// A bp_result that frees itself.
struct Result {
  bp_result raw{};
  Result() { raw.struct_size = sizeof raw; }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { bp_result_free(&raw); }
  bp_result* operator&() { return &raw; }
  std::string message() const { return {raw.message.data, raw.message.size}; }
  std::string payload() const { return {reinterpret_cast<const char*>(raw.payload.data), raw.payload.size}; }
};

inline bp_status load_file(bp_context context, const std::string& path, bp_result* result) {
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.path = path.c_str();
  return bp_module_load(context, &options, result);
}
inline bp_status load(bp_context context, const std::string& module, bp_result* result) {
  return load_file(context, std::string(BP_TEST_BUILD_DIR "/plugins/") + module + ".so", result);
}
/// Loads a module of the tests, unless the process has it already.
inline void load_test_module(bp_context context, const std::string& module) {
  Result loaded;
  const bp_status status =
      load_file(context, std::string(BP_TEST_BUILD_DIR "/tests/modules/") + module + ".so", &loaded);
  INFO(loaded.message());
  REQUIRE((status == BP_OK || status == BP_NAME_TAKEN));
}

/// The modules belong to the process: they are loaded by the first context and stay.
struct Embedded {
  bp_context context{};
  Embedded() {
    Result why;
    const bp_status created = bp_context_create(nullptr, &context, &why);
    INFO(why.message());
    REQUIRE(created == BP_OK);
    for (const char* module : {"echo", "timer"}) {
      Result loaded;
      const bp_status status = load(context, module, &loaded);
      INFO(loaded.message());
      REQUIRE((status == BP_OK || status == BP_NAME_TAKEN));
    }
  }
  Embedded(const Embedded&) = delete;
  Embedded& operator=(const Embedded&) = delete;
  ~Embedded() { bp_context_destroy(context); }
};

struct Served {
  TempDir dir;
  Embedded embedded;
  std::mutex mutex;
  std::vector<std::string> log;
  std::atomic<int> stops{0};
  std::unique_ptr<backplane::host::Server> server;

  explicit Served(backplane::host::ServerOptions options = {}) {
    options.socket_path = path();
    options.log = [this](int, const std::string& line) {
      const std::lock_guard lock(mutex);
      log.push_back(line);
    };
    server = std::make_unique<backplane::host::Server>(embedded.context, std::move(options), [this] { ++stops; });
    server->start();
  }
  ~Served() { server.reset(); }
  std::string path() const { return dir / "host.sock"; }
  bool logged(const std::string& text) {
    const std::lock_guard lock(mutex);
    for (const std::string& line : log) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

struct Client {
  bp_context context{};
  explicit Client(const std::string& path) {
    bp_connect_options options{};
    options.struct_size = sizeof options;
    options.socket_path = path.c_str();
    Result why;
    const bp_status status = bp_context_connect(&options, &context, &why);
    INFO(why.message());
    REQUIRE(status == BP_OK);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { destroy(); }
  bp_status destroy() {
    const bp_status status = context.id == 0 ? BP_OK + 0 : bp_context_destroy(context);
    context = {};
    return status;
  }

  bp_status call(const char* name, std::string_view payload, std::uint64_t timeout_ms, Result& out) const {
    return bp_call_sync(context, {name, std::char_traits<char>::length(name)},
                        {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()}, timeout_ms, &out);
  }
  /// Whether the host answers.
  bool served() const {
    Result result;
    const bp_status status = call("echo.raw", "alive", 10'000, result);
    if (status != BP_OK) WARN("status " << status << ": " << result.message());
    return status == BP_OK && result.payload() == "alive";
  }
};

inline std::string text_of(const backplane::cbor::Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

/// The parameters of timer.echo.
inline std::string delayed(std::string_view message, std::uint64_t delay_ms) {
  backplane::cbor::Bytes out;
  backplane::cbor::Writer writer(out);
  writer.map(2);
  writer.text("message");
  writer.text(message);
  writer.text("delay_ms");
  writer.uint(delay_ms);
  return text_of(out);
}

/// The parameters of timer.ticks.
inline std::string ticks(std::uint64_t count, std::uint64_t interval_ms) {
  backplane::cbor::Bytes out;
  backplane::cbor::Writer writer(out);
  writer.map(2);
  writer.text("count");
  writer.uint(count);
  writer.text("interval_ms");
  writer.uint(interval_ms);
  return text_of(out);
}
