// SPDX-License-Identifier: Apache-2.0
//
// What generated C++ costs, against the same by hand over backplane.h. run.py runs it.
#include <echo.hpp>
#include <timer.hpp>

#include "rounds.h"

namespace {

namespace client = backplane::client;

struct Clients {
  client::Context context;
  echo::Echo shouts{context};
  timer::Timer timers{context};
  const echo::Shout request{"hello world"};
};

void shout(void* user, unsigned count) {
  const auto& all = *static_cast<const Clients*>(user);
  while (count-- > 0) require(all.shouts.shout(all.request).shouted.size() == 11, "the answer of echo.shout");
}

/// What a program would write without generated code: the codec and bp_call_sync.
void shout_by_hand(void* user, unsigned count) {
  const auto& all = *static_cast<const Clients*>(user);
  const bp_context context = all.context.native();
  while (count-- > 0) {
    const backplane::Bytes payload = backplane::encode(all.request);
    bp_result result{};
    result.struct_size = sizeof result;
    const bp_status status = bp_call_sync(context, BP_STR("echo.shout"), {payload.data(), payload.size()}, 0, &result);
    require(status == BP_OK, "echo.shout");
    const backplane::View answer(result.payload.data, result.payload.size);
    require(backplane::decode<echo::Shouted>(answer, backplane::lenient).shouted.size() == 11, "the answer");
    bp_result_free(&result);
  }
}

void ticks(void* user, unsigned count) {
  auto stream = static_cast<const Clients*>(user)->timers.ticks({count, 0});
  unsigned parts = 0;
  for (const timer::Tick& tick : stream) require(tick.tick == ++parts, "a part of timer.ticks");
  require(stream.reply().ticks == count && parts == count, "the answer of timer.ticks");
}

void bare_ticks(void* user, unsigned count) { take_bare(static_cast<const Clients*>(user)->context.native(), count); }

}  // namespace

int main(int count, char** arguments) {
  const double seconds = seconds_of(count, arguments);
  bp_log_level(BP_LOG_ERROR);
  const client::Host host;
  host.load(BENCH_PLUGINS "/echo.so");
  host.load(BENCH_PLUGINS "/timer.so");
  Clients all{host.context()};
  row("bindings.cpp.call", "ns", "the same by hand: the SDK's codec and bp_call_sync", "ratio <= 1.1", seconds, CALLS,
      shout, shout_by_hand, &all);
  row("bindings.cpp.parts", "parts/s", bare_parts, nullptr, seconds, PARTS, ticks, bare_ticks, &all);
}
