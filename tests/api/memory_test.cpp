// SPDX-License-Identifier: Apache-2.0
//
// The memory limit of the host, as an embedding application sees it.
#include <thread>
#include <vector>

#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t limit = 64 * mib;
constexpr std::uint64_t slack = 2 * mib;  // what threads keep for later

/// A process has one host, and its options can be set only before its first context is made.
void configure() {
  static const bp_status status = [] {
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.memory_limit = limit - 1;
    Result why;
    CHECK(bp_host_configure(&options, &why) == BP_INVALID_ARGUMENT);
    CHECK(why.says("memory_limit is 67108863 bytes, expected at least 67108864"));
    CHECK(bp_memory_limit() == UINT64_MAX);
    options.memory_limit = limit;
    return bp_host_configure(&options, nullptr);
  }();
  REQUIRE(status == BP_OK);
}

std::uint64_t memory(const Context& context, const char* field) {
  return status_of(context.native)["memory"][field].number;
}

/// Memory of the application, until the end of the scope.
class Held {
 public:
  explicit Held(std::uint64_t size, std::uint32_t flags = 0) : size_(size), status(bp_memory_take(size, flags)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (status == BP_OK) bp_memory_give(size_);
  }

 private:
  const std::uint64_t size_;

 public:
  const bp_status status;
};

}  // namespace

TEST_CASE("the application's memory counts, is refused beyond the limit, and shows in the status") {
  configure();
  const Context context;
  CHECK(bp_memory_limit() == limit);
  const std::uint64_t before = memory(context, "used");
  {
    const Held most(50 * mib);
    CHECK(most.status == BP_OK);
    CHECK(memory(context, "used") >= before + 49 * mib);
    const std::uint64_t refused = memory(context, "refused");
    const Held more(10 * mib);
    CHECK(more.status == BP_OVERLOADED);
    CHECK(bp_memory_refused() == 1);
    CHECK(memory(context, "refused") == refused + 1);
    const Held anyway(10 * mib, BP_MEMORY_HELD);
    CHECK(anyway.status == BP_OK);
  }
  CHECK(memory(context, "used") < before + slack);
  CHECK(memory(context, "peak") >= before + 59 * mib);
  CHECK(memory(context, "limit") == limit);
  CHECK(memory(context, "rss") > mib);
  CHECK(bp_memory_take(1, 2) == BP_INVALID_ARGUMENT);
}

TEST_CASE("buffers count, large ones leave room for small ones, and all of it comes back") {
  configure();
  const Context context;
  const std::uint64_t before = memory(context, "used");
  std::vector<bp_buffer*> buffers;
  while (bp_buffer* const buffer = bp_buffer_new(mib)) buffers.push_back(buffer);
  CHECK(bp_memory_refused() == 1);
  CHECK(buffers.size() > 45);
  CHECK(buffers.size() < 64);
  bp_buffer* const small = bp_buffer_new(1000);
  CHECK(small != nullptr);
  bp_buffer_free(small);
  for (bp_buffer* const buffer : buffers) bp_buffer_free(buffer);
  CHECK(memory(context, "used") < before + slack);
}

TEST_CASE("a call whose payload finds no memory is overloaded because of the limit, and works again later") {
  configure();
  const Context context;
  const Loaded echo(context, "statics");
  const std::string large(200'000, 'x');
  const std::string name = "statics.echo";
  {
    const Held all(64 * mib, BP_MEMORY_HELD);
    Replies replies;
    CHECK(context.submit(name, replies, large) == BP_OVERLOADED);
    CHECK(bp_memory_refused() == 1);
    CHECK(context.submit(name, replies, large, 1000) == BP_OVERLOADED);
    CHECK(replies.terminal() == 0);
    Result list;
    CHECK(bp_module_list(context.native, &list) == BP_OK);
  }
  Replies replies;
  CHECK(context.submit(name, replies, large) == BP_OK);
  CHECK(replies.wait().size() == 1);
}

TEST_CASE("threads that end give back what they kept") {
  configure();
  const Context context;
  const std::uint64_t before = memory(context, "used");
  for (int i = 0; i < 100; ++i) {
    std::thread([] {
      bp_buffer_free(bp_buffer_new(3 * mib));
      bp_buffer_free(bp_buffer_new(100));
    }).join();
  }
  CHECK(memory(context, "used") < before + slack);
}
