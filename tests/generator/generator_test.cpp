// SPDX-License-Identifier: Apache-2.0
//
// The module generator in a real host.
#include "../../plugins/generator/types.hpp"
#include "../api/fixture.hpp"
#include "../api/status_counts.hpp"

using namespace host_test;
using namespace generator;
using backplane::Bytes;
using backplane::Cbor;
using backplane::decode;
using backplane::encode;
using Catch::Matchers::Contains;

namespace {

backplane::View view_of(bp_bytes bytes) { return {bytes.data, bytes.size}; }

/// A context with the module in it, which takes it out again at the end.
class Host {
 public:
  explicit Host(const Bytes& config = {}) {
    const std::string path = BP_TEST_BUILD_DIR "/plugins/generator.so";
    bp_load_options options = load_options(path);
    options.config = {config.data(), config.size()};
    Result result;
    const bp_status status = bp_module_load(context.native, &options, &result);
    INFO(result.words());
    REQUIRE(status == BP_OK);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() {
    CHECK(eventually([&] { return StatusCounts(context.native).nothing_open(); }));
    Result result;
    const bp_status status = bp_module_unload(context.native, BP_STR("generator"), 0, &result);
    CHECK((status == BP_OK || status == BP_PINNED));  // the latter with sanitizers
  }

  template <class Reply, class Request>
  Reply get(const char* name, const Request& request) const {
    const Bytes payload = encode(request);
    Result result;
    const bp_status status = bp_call_sync(context.native, str(name), {payload.data(), payload.size()}, 0, &result);
    INFO(result.words());
    REQUIRE(status == BP_OK);
    return decode<Reply>(view_of(result.payload));
  }
  template <class Request>
  std::string refused(const char* name, const Request& request, bp_status expected = BP_INVALID_ARGUMENT) const {
    const Bytes payload = encode(request);
    Result result;
    CHECK(bp_call_sync(context.native, str(name), {payload.data(), payload.size()}, 0, &result) == expected);
    return result.words();
  }
  std::vector<std::int64_t> chain(std::uint32_t stages, std::vector<std::int64_t> values) const {
    return get<Values>("generator.chain", Chain{stages, std::move(values)}).values;
  }
  template <class Request>
  bp_request submit(const char* name, const Request& request, Replies& replies, std::uint64_t timeout_ms = 0) const {
    const Bytes payload = encode(request);
    bp_request id{};
    const std::string text = text_of(bp_bytes{payload.data(), payload.size()});
    // No REQUIRE: replies submit too, on the context's thread.
    if (context.submit(name, replies, text, timeout_ms, &id) != BP_OK) throw std::runtime_error("it was not accepted");
    return id;
  }

  const Context context;
};

/// The primes of the partial answers, in the order of arrival; they come on the context's own thread.
struct Primed {
  std::vector<std::uint64_t> primes;
  Counted done;
  std::function<void()> on_first;
  Replies replies{[this](const bp_answer& answer) {
    if (answer.status == BP_OK) done = decode<Counted>(view_of(answer.payload));
    if (answer.status != BP_PARTIAL) return;
    primes.push_back(decode<Prime>(view_of(answer.payload)).prime);
    if (primes.size() == 1 && on_first) on_first();
  }};
};

std::vector<Cbor> items(const std::vector<int>& numbers) {
  std::vector<Cbor> out;
  for (const int n : numbers) out.push_back(Cbor::of(n));
  return out;
}

}  // namespace

TEST_CASE("generator.primes sends each prime as a part, then how many they were and the last") {
  const Host host;
  Primed ten;
  host.submit("generator.primes", Primes{10}, ten.replies);
  CHECK(ten.replies.wait().size() == 11);
  CHECK(ten.primes == std::vector<std::uint64_t>{2, 3, 5, 7, 11, 13, 17, 19, 23, 29});
  CHECK(ten.done.count == 10);
  CHECK(ten.done.last == 29);
  Primed many;
  host.submit("generator.primes", Primes{10'000}, many.replies);
  CHECK(many.replies.wait().size() == 10'001);
  CHECK(many.primes.size() == 10'000);
  CHECK(many.done.last == 104'729);
}

TEST_CASE("other requests run while generator.primes does") {
  const Host host;
  Primed many;
  Primed one;
  many.on_first = [&] { host.submit("generator.primes", Primes{1}, one.replies); };
  int before = 0;
  one.on_first = [&] { before = many.replies.terminal(); };
  host.submit("generator.primes", Primes{20'000}, many.replies);
  CHECK(many.replies.wait().size() == 20'001);
  CHECK(one.replies.wait().size() == 2);
  CHECK(one.primes == std::vector<std::uint64_t>{2});
  CHECK(before == 0);
}

TEST_CASE("generator.primes ends in the middle when it is canceled") {
  const Host host;
  Primed primed;
  std::atomic<bool> begun{false};
  std::atomic<bool> canceled{false};
  primed.on_first = [&] {
    begun = true;
    eventually([&] { return canceled.load(); });
  };
  const bp_request request = host.submit("generator.primes", Primes{100'000}, primed.replies);
  REQUIRE(eventually([&] { return begun.load(); }));
  CHECK(bp_cancel(host.context.native, request) == BP_OK);
  canceled = true;
  CHECK(primed.replies.wait().back() == "canceled");
  CHECK(primed.replies.terminal() == 1);
  CHECK(eventually([&] { return StatusCounts(host.context.native).nothing_open(); }));
  CHECK(primed.primes.size() < 100'000);
  CHECK(host.chain(2, {1}) == std::vector<std::int64_t>{3});
}

TEST_CASE("generator.chain ends at its deadline, with all its fibers suspended") {
  const Host host;
  Replies replies;
  host.submit("generator.chain", Chain{1'000, std::vector<std::int64_t>(10'000, 7)}, replies, 1);
  CHECK(replies.wait() == Seen{"deadline"});
}

TEST_CASE("generator.zip takes from both lists in turn, then what is left of the longer one") {
  const Host host;
  const auto zipped = [&](const std::vector<int>& left, const std::vector<int>& right) {
    std::vector<int> out;
    for (const Cbor& item : host.get<Items>("generator.zip", Lists{items(left), items(right)}).items) {
      out.push_back(item.as<int>());
    }
    return out;
  };
  CHECK(zipped({1, 3, 5}, {2, 4, 6}) == std::vector<int>{1, 2, 3, 4, 5, 6});
  CHECK(zipped({1}, {2, 3, 4}) == std::vector<int>{1, 2, 3, 4});
  CHECK(zipped({1, 3, 4}, {2}) == std::vector<int>{1, 2, 3, 4});
  CHECK(zipped({}, {1, 2}) == std::vector<int>{1, 2});
  CHECK(zipped({1}, {}) == std::vector<int>{1});
  CHECK(zipped({}, {}).empty());
  const std::vector<int> many(3'000, 1);
  CHECK(zipped(many, many).size() == 6'000);
  const Lists any{{Cbor::of(std::string("a")), Cbor::of(items({1, 2}))}, {Cbor::of(2.5)}};
  CHECK(host.get<Items>("generator.zip", any).items == std::vector<Cbor>{any.left[0], any.right[0], any.left[1]});
}

TEST_CASE("generator.chain adds one for each stage, and keeps the values in order") {
  const Host host;
  CHECK(host.chain(1, {1, -1, 0}) == std::vector<std::int64_t>{2, 0, 1});
  CHECK(host.chain(100, {5, 4, 3}) == std::vector<std::int64_t>{105, 104, 103});
  CHECK(host.chain(3, {}).empty());
#if defined(__SANITIZE_THREAD__)
  constexpr std::uint32_t most = 1'000;  // it takes each fiber for a thread, and no more than 8128 of these
#else
  constexpr std::uint32_t most = 10'000;
#endif
  CHECK(host.chain(most, {0, 1}) == std::vector<std::int64_t>{most, most + 1});
  CHECK(host.chain(2, {INT64_MAX - 2, INT64_MIN}) == std::vector<std::int64_t>{INT64_MAX, INT64_MIN + 2});
}

TEST_CASE("generator refuses what is out of bounds, and says what the bounds are") {
  const Host host;
  CHECK(host.refused("generator.primes", Primes{0}) == "count: expected 1 to 100000, got 0");
  CHECK(host.refused("generator.primes", Primes{100'001}) ==
        "count: 100001 is above this generator's limit of 100000; raise max_primes in its configuration, or ask for "
        "less");
  CHECK(host.refused("generator.chain", Chain{0, {1}}) == "stages: expected 1 to 10000, got 0");
  CHECK_THAT(host.refused("generator.chain", Chain{10'001, {1}}), Contains("limit of 10000; raise max_stages"));
  CHECK_THAT(host.refused("generator.chain", Chain{1, std::vector<std::int64_t>(10'001)}), Contains("values: 10001"));
  CHECK(host.refused("generator.chain", Chain{3, {1, INT64_MAX - 2}}) ==
        "values[1]: 9223372036854775805 with 1 added by each of 3 stages is beyond what 64 bits hold");
  CHECK_THAT(host.refused("generator.chain", std::map<std::string, int>{{"stages", 1}}, BP_BAD_PAYLOAD),
             Contains("values: missing"));
  CHECK_THAT(host.refused("generator.zip", std::map<std::string, int>{{"left", 1}}, BP_BAD_PAYLOAD), Contains("left"));
}

TEST_CASE("generator takes its bounds from its configuration") {
  const Host host(
      encode(std::map<std::string, int>{{"max_primes", 2}, {"max_items", 1}, {"max_stages", 3}, {"max_values", 1}}));
  CHECK_THAT(host.refused("generator.primes", Primes{3}), Contains("limit of 2; raise max_primes"));
  CHECK_THAT(host.refused("generator.zip", Lists{items({1}), items({1, 2})}),
             Contains("right: 2 is above this generator's limit of 1; raise max_items"));
  CHECK_THAT(host.refused("generator.zip", Lists{items({1, 2}), items({1})}), Contains("left: 2"));
  CHECK_THAT(host.refused("generator.chain", Chain{4, {}}), Contains("limit of 3; raise max_stages"));
  CHECK_THAT(host.refused("generator.chain", Chain{3, {1, 2}}), Contains("limit of 1; raise max_values"));
  CHECK(host.chain(3, {1}) == std::vector<std::int64_t>{4});
}
