// SPDX-License-Identifier: Apache-2.0
//
// The transcript in C++, which those of the other languages must equal: see tests/bindings/transcript/README.md.
#include <signal.h>

#include <thread>

#include "echo.hpp"
#include "generator.hpp"
#include "kv.hpp"
#include "session.hpp"
#include "shown.hpp"
#include "timer.hpp"

namespace {

using namespace std::chrono_literals;
using backplane::Cbor;
using shown::As;
using shown::Awaited;
using shown::line;
namespace client = backplane::client;

/// Any item, from what the C++ types cannot hold, such as -2^64.
Cbor any(std::initializer_list<std::uint8_t> item) { return Cbor::parse(backplane::Bytes(item)); }

Cbor payload() {
  bp_cbor_writer out;
  bp_cbor_writer_init(&out, bp_buffer_new, bp_buffer_free);
  bp_cbor_put_map(&out, 9);
  bp_cbor_put_string(&out, "big");
  bp_cbor_put_uint(&out, UINT64_MAX);
  bp_cbor_put_string(&out, "bytes");
  const std::uint8_t bytes[] = {0, 255};
  bp_cbor_put_bytes(&out, {bytes, 2});
  bp_cbor_put_string(&out, "list");
  bp_cbor_put_array(&out, 0);
  bp_cbor_put_string(&out, "low");
  bp_cbor_put_head(&out, BP_CBOR_NINT, UINT64_MAX);
  bp_cbor_put_string(&out, "map");
  bp_cbor_put_map(&out, 0);
  bp_cbor_put_string(&out, "nan");
  bp_cbor_put_double(&out, std::nan(""));
  bp_cbor_put_string(&out, "nested");
  const std::uint8_t nested[] = {0x82, 0x82, 1, 0x81, 2, 0xa1, 0x61, 'x', 0xf6};
  bp_cbor_put_item(&out, {nested, sizeof nested});
  bp_cbor_put_string(&out, "text");
  bp_cbor_put_string(&out, "ü");
  bp_cbor_put_string(&out, "true");
  bp_cbor_put_bool(&out, 1);
  const bp_bytes view = bp_cbor_view(&out);
  Cbor made = Cbor::parse({view.data, view.size});
  bp_cbor_writer_free(&out);
  return made;
}

client::CallOptions no_options() { return {}; }

void echo_lines(const echo::Echo& echo) {
  line("echo.version", {{"version", echo.version().version}});
  const auto plain = echo.shout({"hello world"});
  line("echo.shout", {{"shouted", plain.shouted}, {"prefix", plain.prefix}});
  line("echo.shout unicode", {{"shouted", echo.shout({"größe 日本語 😀"}).shouted}});
  line("echo.shout empty", {{"shouted", echo.shout({}).shouted}});
  line("echo.shout nul", {{"shouted", echo.shout({std::string("a\0b", 3)}).shouted}});
  const auto large = echo.shout({std::string(1048576, 'a')}).shouted;
  line("echo.shout large", {{"size", large.size()}, {"same", large == std::string(1048576, 'A')}});
  line("echo.raw", {{"bytes", As{shown::bytes(echo.raw({{0, 1, 2, 253, 254, 255}}).bytes)}}});
  line("echo.raw empty", {{"size", echo.raw({}).bytes.size()}});
  backplane::Bytes sent(1048576);
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::uint8_t>(i % 251);
  const auto raw = echo.raw({sent});
  line("echo.raw large", {{"size", raw.bytes.size()}, {"same", raw.bytes == sent}});
}

void summary(std::string_view name, const timer::Summary& is) {
  line(name, {{"summary", is.summary}, {"item_count", is.item_count}, {"has_note", is.has_note}});
}
void scheduled(std::string_view name, const timer::Scheduled& is) {
  line(name, {{"job_id", is.job_id},
              {"will_run_count", is.will_run_count},
              {"first_run_at_ms", is.first_run_at_ms},
              {"effective_backoff_ms", is.effective_backoff_ms},
              {"priority", is.priority}});
}

void timer_lines(const timer::Timer& timer) {
  {
    Awaited<timer::EchoFired> fired;
    const auto listener = timer.on_echo_fired([&](const timer::EchoFired& event) { fired.give(event); });
    const auto echoed = timer.echo({"hello", 1});
    line("timer.echo", {{"echoed", echoed.echoed}, {"timer_name", echoed.timer_name}});
    const auto event = fired.take("timer.echo_fired");
    line("timer.echo_fired", {{"message", event.message}, {"echo_count", event.echo_count}});
  }
  shown::error("timer.echo limit", timer.echo.try_call({"", 60001}), true);
  summary("timer.complex", timer.complex({{{"a", 1}, {"b", 2}}, {"x", "y"}, "n", -3}));
  summary("timer.complex absent", timer.complex({}));
  {
    Awaited<timer::JobScheduled> planned;
    const auto listener = timer.on_job_scheduled([&](const timer::JobScheduled& event) { planned.give(event); });
    timer::Schedule request = {
        {"j", payload(), timer::Priority::high}, {3, 500, {"io"}}, {1000, 0, 18446744073709550615u}};
    scheduled("timer.schedule", timer.schedule(request));
    const auto event = planned.take("timer.job_scheduled");
    line("timer.job_scheduled", {{"job_id", event.job_id},
                                 {"name", event.job.name},
                                 {"payload", event.job.payload},
                                 {"priority", event.job.priority}});
    request = {{"j", {}, timer::Priority::low}, {3, 0, {}}, {1, 0, {}}};
    scheduled("timer.schedule absent", timer.schedule(request));
  }
  auto ticks = timer.ticks({3, 1});
  for (const timer::Tick& tick : ticks) line("timer.ticks part", {{"tick", tick.tick}, {"of", tick.of}});
  line("timer.ticks", {{"ticks", ticks.reply().ticks}});
  shown::error("timer.ticks limit", timer.ticks({10001, 1}).try_reply(), true);
  int parts = 0;
  auto left = timer.ticks({1000, 1});
  while (parts < 2 && left.next() != nullptr) ++parts;
  line("timer.ticks left", {{"parts", parts}});
}

void kv_lines(const kv::Kv& kv) {
  const auto found = [&](std::string_view name, const kv::Found& is) {
    line(name, {{"found", is.found}, {"value", is.value}});
  };
  Awaited<kv::Changed> changed;
  const auto listener = kv.on_changed([&](const kv::Changed& event) {
    if (event.key == "a") changed.give(event);
  });
  const auto print_change = [&](std::string_view name) {
    const auto event = changed.take(name);
    line(name, {{"key", event.key}, {"change", event.change}});
  };
  found("kv.get missing", kv.get({"none"}));
  kv.put({"a", Cbor::of(1)});
  std::cout << "kv.put: done" << std::endl;
  print_change("kv.changed");
  kv.put({"b", payload()});
  std::cout << "kv.put nested: done" << std::endl;
  found("kv.get", kv.get({"b"}));
  backplane::Bytes deep(60, 0x81);
  deep.back() = 0x80;
  kv.put({"c", Cbor::parse(deep)});
  std::cout << "kv.put deep: done" << std::endl;
  const kv::Found levels = kv.get({"c"});
  line("kv.get deep", {{"levels", levels.value.view().size()}});
  shown::error("kv.put empty", kv.put.try_call({"", Cbor::of(1)}), true);
  line("kv.count", {{"count", kv.count({}).count}});
  for (std::optional<std::string> after;;) {
    kv::Scan scan;
    scan.after = after;
    scan.limit = 2;
    const auto page = kv.scan(scan);
    std::vector<std::string> keys;
    for (const auto& entry : page.entries) keys.push_back(entry.key);
    line("kv.scan page", {{"keys", keys}, {"next", page.next}});
    if (!(after = page.next)) break;
  }
  line("kv.delete", {{"deleted", kv.delete_({"a"}).deleted}});
  print_change("kv.deleted");
  line("kv.delete missing", {{"deleted", kv.delete_({"a"}).deleted}});
}

void session_lines(const session::Session& session) {
  const auto login = [&](std::string_view name, const session::User& user) {
    const auto in = session.login(user);
    line(name, {{"user_id", in.user_id}, {"profile", in.profile}});
  };
  shown::error("session.login alone", session.login.try_call({"ann"}));
  std::vector<std::jthread> threads;
  auto provided = session.provide_profile_fetch([&](session::User user, client::Completion<Cbor> completion) {
    const auto* const name = std::get_if<std::string>(&user.user_id);
    const auto answer_after = [&](std::chrono::milliseconds wait, const char* text) {
      threads.emplace_back([wait, text, completion = std::move(completion)]() mutable {
        std::this_thread::sleep_for(wait);
        completion.answer(Cbor::of(std::string(text)));
      });
    };
    if (name != nullptr && *name == "bob") return answer_after(5ms, "later");
    if (name != nullptr && *name == "cid") return answer_after(0ms, "thread");
    if (name != nullptr && *name == "dan") {
      const std::map<std::string, std::string> detail = {{"user", *name}};
      completion.fail(backplane::Error(1234, "no such user", detail));
      return;
    }
    const std::map<std::string, std::variant<std::string, std::uint64_t>> profile = {{"name", user.user_id},
                                                                                     {"age", std::uint64_t{42}}};
    completion.answer(Cbor::of(profile));
  });
  {
    Awaited<session::User> logged_in;
    const auto listener = session.on_logged_in([&](const session::User& event) { logged_in.give(event); });
    login("session.login inline", {"ann"});
    line("session.logged_in", {{"user_id", logged_in.take("session.logged_in").user_id}});
  }
  login("session.login number", {UINT64_MAX});
  login("session.login later", {"bob"});
  login("session.login thread", {"cid"});
  shown::error("session.login failing", session.login.try_call({"dan"}), true);
  provided.reset();
  shown::error("session.login withdrawn", session.login.try_call({"ann"}));
}

void generator_lines(const generator::Generator& generator) {
  auto primes = generator.primes({5});
  for (const generator::Prime& prime : primes) line("generator.primes part", {{"prime", prime.prime}});
  const auto counted = primes.reply();
  line("generator.primes", {{"count", counted.count}, {"last", counted.last}});
  const auto items =
      generator.zip({{any({1}), any({0x63, 't', 'w', 'o'}), {}}, {any({0x41, 3}), any({0x81, 4}), any({0xa0})}});
  line("generator.zip", {{"items", items.items}});
  line("generator.chain", {{"values", generator.chain({3, {INT64_MIN, 9007199254740993, 0}}).values}});
}

void end_lines(const client::Context& context, const timer::Timer& timer, const generator::Generator& generator,
               const std::string& path) {
  std::stop_source source;
  client::CallOptions options;
  options.stop = source.get_token();
  const std::jthread canceler([&] {
    std::this_thread::sleep_for(5ms);
    source.request_stop();
  });
  shown::error("cancel", timer.echo.try_call({"", 60000}, options));
  options = no_options();
  options.deadline = 20ms;
  shown::error("deadline", timer.echo.try_call({"", 60000}, options));

  auto first = timer.echo.async({"both", 20});
  auto second = generator.primes.async({3});
  const std::string echoed = first.get().echoed;
  line("both", {{"echoed", echoed}, {"last", second.get().last}});

  Awaited<timer::EchoFired> fired;
  const auto listener = timer.on_echo_fired([&](const timer::EchoFired& event) { fired.give(event); });
  context.reload("timer", path);
  line("reload", {{"echoed", timer.echo({"again", 1}).echoed}});
  const auto event = fired.take("reload event");
  line("reload event", {{"message", event.message}, {"echo_count", event.echo_count}});
}

int transcript(const client::Context& context) {
  const echo::Echo echo(context);
  line("interface echo", {{"hash", echo::INTERFACE_HASH}});
  const timer::Timer timer(context);
  line("interface timer", {{"hash", timer::INTERFACE_HASH}});
  const kv::Kv kv(context);
  line("interface kv", {{"hash", kv::INTERFACE_HASH}});
  const session::Session session(context);
  line("interface session", {{"hash", session::INTERFACE_HASH}});
  const generator::Generator generator(context);
  line("interface generator", {{"hash", generator::INTERFACE_HASH}});
  echo_lines(echo);
  timer_lines(timer);
  kv_lines(kv);
  session_lines(session);
  generator_lines(generator);
  end_lines(context, timer, generator, {});
  return 0;
}

int killed(const client::Context& context, pid_t host) {
  const timer::Timer timer(context);
  line("timer.echo", {{"echoed", timer.echo({"before", 1}).echoed}});
  auto open = timer.echo.async({"", 60000});
  std::this_thread::sleep_for(50ms);
  ::kill(host, SIGKILL);
  try {
    open.get();
    std::cout << "open call: no error" << std::endl;
  } catch (const client::CallError& error) {
    shown::error("open call", error.status(), {}, {}, false);
  }
  shown::error("later call", timer.echo.try_call({"", 1}));
  return 0;
}

client::Context connected(const std::string& socket) {
  client::ConnectOptions options;
  options.socket_path = socket;
  return client::Context::connect(options);
}

}  // namespace

int main(int count, char** arguments) try {
  const std::string_view mode = count > 2 ? arguments[1] : "";
  if (mode == "connected") return transcript(connected(arguments[2]));
  if (mode == "killed" && count > 3) return killed(connected(arguments[2]), std::atoi(arguments[3]));
  if (mode != "embedded") {
    std::cerr << "expected embedded PLUGINS, connected SOCKET, or killed SOCKET PID" << std::endl;
    return 2;
  }
  client::HostOptions options;
  if (const char* const data = std::getenv("BACKPLANE_DATA_DIR"); data != nullptr) options.data_dir = data;
  const client::Host host(options);
  for (const std::string module : {"echo", "timer", "kv", "session", "generator"}) {
    host.load(arguments[2] + ("/" + module + ".so"));
  }
  return transcript(host.context());
} catch (const std::exception& error) {
  std::cout << "error: " << error.what() << std::endl;
  return 1;
}
