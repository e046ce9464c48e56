// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

namespace backplane::host {

/// The source of a connection's calls (bp_source_open).
class CallSource {
 public:
  bp_source get() const noexcept { return source_; }
  /// `name`: of the peer, for people.
  bp_status open(bp_context context, bp_str name) noexcept {
    const bp_status status = bp_source_open(context, &source_);
    return status == BP_OK ? bp_source_name(context, source_, name) : status;
  }
  void close(bp_context context) noexcept {
    if (source_.id != 0) bp_source_close(context, source_);
  }

  bool is_held() const noexcept { return held_; }
  /// While held, its calls send no parts. The host only takes a note, so this may be called under a lock.
  void hold(bp_context context, bool hold) noexcept {
    held_ = hold;
    bp_source_hold(context, source_, hold ? 1 : 0);
  }

 private:
  bp_source source_{};
  bool held_ = false;
};

}  // namespace backplane::host
