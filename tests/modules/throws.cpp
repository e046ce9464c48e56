// SPDX-License-Identifier: Apache-2.0
//
// Made with the SDK. throws.now throws; throws.late awaits an hour, which throws when that is ended early.
#include <backplane/sdk.hpp>
#include <stdexcept>

namespace {

struct Throws {
  explicit Throws(backplane::Instance&) {}
  backplane::View now(backplane::View) { throw std::runtime_error("thrown"); }
  backplane::View late(backplane::Call& call, backplane::View in) {
    call.sleep(std::chrono::hours(1));
    return in;
  }
};

}  // namespace

BACKPLANE_MODULE(Throws, "throws", "1", backplane::raw<"throws.now", &Throws::now>,
                 backplane::raw<"throws.late", &Throws::late>);
