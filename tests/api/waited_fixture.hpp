// SPDX-License-Identifier: Apache-2.0
//
// An embedded context that is served on a socket, and a second one that is connected to it.
#pragma once

#include <memory>
#include <string>

#include "fixture.hpp"
#include "temp_dir.hpp"

namespace host_test {

/// A served context.
struct Home {
  TempDir dir;
  Context context;
  bp_serving serving{};

  explicit Home(const bp_serve_options* options = nullptr) { REQUIRE(serve(path(), options) == BP_OK); }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  ~Home() { bp_serving_end(serving, 0); }

  std::string path() const { return dir / "s"; }
  bp_status serve(const std::string& where, const bp_serve_options* options) {
    Result why;
    const bp_status status = bp_context_serve(context.native, where.c_str(), options, &serving, &why);
    words = why.words();
    INFO(words);
    return status;
  }
  std::string words;
};

/// A context that is connected to a socket.
struct Connected {
  bp_context native{};
  bp_status status = BP_OK;
  std::string words;

  explicit Connected(const std::string& path) {
    bp_connect_options options{};
    options.struct_size = sizeof options;
    options.socket_path = path.c_str();
    Result why;
    status = bp_context_connect(&options, &native, &why);
    words = why.words();
  }
  Connected(const Connected&) = delete;
  Connected& operator=(const Connected&) = delete;
  ~Connected() {
    if (native.id != 0) bp_context_destroy(native);
  }
  bp_status call(std::string_view name, std::string_view payload = {}) const {
    Result result;
    return bp_call_sync(native, str(name), bytes_of(payload), 10'000, &result);
  }
};

/// The same calls by an embedded and by a connected context.
struct BothWays {
  Home home;
  std::unique_ptr<Connected> far;
  bp_context ctx{};

  BothWays() {
    const bool connected = GENERATE(false, true);
    if (connected) far = std::make_unique<Connected>(home.path());
    ctx = connected ? far->native : home.context.native;
    REQUIRE(ctx.id != 0);
  }
  bool connected() const { return far != nullptr; }
};

/// A call of wait.h that frees itself.
struct Pending {
  bp_pending native{};
  bp_status started = BP_OK;

  Pending(bp_context ctx, std::string_view name, std::string_view payload = {}, std::uint32_t flags = 0,
          std::uint64_t window_bytes = 0, std::uint64_t timeout_ms = 0) {
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = flags;
    submission.name = str(name);
    submission.payload = bytes_of(payload);
    submission.window_bytes = window_bytes;
    submission.timeout_ms = timeout_ms;
    started = bp_call_start(ctx, &submission, &native);
  }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending() { bp_call_free(native); }

  bp_status wait(std::uint64_t timeout_ms = 20'000) const {
    Result result;
    return bp_call_wait(native, timeout_ms, &result);
  }
  bp_status next(std::uint64_t timeout_ms = 20'000) const {
    Result result;
    return bp_call_next(native, timeout_ms, &result);
  }
};

}  // namespace host_test
