// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace backplane::host {

struct AddressRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  bool contains(std::uintptr_t address) const noexcept { return address >= begin && address < end; }
};

/// A thread of the process that may run code in a range.
struct ThreadInRange {
  ::pid_t tid;
  std::string name;
  bool running;  ///< it ran at each look, so that nobody can see where. Else it is blocked in or below the range
};

/// The mapped objects of the process.
struct ProcessObjects {
  std::vector<AddressRange> wanted;    ///< is about to be unmapped
  std::vector<AddressRange> starters;  ///< may have started threads that run its code
  std::vector<AddressRange> plain;     ///< the C and C++ runtime, through which all threads are started
  std::vector<AddressRange> others;
};

/// The threads, but not the host's own, that are blocked below a frame in `wanted`: their next instruction, or a return
/// address on their stack, lies there. A thread that runs is looked at again for 200 ms, and then counts, too, unless
/// it began in one of the `others`. No signal is sent: the system says where a blocked thread stands, and its stack is
/// read. An old return address that a frame has not overwritten yet is taken for one that counts.
///
/// `cannot_look`: the system does not tell; then the result is empty.
std::vector<ThreadInRange> threads_in(const ProcessObjects& objects, bool& cannot_look);

}  // namespace backplane::host
