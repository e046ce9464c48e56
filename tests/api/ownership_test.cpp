// SPDX-License-Identifier: Apache-2.0
//
// Whose events are whose.
#include <set>

#include "fixture.hpp"

using namespace host_test;

namespace {

/// Notes the names of events.
struct Names {
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> seen;

  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Names*>(user);
    const std::lock_guard lock(self.mutex);
    self.seen.insert(text_of(event->name));
    self.changed.notify_all();
  }
  std::set<std::string> wait_for(const std::string& name) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, long_enough, [&] { return seen.contains(name); });
    return seen;
  }
};

}  // namespace

TEST_CASE("a module emits only events that begin with its own name") {
  Names names;  // outlives the context, which tells of the end of the module
  const Context context;
  const Loaded module(context, "foreign_events");
  bp_listener listener{};
  REQUIRE(bp_listen(context.native, BP_STR("*"), Names::on_event, &names, &listener) == BP_OK);
  const std::string refused = "ok:" + std::to_string(BP_INVALID_ARGUMENT);
  for (const char* name :
       {"backplane.disconnected", "backplane.gap", "foreign.own", "foreign_events_2.own", "foreign_events"}) {
    CAPTURE(name);
    CHECK(context.call("foreign_events.emit", name) == refused);
    CHECK(context.call("foreign_events.emit_wait", name) == refused);
  }
  CHECK(context.call("foreign_events.emit", "foreign_events.own") == "ok:0");
  CHECK(context.call("foreign_events.emit_wait", "foreign_events.waited") == "ok:0");
  const std::set<std::string> only = {"foreign_events.own", "foreign_events.waited"};
  CHECK(names.wait_for("foreign_events.waited") == only);
}
