// SPDX-License-Identifier: Apache-2.0
#include "sdk_paths.hpp"

#include <backplane/sdk.hpp>

#include <algorithm>

#include "rows/codec_shapes.hpp"

namespace bench {
namespace {

using backplane::View;

struct Numbers {
  std::int64_t a = 0;
  std::int64_t b = 0;
  double x = 0;
};
BOOST_DESCRIBE_STRUCT(Numbers, (), (a, b, x))

struct Comparison {
  bool ok = false;
};
BOOST_DESCRIBE_STRUCT(Comparison, (), (ok))

struct Comparer {
  Comparison compare(const Numbers& q) { return {static_cast<double>(q.a + q.b) < q.x}; }
  View same(View payload) { return payload; }
};

View expected_answer;
std::uint64_t right_answers = 0;

bp_status take(bp_token, const bp_answer* answer) {
  const View payload(answer->payload.data, answer->payload.size);
  right_answers += answer->status == BP_OK && std::ranges::equal(payload, expected_answer) ? 1 : 0;
  return BP_OK;
}

bool answers(bp_handler_fn handler, View payload, View answer, std::uint64_t count) {
  static constexpr bp_host_api api = [] {
    bp_host_api host{};
    host.struct_size = sizeof host;
    host.reply = take;
    return host;
  }();
  backplane::detail::host.api = &api;
  backplane::detail::State<Comparer> state(nullptr);
  expected_answer = answer;
  right_answers = 0;
  bp_call call{};
  call.struct_size = sizeof call;
  call.state = &state;
  call.token = 1;
  call.payload = {payload.data(), payload.size()};
  for (std::uint64_t i = 0; i < count; ++i) handler(&call);
  return right_answers == count;
}

bool encodes(std::uint64_t count) {
  const Small value = small_sample();
  std::size_t size = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    backplane::detail::Output out;
    backplane::detail::Encoder encoder(out);
    backplane::Codec<Small>::encode(encoder, value);
    size += out.view().size();
  }
  return size == count * backplane::encode(value).size();
}

bool decodes(std::uint64_t count) {
  const backplane::Bytes bytes = backplane::encode(small_sample());
  std::uint64_t right = 0;
  for (std::uint64_t i = 0; i < count; ++i) right += backplane::decode<Small>(bytes).a == small_sample().a ? 1 : 0;
  return right == count;
}

}  // namespace

bool is_sdk_path(const std::string& what) {
  return what == "encode" || what == "decode" || what == "typed" || what == "raw";
}

bool sdk_path(const std::string& what, std::uint64_t count) {
  using backplane::detail::handle;
  if (what == "encode") return encodes(count);
  if (what == "decode") return decodes(count);
  if (what == "typed") {
    return answers(handle<Comparer, &Comparer::compare, false>, backplane::encode(Numbers{1, -2, 0.5}),
                   backplane::encode(Comparison{true}), count);
  }
  static constexpr std::uint8_t payload[64] = {1, 2, 3};
  return answers(handle<Comparer, &Comparer::same, true>, payload, payload, count);
}

}  // namespace bench
