// SPDX-License-Identifier: Apache-2.0
//
// Memory runs out while a server serves a peer and a connected application: at one allocation of any thread, or from
// one on. The process must survive, and each call must end once, or its connection be closed. Each trial is a process
// of its own, forked off this one, which never uses the host.
#include <execinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <iostream>
#include <set>
#include <thread>

#include "../api/failing.hpp"
#include "../streams_payload.hpp"
#include "served.hpp"

using failing::Which;

namespace {

namespace wire = backplane::host::wire;
using Clock = std::chrono::steady_clock;

constexpr long more_than_enough = 5'000;
constexpr auto long_enough = std::chrono::seconds(20);

enum Outcome { survived = 10, nothing_failed, wrong };

// CHECK is of no use in a child: the parent would not hear of it.
struct Trial {
  std::atomic<bool> right{true};
  void expect(bool condition, const std::string& what) {
    if (condition) return;
    right = false;
    std::cerr << "expected: " << what << "\n";
  }
};

// One call of the application. It must not allocate: it runs where memory fails.
struct Ended {
  std::atomic<int> terminal{0};
  std::atomic<bp_status> status{-1};
  bool opened = false;
  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Ended*>(user);
    if (answer->status == BP_STALE || answer->status == BP_PARTIAL) return;
    self.status = answer->status;
    ++self.terminal;
  }
};

template <class F>
bool eventually(F condition) {
  const auto until = Clock::now() + long_enough;
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

void on_event(void* count, const bp_event*) { ++*static_cast<std::atomic<int>*>(count); }

bp_str str(std::string_view text) { return {text.data(), text.size()}; }

// A server whose peers may have lossless listeners, for the events of the module "news".
struct Host : Served {
  Host() : Served(options()) { load_test_module(embedded.context, "news"); }
  static backplane::host::ServerOptions options() {
    backplane::host::ServerOptions options;
    options.lossless_listeners = 2;
    return options;
  }
};

// A peer that sends each kind of frame, and then reads until each of its calls has ended or the connection has.
class Peer {
 public:
  explicit Peer(RawPeer peer) : peer_(std::move(peer)) {}

  void send_all() {
    const std::string large(200'000, 'x');
    const std::string delay = delayed("a", 0), later = delayed("b", 30), three = ticks(3, 0);
    const std::string news = numbers({{"events", 5}, {"size", 100}, {"wait_ms", 20}});
    call("echo.raw", "small");
    call("echo.raw", large);
    peer_.send_frame(wire::Listen{next(), 1, "timer.*"});
    peer_.send_frame(wire::Listen{next(), 2, "news.*", BP_LISTEN_LOSSLESS});
    call("news.tell", news);
    peer_.send_frame(wire::Heard{2, 100'000});
    call("timer.echo", delay);
    call("timer.echo", later, 1'000);
    call("timer.ticks", three);
    call("not.there", "");
    call("echo.shout", "not CBOR");
    call("timer.echo", delayed("c", 20'000));
    peer_.send_frame(wire::Cancel{last_});
    peer_.send_frame(wire::Resolve{next(), "echo.raw"});
    peer_.send_frame(wire::List{next()});
    peer_.send_frame(wire::Status{next()});
    peer_.send_frame(wire::Unlisten{next(), 1});
    for (int i = 0; i < 70; ++i) call("echo.raw", "more than one batch");
  }
  void read_all(Trial& trial, const char* who) {
    std::set<std::uint64_t> open;
    for (std::uint64_t id = 1; id <= last_; ++id) open.insert(id);
    try {
      while (!open.empty()) {
        const auto frame = peer_.receive(long_enough);
        if (!frame) {
          trial.expect(peer_.ends(std::chrono::milliseconds(100)),
                       std::string(who) + ": an answer or an end; " + std::to_string(open.size()) + " of " +
                           std::to_string(last_) + " are open, the first is " + std::to_string(*open.begin()));
          return;
        }
        if (const auto* error = std::get_if<wire::Error>(&*frame)) {
          trial.expect(error->status == BP_OUT_OF_MEMORY, "an error frame says out_of_memory");
        }
        const auto* reply = std::get_if<wire::Reply>(&*frame);
        if (reply == nullptr || !wire::is_terminal(reply->status)) continue;
        trial.expect(open.erase(reply->id) == 1, std::string(who) + ": one answer of each call");
      }
    } catch (const std::exception& error) {
      trial.expect(false, std::string(who) + ": sound frames, not " + error.what());
    }
  }

 private:
  std::uint64_t next() { return ++last_; }
  void call(std::string_view name, std::string_view payload, std::uint64_t timeout_ms = 0) {
    wire::Call frame;
    frame.id = next();
    frame.target.name = name;
    frame.payload = wire::as_bytes(payload);
    frame.timeout_ms = timeout_ms;
    peer_.send_frame(frame);
  }
  RawPeer peer_;
  std::uint64_t last_ = 0;
};

// A connected application that uses each function.
class Application {
 public:
  explicit Application(const std::string& path) : client_(path) {}

  void call_all() {
    const std::string large(200'000, 'y');
    call("echo.raw", "small");
    call("echo.raw", large);
    bp_listener listener{};
    with_failures([&] { return bp_listen(client_.context, BP_STR("timer.*"), on_event, &events_, &listener); });
    bp_subscription subscription{};
    subscription.struct_size = sizeof subscription;
    subscription.flags = BP_LISTEN_LOSSLESS;
    subscription.pattern = BP_STR("news.*");
    subscription.on_event = on_event;
    subscription.user = &events_;
    bp_listener lossless{};
    with_failures([&] { return bp_subscribe(client_.context, &subscription, &lossless); });
    call("news.tell", numbers({{"events", 5}, {"size", 100}, {"wait_ms", 20}}));
    call("timer.echo", delayed("a", 0));
    call("timer.echo", delayed("b", 5), 2'000);
    call("timer.ticks", ticks(3, 0));
    call("not.there", "");
    bp_request request{};
    call("timer.echo", delayed("c", 20'000), 0, &request);
    if (request.id != 0) {
      // A cancel for which there is no memory may be tried again.
      eventually([&] {
        return with_failures([&] { return bp_cancel(client_.context, request); }) != BP_OUT_OF_MEMORY || cancel_again();
      });
      if (again_) bp_cancel(client_.context, request);
    }
    bp_method method{};
    with_failures([&] { return bp_method_find(client_.context, BP_STR("echo.raw"), &method); });
    for (const auto report : {bp_module_list, bp_host_status}) {
      Result result;
      with_failures([&] { return report(client_.context, &result); });
    }
    for (const bp_listener each : {listener, lossless}) {
      if (each.id != 0) with_failures([&] { return bp_unlisten(client_.context, each); });
    }
    for (int i = 0; i < 8; ++i) call("echo.raw", "more");
  }
  void wait_all(Trial& trial) {
    for (std::size_t i = 0; i < used_; ++i) {
      const Ended& each = calls_[i];
      const bool ended = !each.opened || eventually([&] { return each.terminal != 0; });
      trial.expect(ended, "call " + std::to_string(i) + " of the application ends");
    }
  }
  void end(Trial& trial) {
    bp_status status = BP_OK;
    {
      const failing::Exposed exposed;
      status = client_.destroy();
    }
    trial.expect(status == BP_OK || status == BP_TIMEOUT, "the connection can be destroyed");
    for (std::size_t i = 0; i < used_; ++i) {
      trial.expect(calls_[i].terminal == (calls_[i].opened ? 1 : 0), "one end of each call of the application");
    }
  }

 private:
  template <class F>
  bp_status with_failures(F f) {
    const failing::Exposed exposed;
    return f();
  }
  bool cancel_again() {
    again_ = true;
    return true;
  }
  void call(std::string_view name, std::string_view payload, std::uint64_t timeout_ms = 0,
            bp_request* request = nullptr) {
    Ended& ended = calls_[used_++];
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = str(name);
    submission.payload = {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()};
    submission.timeout_ms = timeout_ms;
    submission.on_reply = Ended::on_reply;
    submission.user = &ended;
    ended.opened = with_failures([&] { return bp_submit(client_.context, &submission, request); }) == BP_OK;
  }

  std::array<Ended, 24> calls_;
  std::size_t used_ = 0;
  std::atomic<int> events_{0};
  bool again_ = false;
  Client client_;
};

void expect_serves(Trial& trial, Served& served) {
  RawPeer fresh = RawPeer::connect(served.path());
  trial.expect(fresh.greet(), "a new peer is greeted");
  wire::Call call;
  call.id = 1;
  call.target.name = "echo.raw";
  call.payload = wire::as_bytes("alive");
  fresh.send_frame(call);
  const auto reply = fresh.receive_as<wire::Reply>();
  trial.expect(reply && reply->status == BP_OK && wire::as_text(reply->payload) == "alive", "a new peer is served");
  Client client(served.path());
  trial.expect(client.served(), "a new application is served");
}

// Memory fails while calls run.
Outcome traffic(long nth, Which which) {
  const failing::Spared own_work;
  Trial trial;
  Host served;
  Peer known([&] {
    RawPeer peer = RawPeer::connect(served.path());
    trial.expect(peer.greet(), "the peer is greeted");
    return peer;
  }());
  Application application(served.path());
  failing::arm(nth, which);
  std::thread peers([&] {
    const failing::Spared peers_work;
    known.send_all();
    RawPeer peer = RawPeer::connect(served.path());  // where memory fails for its connection, it is closed
    if (peer.greet()) {
      Peer late(std::move(peer));
      late.send_all();
      late.read_all(trial, "the late peer");
    }
    known.read_all(trial, "the peer");
  });
  application.call_all();
  application.wait_all(trial);
  peers.join();
  const failing::Steps steps = failing::disarm();
  application.end(trial);
  expect_serves(trial, served);
  served.server->shutdown(std::chrono::milliseconds(1'000));
  if (!trial.right) return wrong;
  return steps.failed ? survived : nothing_failed;
}

// Memory fails while the connections and the server end, with calls open.
Outcome ending(long nth, Which which) {
  const failing::Spared own_work;
  Trial trial;
  bool failed = false;
  {
    Host served;
    RawPeer peer = RawPeer::connect(served.path());
    trial.expect(peer.greet(), "the peer is greeted");
    Peer known(std::move(peer));
    known.send_all();
    Application application(served.path());
    application.call_all();
    failing::arm(nth, which);
    std::thread peers([&] {
      const failing::Spared peers_work;
      known.read_all(trial, "the peer");
    });
    application.end(trial);
    {
      const failing::Exposed exposed;
      served.server->shutdown(std::chrono::milliseconds(200));
    }
    peers.join();
    failed = failing::disarm().failed;
  }
  if (!trial.right) return wrong;
  return failed ? survived : nothing_failed;
}

// Whoever reads the output of a failed trial wants to know where it ended.
[[noreturn]] void tell_where() {
  void* frames[64];
  ::backtrace_symbols_fd(frames, ::backtrace(frames, 64), STDERR_FILENO);
  std::abort();
}

pid_t start_child(Outcome (*trial)(long, Which), long nth, Which which) {
  std::cout.flush();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // not the handler of Catch, which reports a failure of its own
    std::set_terminate(tell_where);
    ::alarm(120);
    ::_exit(trial(nth, which));
  }
  return child;
}

int outcome_of(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// A forked child that makes threads can hang within ThreadSanitizer of GCC 12.
#if defined(__SANITIZE_THREAD__)
constexpr bool children_can_make_threads = false;
#else
constexpr bool children_can_make_threads = true;
#endif

void fail_at_every_step(Outcome (*trial)(long, Which)) {
  if (!children_can_make_threads) return;
  const auto which = GENERATE(Which::one, Which::from_then);
  // The threads share the steps, so a trial has a few more or fewer than another. Trials mostly wait, so some run at
  // once.
  constexpr long at_once = 4;
  std::array<pid_t, at_once> children{};
  int quiet = 0;
  for (long first = 1; quiet < 3; first += at_once) {
    for (long i = 0; i < at_once; ++i) children[i] = start_child(trial, first + i, which);
    for (long i = 0; i < at_once; ++i) {
      CAPTURE(first + i, static_cast<int>(which));
      const int outcome = outcome_of(children[i]);
      quiet = outcome == nothing_failed ? quiet + 1 : 0;
      CHECK((outcome == survived || outcome == nothing_failed));
    }
    REQUIRE(first < more_than_enough);
  }
}

}  // namespace

TEST_CASE("a server and its peers survive when any allocation fails while calls run") { fail_at_every_step(traffic); }

TEST_CASE("a server and its peers end when any allocation fails meanwhile") { fail_at_every_step(ending); }
