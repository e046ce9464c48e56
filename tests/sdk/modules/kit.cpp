// SPDX-License-Identifier: Apache-2.0
//
// A module with a handler of every shape the SDK takes, for its tests.
#include <backplane/sdk.hpp>
#include <stdexcept>
#include <thread>

namespace kit {
namespace {

struct Config {
  std::int32_t start = 0;
  std::string fail;
  bool touch_data = false;
};
BOOST_DESCRIBE_STRUCT(Config, (), (start, fail, touch_data))

struct Pair {
  std::int32_t a = 0, b = 0;
};
BOOST_DESCRIBE_STRUCT(Pair, (), (a, b))

struct Number {
  std::int64_t n = 0;
};
BOOST_DESCRIBE_STRUCT(Number, (), (n))

struct Text {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Text, (), (text))

struct Part {
  std::uint32_t i = 0;
};
BOOST_DESCRIBE_STRUCT(Part, (), (i))

struct Open {
  std::optional<int> limit = 5;
};
BOOST_DESCRIBE_STRUCT(Open, (), (limit))

struct Thing {
  static inline int alive = 0;
  int value;
  explicit Thing(int v) : value(v) { ++alive; }
  ~Thing() { --alive; }
};

constexpr auto happened = backplane::event<"kit.happened", Number>;
constexpr auto lookup = backplane::calls<"other.lookup", Text, Number>;

Number add(const Pair& in) { return {std::int64_t{in.a} + in.b}; }
Number forty_two() noexcept { return {42}; }

class Kit {
 public:
  explicit Kit(backplane::Instance& self) : self_(self), config_(self.config<Config>()), sum_(config_.start) {
    if (config_.fail == "error") throw backplane::Error(BP_CONFIG, "told to fail");
    if (config_.fail == "std") throw std::runtime_error("a plain failure");
    if (config_.fail == "int") throw 7;
    if (config_.touch_data) self.log(backplane::Level::info, "data in ", self.data_dir());
  }

  Number accumulate(Number in) { return {sum_ += in.n}; }
  Number sum() const { return {sum_}; }
  void reset() { sum_ = 0; }
  Number limit(const Open& in) const { return {in.limit.value_or(-1)}; }
  std::vector<int> list(std::vector<int> in) { return {in.rbegin(), in.rend()}; }

  Number wait(backplane::Call& call, const Number& in) {
    call.sleep(backplane::Milliseconds(in.n));
    call.yield();
    call.log(backplane::Level::info, "waited ", in.n, " ms in ", call.name());
    call.log(backplane::Level::debug, "not written");
    return in;
  }
  Number guarded(backplane::Call& call) {
    try {
      call.sleep(backplane::Milliseconds(1));
    } catch (const std::exception&) {
      return {-1};  // would swallow a cancellation if that were a std::exception
    }
    return {1};
  }
  Number ready(backplane::Call& call) { return {call.wait_fd(0, BP_FD_READABLE, backplane::Milliseconds(5)) ? 1 : 0}; }
  Number left(backplane::Call& call) {
    const auto ms = call.remaining();
    return {ms ? ms->count() : -1};
  }
  Number ask(const Text& in, backplane::Call& call) {
    return {call.call(lookup, in, backplane::Milliseconds(250)).n + call.host_call<Number>("host.add", in).n};
  }
  Number tell(backplane::Call& call, const Text& in) {
    call.call<void>("other.note", in);
    return {static_cast<std::int64_t>(call.host_call_raw("other.raw", call.payload()).size())};
  }
  Number stream(backplane::Stream<Part>& call, const Number& in) {
    for (std::uint32_t i = 0; i < in.n; ++i) call.partial({i});
    return in;
  }

  Number emit(const Number& in) { return {self_.emit(happened, {in.n})}; }
  void announce(const Number& in) { self_.announce(happened, in); }

  void fail(const Text& in) {
    if (in.text == "status") throw backplane::Error(BP_STATUS_MODULE_FIRST + 3, "my own error", Pair{1, 2});
    if (in.text == "no error") throw backplane::Error(BP_PARTIAL, "not a terminal status");
    if (in.text == "std") throw std::out_of_range("beyond the edge");
    if (in.text == "bytes") throw std::runtime_error("no file caf\xe9");
    if (in.text == "other") throw 5;
  }
  Text bad_text() { return {"\xff"}; }
  Text big(const Number& in) { return {std::string(static_cast<std::size_t>(in.n), 'x')}; }

  void later(const Number& in, backplane::Later<Number>&& reply) {
    workers_.emplace_back([n = in.n, reply = std::move(reply)]() mutable { reply.reply({n * 2}); });
  }
  void dropped(backplane::Later<Number>&& reply) { const backplane::Later<Number> mine = std::move(reply); }
  void ignored(backplane::Later<void>&&) {}
  void throws_early(backplane::Later<Number>&&) { throw backplane::Error(BP_IO, "too early"); }
  void throws_late(backplane::Later<Number>&& reply) {
    backplane::Later<Number> mine = std::move(reply);
    mine.reply({1});
    throw backplane::Error(BP_IO, "too late");
  }
  void refuses(backplane::Later<Number>&& reply) {
    backplane::Later<Number> mine = std::move(reply);
    if (!mine.fail(BP_NOT_FOUND, "looked everywhere") || mine.reply({2})) std::abort();
  }
  void acknowledges(backplane::Later<void>&& reply) { reply.reply(); }

  Number make(const Number& in) { return {static_cast<std::int64_t>(self_.put(std::make_unique<Thing>(in.n)))}; }
  Number look(const Number& in) { return {self_.get<Thing>(static_cast<std::uint64_t>(in.n)).value}; }
  Number forget(const Number& in) {
    self_.release<Thing>(static_cast<std::uint64_t>(in.n));
    return {Thing::alive};
  }
  void wrong_type(const Number& in) { self_.get<Text>(static_cast<std::uint64_t>(in.n)); }

  backplane::Bytes reversed(backplane::View in) const { return {in.rbegin(), in.rend()}; }
  void swallow(backplane::View) {}

 private:
  backplane::Instance& self_;
  const Config config_;
  std::int64_t sum_;
  std::vector<std::jthread> workers_;  // joined before the instance has gone, so before its code goes
};

Number peek(const Kit& kit, backplane::Call&) { return kit.sum(); }

}  // namespace
}  // namespace kit

using kit::Kit;
BACKPLANE_MODULE(Kit, "kit", "2.1", backplane::summary<"every shape of handler">, backplane::configuration<kit::Config>,
                 backplane::handler<"kit.add", kit::add>, backplane::handler<"kit.forty_two", &kit::forty_two>,
                 backplane::handler<"kit.accumulate", &Kit::accumulate>, backplane::handler<"kit.sum", &Kit::sum>,
                 backplane::handler<"kit.reset", &Kit::reset>, backplane::handler<"kit.limit", &Kit::limit>,
                 backplane::handler<"kit.list", &Kit::list>, backplane::handler<"kit.wait", &Kit::wait>,
                 backplane::handler<"kit.guarded", &Kit::guarded>, backplane::handler<"kit.ready", &Kit::ready>,
                 backplane::handler<"kit.left", &Kit::left>, backplane::handler<"kit.ask", &Kit::ask>,
                 backplane::handler<"kit.tell", &Kit::tell>, backplane::handler<"kit.stream", &Kit::stream>,
                 backplane::handler<"kit.emit", &Kit::emit>, backplane::handler<"kit.announce", &Kit::announce>,
                 backplane::handler<"kit.fail", &Kit::fail>, backplane::handler<"kit.bad_text", &Kit::bad_text>,
                 backplane::handler<"kit.big", &Kit::big>, backplane::handler<"kit.later", &Kit::later>,
                 backplane::handler<"kit.dropped", &Kit::dropped>, backplane::handler<"kit.ignored", &Kit::ignored>,
                 backplane::handler<"kit.throws_early", &Kit::throws_early>,
                 backplane::handler<"kit.throws_late", &Kit::throws_late>,
                 backplane::handler<"kit.refuses", &Kit::refuses>,
                 backplane::handler<"kit.acknowledges", &Kit::acknowledges>, backplane::handler<"kit.make", &Kit::make>,
                 backplane::handler<"kit.look", &Kit::look>, backplane::handler<"kit.forget", &Kit::forget>,
                 backplane::handler<"kit.wrong_type", &Kit::wrong_type>, backplane::handler<"kit.peek", kit::peek>,
                 backplane::blocking<"kit.blocking", &Kit::sum>, backplane::concurrent<"kit.concurrent", &Kit::sum>,
                 backplane::raw<"kit.reversed", &Kit::reversed>,
                 backplane::raw<"kit.swallow", &Kit::swallow, BP_HANDLER_BLOCKING>,
                 backplane::offers<"maths.add", kit::add>, backplane::offers<"maths.later", &Kit::later>, kit::happened,
                 kit::lookup, backplane::calls<"other.note">, backplane::unload_never);
