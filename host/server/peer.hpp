// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

namespace backplane::host {

/// The process at the other end of a connection, when it connected.
struct Peer {
  long pid = 0;  ///< 0: unknown
  ::uid_t uid = 0;
};

/// For people: "process 4711 (user 1000, curl)". The name of the command is what the process says of itself, so each
/// byte of it that could be mistaken becomes "?". It is missing if it cannot be read.
std::string words_of(const Peer& peer);

}  // namespace backplane::host
