// SPDX-License-Identifier: Apache-2.0
//
// A connected context, and a host that the test speaks for byte by byte.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <thread>

#include "calls.hpp"
#include "raw_peer.hpp"
#include "remote/connect.hpp"
#include "support/views.hpp"
#include "temp_dir.hpp"

inline bp_connect_options options_for(const std::string& path, std::uint32_t timeout_ms) {
  bp_connect_options options{};
  options.struct_size = sizeof options;
  options.socket_path = path.c_str();
  options.timeout_ms = timeout_ms;
  return options;
}

/// A connected context, and the host that it is connected to.
struct Pair {
  TempDir dir;
  RawListener listener{dir / "s"};
  std::unique_ptr<backplane::host::Endpoint> context;
  std::unique_ptr<RawPeer> host;

  explicit Pair(backplane::host::wire::Features features = {}) {
    std::thread serve([this, features] {
      host = std::make_unique<RawPeer>(listener.accept());
      host->receive();
      backplane::host::wire::Hello hello{1, "0.1.0", 1};
      hello.features = features;
      host->send_frame(hello);
    });
    backplane::host::Failure why;
    const std::string path = dir / "s";
    const bp_status status = backplane::host::connect(options_for(path, 5000), context, why);
    serve.join();
    INFO(why.message);
    REQUIRE(status == BP_OK);
  }
  /// Takes the call that comes next and gives its id.
  std::uint64_t next_call() {
    const auto call = host->receive_as<backplane::host::wire::Call>();
    REQUIRE(call);
    return call->id;
  }
  void answer(std::uint64_t id, bp_status status, std::string_view payload) {
    host->send_frame(backplane::host::wire::Reply{id, status, backplane::host::wire::as_bytes(payload), {}, {}});
  }
};
