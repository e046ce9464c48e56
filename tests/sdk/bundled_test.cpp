// SPDX-License-Identifier: Apache-2.0
//
// The bundled modules echo, timer and session; what generator says where the host has no fibers.
#include "../../plugins/timer/types.hpp"
#include "fake_host.hpp"
#include "sample.hpp"

using namespace sample;
using backplane::decode;
using backplane::encode;
using fake::Answer;

namespace {

struct Shouted {
  std::string shouted, prefix;
};
BOOST_DESCRIBE_STRUCT(Shouted, (), (shouted, prefix))

struct Module : fake::Host {
  explicit Module(const std::string& name, Bytes config = {0xa0})
      : Host(std::string(BUNDLED_MODULES "/") + name + ".so", std::move(config)) {
    REQUIRE(start() == "");
  }

  template <class Reply, class T>
  Reply get(const std::string& name, const T& in) {
    const Answer answer = ask(name, encode(in));
    INFO(answer.message);
    REQUIRE(answer.status == BP_OK);
    return decode<Reply>(answer.payload);
  }
  template <class T>
  std::string refused(const std::string& name, const T& in) {
    const Answer answer = ask(name, encode(in));
    CHECK(answer.status == BP_INVALID_ARGUMENT);
    return answer.message;
  }
};

using Texts = std::map<std::string, std::string>;

}  // namespace

TEST_CASE("echo.shout puts the prefix of the configuration before the capitals") {
  Module plain("echo");
  CHECK(plain.get<Shouted>("echo.shout", Texts{{"text", "grüße"}}).shouted == "GRüßE");
  CHECK(plain.get<Shouted>("echo.shout", Texts{{"text", ""}}).prefix == "");
}

TEST_CASE("echo takes its prefix from the configuration") {
  Module echo("echo", encode(Texts{{"prefix", "hey "}}));
  const auto shouted = echo.get<Shouted>("echo.shout", Texts{{"text", "you"}});
  CHECK(shouted.shouted == "hey YOU");
  CHECK(shouted.prefix == "hey ");
}

TEST_CASE("echo.raw gives back any bytes, and echo.version its version") {
  Module echo("echo");
  for (const char* bytes : {"", "00", "ff", "a1 61 78 01", "9f"})
    CHECK(echo.ask("echo.raw", hex(bytes)).payload == hex(bytes));
  CHECK(echo.get<Texts>("echo.version", Empty()).at("version") == "1.0.0");
}

TEST_CASE("timer.echo waits, answers and fires an event") {
  Module timer("timer", encode(Texts{{"name", "t1"}}));
  const auto echoed = timer.get<timer::Echoed>("timer.echo", timer::Message{"hi", 30});
  CHECK(echoed.echoed == "hi");
  CHECK(echoed.timer_name == "t1");
  CHECK(timer.slept == std::vector<std::uint64_t>{30});
  timer.get<timer::Echoed>("timer.echo", timer::Message{"again", 0});
  REQUIRE(timer.emitted.size() == 2);
  CHECK(timer.emitted[1].name == "timer.echo_fired");
  const auto fired = decode<timer::EchoFired>(timer.emitted[1].payload);
  CHECK(fired.message == "again");
  CHECK(fired.echo_count == 2);
}

TEST_CASE("timer.echo still answers when its event is lost") {
  Module timer("timer");
  timer.emit_status = BP_OVERFLOW;
  CHECK(timer.get<timer::Echoed>("timer.echo", timer::Message{"hi", 0}).echoed == "hi");
  CHECK(timer.logged.size() == 1);
}

TEST_CASE("timer refuses what is above its limits, and names the option") {
  Module timer("timer",
               encode(std::map<std::string, int>{{"max_delay_ms", 100}, {"max_messages", 1}, {"max_ticks", 2}}));
  CHECK(timer.refused("timer.echo", timer::Message{"hi", 101}) ==
        "delay_ms: 101 is above this timer's limit of 100; raise max_delay_ms in its configuration, or ask for less");
  CHECK(timer.refused("timer.complex", timer::Complex{{{"a", 1}, {"b", 2}}, {}, {}, {}}).find("messages: 2 is above") ==
        0);
  CHECK(timer.refused("timer.ticks", timer::Ticks{3, 1}).find("count: 3 is above") == 0);
  CHECK(timer.refused("timer.ticks", timer::Ticks{1, 101}).find("interval_ms: 101 is above") == 0);
  CHECK(timer.emitted.empty());
}

TEST_CASE("timer.complex sums a batch up") {
  Module timer("timer");
  const auto plain =
      timer.get<timer::Summary>("timer.complex", timer::Complex{{{"a", 10}, {"b", 20}}, {"x", "y"}, {}, {}});
  CHECK(plain.summary == "received 2 messages over 30 ms, tags=[x,y], note=none, retries=0");
  CHECK(plain.item_count == 2);
  CHECK_FALSE(plain.has_note);
  const auto noted = timer.get<timer::Summary>("timer.complex", timer::Complex{{}, {}, "n", 3});
  CHECK(noted.summary == "received 0 messages over 0 ms, tags=[], note=n, retries=3");
  CHECK(noted.has_note);
}

TEST_CASE("timer.schedule plans a job and announces the plan") {
  Module timer("timer");
  timer::Schedule in;
  in.job = {"rollup", Cbor::of(Texts{{"k", "v"}}), timer::Priority::high};
  in.retry = {3, 500, {"timeout"}};
  in.schedule = {1000, 15'000, 250};
  const auto plan = timer.get<timer::Scheduled>("timer.schedule", in);
  CHECK(plan.job_id == "timer-1");
  CHECK(plan.will_run_count == 4);
  CHECK(plan.first_run_at_ms == 1250);
  CHECK(plan.effective_backoff_ms == 250);
  CHECK(plan.priority == timer::Priority::high);
  REQUIRE(timer.emitted.size() == 1);
  CHECK(timer.emitted[0].name == "timer.job_scheduled");
  const auto announced = decode<timer::JobScheduled>(timer.emitted[0].payload);
  CHECK(announced.job_id == "timer-1");
  CHECK(announced.job.payload.as<Texts>().at("k") == "v");
  CHECK(announced.retry.retry_on == std::vector<std::string>{"timeout"});
}

TEST_CASE("a job without interval runs once, and one without backoff gets the default by priority") {
  Module timer("timer");
  timer::Schedule in;
  in.job.name = "once";
  const auto normal = timer.get<timer::Scheduled>("timer.schedule", in);
  CHECK(normal.will_run_count == 1);
  CHECK(normal.effective_backoff_ms == 1000);
  in.job.priority = timer::Priority::low;
  in.schedule.interval_ms = 1'000'000;
  const auto low = timer.get<timer::Scheduled>("timer.schedule", in);
  CHECK(low.will_run_count == 1);
  CHECK(low.effective_backoff_ms == 2000);
  CHECK(low.job_id == "timer-2");
}

TEST_CASE("timer.schedule refuses a job without a name, without attempts, or beyond time") {
  Module timer("timer");
  timer::Schedule in;
  CHECK(timer.refused("timer.schedule", in) == "job.name: expected a name, got empty text");
  in.job.name = "j";
  in.retry.max_attempts = 0;
  CHECK(timer.refused("timer.schedule", in) == "retry.max_attempts: expected at least 1, got 0");
  in.retry.max_attempts = 1;
  in.schedule.start_at_ms = UINT64_MAX;
  in.schedule.jitter = 1;
  CHECK(timer.refused("timer.schedule", in) == "schedule: start_at_ms plus jitter is beyond what 64 bits hold");
}

TEST_CASE("timer.ticks answers in parts, and stops when canceled") {
  Module timer("timer");
  const fake::Request request = timer.call("timer.ticks", encode(timer::Ticks{3, 20}));
  REQUIRE(request.partial.size() == 3);
  const auto last = decode<timer::Tick>(request.partial[2].payload);
  CHECK(last.tick == 3);
  CHECK(last.of == 3);
  CHECK(timer.slept == std::vector<std::uint64_t>{20, 20, 20});
  CHECK(decode<timer::Ticked>(request.terminal.at(0).payload).ticks == 3);
  timer.state = BP_CANCELED;
  const fake::Request canceled = timer.call("timer.ticks", encode(timer::Ticks{3, 20}));
  CHECK(canceled.partial.empty());
  CHECK(canceled.terminal.at(0).status == BP_CANCELED);
}

TEST_CASE("timer refuses a horizon of nothing") {
  fake::Host timer(BUNDLED_MODULES "/timer.so", encode(std::map<std::string, int>{{"plan_horizon_ms", 0}}));
  CHECK(timer.start() == "configuration: plan_horizon_ms: expected at least 1, got 0");
}

TEST_CASE("session.login answers with what profile.fetch said") {
  Module session("session");
  session.on_host_call = [](std::string_view name, const Bytes& payload, std::uint64_t ms) {
    CHECK(name == "profile.fetch");
    CHECK(ms == 5000);
    const auto id = decode<std::map<std::string, Cbor>>(payload).at("user_id");
    return Answer{
        BP_OK, encode(std::map<std::string, Cbor>{{"name", Cbor::of(std::string("Ada"))}, {"id", id}}), "", {}, false};
  };
  for (const Cbor& id : {Cbor::of(std::string("u1")), Cbor::of(7)}) {
    const auto reply =
        session.get<std::map<std::string, Cbor>>("session.login", std::map<std::string, Cbor>{{"user_id", id}});
    CHECK(reply.at("user_id") == id);
    CHECK(reply.at("profile").as<std::map<std::string, Cbor>>().at("name").as<std::string>() == "Ada");
  }
  REQUIRE(session.emitted.size() == 2);
  CHECK(session.emitted[0].name == "session.logged_in");
}

TEST_CASE("session.login passes on that nobody provides profile.fetch") {
  Module session("session");
  const Answer answer = session.ask("session.login", encode(Texts{{"user_id", "u1"}}));
  CHECK(answer.status == BP_NO_HOST_FUNCTION);
  CHECK(answer.message == "nobody offers profile.fetch");
  CHECK(session.emitted.empty());
}

TEST_CASE("a handler that takes fibers answers that an older host has none, after its payload has been read") {
  Module generator("generator");
  const Answer answer = generator.ask("generator.primes", encode(std::map<std::string, int>{{"count", 1}}));
  CHECK(answer.status == BP_NOT_SUPPORTED);
  CHECK(answer.message == "this host has no extension bp.fiber/1; run a newer host");
  CHECK(generator.ask("generator.primes", {}).message == "count: missing, expected int");
}
