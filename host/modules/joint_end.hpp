// SPDX-License-Identifier: Apache-2.0
//
// The end of several generations, as one.
#pragma once

#include <memory>
#include <new>

#include "modules/generation.hpp"

namespace backplane::host {

/// Ends when all that it counts have ended. Count one more with add_context() while others are being counted in.
inline std::shared_ptr<Retirement> make_joint() {
  const auto self = std::make_shared<std::weak_ptr<Retirement>>();
  auto joint = std::make_shared<Retirement>([self] {
    if (const auto made = self->lock()) made->finish({});
  });
  *self = joint;
  return joint;
}

/// Without memory, the joint end does not wait for this one.
inline void count_in(const std::shared_ptr<Retirement>& joint, Retirement& one) noexcept {
  joint->add_context();
  try {
    one.then([joint] { joint->context_done(); });
  } catch (const std::bad_alloc&) {
    joint->context_done();
  }
}

}  // namespace backplane::host
