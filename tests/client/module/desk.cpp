// SPDX-License-Identifier: Apache-2.0
//
// For the tests of the C++ client:
//
//   desk.fail {status, code}   answers this status, with the detail {code, newer}
//   desk.nap {ms}              waits. → {ms, newer}: the second member is unknown to the tests
//   desk.tell {count}          emits so many desk.happened {number}, and one desk.odd [text]. → {ms, newer}
//   desk.more {ms}             only if it was built with DESK_MORE
#include <backplane/sdk.hpp>

namespace desk {
namespace {

struct Fail {
  std::int32_t status = 0;
  std::int64_t code = 0;
};
BOOST_DESCRIBE_STRUCT(Fail, (), (status, code))
struct Detail {
  std::int64_t code = 0;
  std::string newer = "unknown";
};
BOOST_DESCRIBE_STRUCT(Detail, (), (code, newer))
struct Nap {
  std::uint32_t ms = 0;
};
BOOST_DESCRIBE_STRUCT(Nap, (), (ms))
struct Napped {
  std::uint32_t ms = 0;
  std::string newer = "unknown";
};
BOOST_DESCRIBE_STRUCT(Napped, (), (ms, newer))
struct Tell {
  std::uint32_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Tell, (), (count))
struct Happened {
  std::uint32_t number = 0;
  std::string newer = "unknown";
};
BOOST_DESCRIBE_STRUCT(Happened, (), (number, newer))

constexpr auto happened = backplane::event<"desk.happened", Happened>;
constexpr auto odd = backplane::event<"desk.odd", std::string>;

class Desk {
 public:
  explicit Desk(backplane::Instance& self) : self_(self) {}

  void fail(const Fail& in) const {
    throw backplane::Error(in.status, "found a failure, expected one, do nothing", Detail{in.code});
  }
  Napped nap(backplane::Call& call, const Nap& in) const {
    call.sleep(backplane::Milliseconds(in.ms));
    return {in.ms};
  }
  Napped tell(const Tell& in) const {
    for (std::uint32_t i = 0; i < in.count; ++i) self_.announce(happened, {i});
    self_.announce(odd, "odd");
    return {};
  }

 private:
  backplane::Instance& self_;
};

}  // namespace
}  // namespace desk

#ifdef DESK_MORE
#define DESK_MORE_ENTRY backplane::handler<"desk.more", &desk::Desk::nap>,
#else
#define DESK_MORE_ENTRY
#endif

BACKPLANE_MODULE(desk::Desk, "desk", "1.0.0", backplane::summary<"fails, naps and tells">,
                 backplane::handler<"desk.fail", &desk::Desk::fail>, backplane::handler<"desk.nap", &desk::Desk::nap>,
                 backplane::handler<"desk.tell", &desk::Desk::tell>, DESK_MORE_ENTRY desk::happened, desk::odd);
