// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fixture.hpp"

namespace host_test {

/// Keeps a context's request thread inside a reply callback, from the constructor until let_go().
class KeptThread {
 public:
  explicit KeptThread(const Context& context)
      : replies_([this](const bp_answer&) {
          kept_ = true;
          while (!go_on_) std::this_thread::yield();
        }) {
    REQUIRE(context.submit("no.such_name", replies_) == BP_OK);
    REQUIRE(eventually([this] { return kept_.load(); }));
  }
  KeptThread(const KeptThread&) = delete;
  KeptThread& operator=(const KeptThread&) = delete;
  ~KeptThread() { let_go(); }

  void let_go() {
    go_on_ = true;
    replies_.wait();
  }

 private:
  std::atomic<bool> kept_{false};
  std::atomic<bool> go_on_{false};
  Replies replies_;
};

}  // namespace host_test
