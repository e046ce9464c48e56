// SPDX-License-Identifier: Apache-2.0
//
// Where one test text runs: in a context of this process, and in one of a host process that it is connected to.
#pragma once

#include <backplane/client.hpp>
#include <catch2/catch.hpp>

#include "host_process.hpp"
#include "status_names.hpp"
#include "types.hpp"

namespace client = backplane::client;

/// The modules are loaded once for the process, and stay.
inline void load_modules() {
  static const client::Host host;
  static const bool loaded = [] {
    for (const char* module : {"kv", "session", "echo", "timer", "streams", "desk"}) host.load(module_file(module));
    return true;
  }();
  static_cast<void>(loaded);
}

/// All connect to one host process, which lives as long as the test program.
inline HostProcess& shared_process() {
  static HostProcess process;
  return process;
}

struct World {
  client::Context context;
};

inline World embedded(client::CommonOptions options = {}) {
  load_modules();
  client::ContextOptions chosen;
  static_cast<client::CommonOptions&>(chosen) = std::move(options);
  return {client::Host().context(std::move(chosen))};
}
inline World connected(client::CommonOptions options = {}) {
  client::ConnectOptions chosen;
  static_cast<client::CommonOptions&>(chosen) = std::move(options);
  chosen.socket_path = shared_process().socket();
  return {client::Context::connect(std::move(chosen))};
}
/// The test case runs once for each.
inline World any_world(client::CommonOptions options = {}) {
  const bool remote = GENERATE(false, true);
  return remote ? connected(std::move(options)) : embedded(std::move(options));
}
