// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace backplane::host::cli {

/// Whoever read stdout has gone. Thrown by write_out(); a command then ends quietly with 0, because
/// the reader has had what it wanted.
struct OutputClosed {};

/// Writes to stdout, at once and whole. Throws OutputClosed, or CommandFailure if it cannot be written.
void write_out(std::string_view bytes);

/// One line for people to stderr, with "backplane: " before it.
void note(std::string_view line);

bool stdout_is_terminal();

/// The parts one after the other.
template <class... Part>
std::string cat(const Part&... parts) {
  std::string out;
  (out += ... += parts);
  return out;
}

/// `text` with control characters (but newlines) and bytes that are no UTF-8 made visible: what comes
/// from modules must not steer the terminal.
std::string printable(std::string_view text);

/// `text` as a JSON string; bytes that are no UTF-8 become U+FFFD.
std::string quoted(std::string_view text);

struct PayloadText {
  std::string text;  ///< JSON
  std::string why;   ///< if the payload is no CBOR: what is wrong; `text` is then {"$raw": "<base64>"}
};

/// A payload as JSON; on several lines if `indented`.
PayloadText payload_json(cbor::View payload, bool indented);

/// A table whose columns stand under each other, two blanks between them. The first row is the head.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace backplane::host::cli
