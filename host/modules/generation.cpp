// SPDX-License-Identifier: Apache-2.0
#include "modules/generation.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "sync/mutex.hpp"

namespace backplane::host {

const void* Generation::extension(const char* id) const {
  return entry.extension == nullptr || deinited ? nullptr : entry.extension(id);
}

std::uint32_t Generation::handler_stack(std::uint64_t own) const noexcept {
  const std::uint64_t bytes = own != 0 ? own : stack_size;
  return bytes == 0 ? 0 : static_cast<std::uint32_t>(std::bit_ceil(bytes));
}

PinReason Generation::kept_by_intent() const {
  return {"unload_never", 1,
          manifest.unload_never ? "its manifest has unload=never" : "the operator says unload = never"};
}

bool Generation::runs_on_workers() const noexcept {
  return std::any_of(registered.begin(), registered.end(),
                     [](const auto& handler) { return (handler->flags & BP_HANDLER_BLOCKING) != 0; });
}

std::string Generation::label() const { return manifest.name + " (generation " + std::to_string(number) + ")"; }

std::string Module::hang_words() const {
  const std::string begin = "module \"" + name + "\": its reload hangs; ";
  switch (hang.load(std::memory_order_relaxed)) {
    case Hang::none:
      return {};
    case Hang::ending:
      return begin + "the old generation's deinit or destructors have not returned; load it again when they have";
    case Hang::starting:
      return begin +
             "the new generation's code has not returned; when it does, the old file is loaded again, unless "
             "the module is unloaded before";
    case Hang::restoring:
      break;
  }
  return begin + "the new file was refused, and the old file's code has not returned; load it again when it has";
}

std::string Generation::take_failure() {
  const MutexLock lock(failure_mutex);
  return std::exchange(failure, {});
}

}  // namespace backplane::host
