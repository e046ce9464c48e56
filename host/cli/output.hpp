// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace backplane::host::cli {

/// The reader of stdout has closed it. write_out() throws this. A command then ends quietly with 0, because the
/// reader has all it wanted.
struct OutputClosed {};

/// Writes all bytes to stdout, unbuffered. Throws OutputClosed, or CommandFailure on another write error.
void write_out(std::string_view bytes);

/// Writes "backplane: " and the line to stderr.
void note(std::string_view line);

bool stdout_is_terminal();

/// Concatenates the parts.
template <class... Part>
std::string cat(const Part&... parts) {
  std::string out;
  (out += ... += parts);
  return out;
}

/// `text` with visible escapes for control characters (except newline and tab) and U+FFFD for bytes that are not
/// UTF-8. Text from modules must not control the terminal.
std::string printable(std::string_view text);

/// `text` as a JSON string. Bytes that are not UTF-8 become U+FFFD.
std::string quoted(std::string_view text);

struct PayloadText {
  std::string text;  ///< JSON
  std::string why;   ///< why the payload is not CBOR; `text` is then {"$raw": "<base64>"}. Empty if it is CBOR
};

/// A payload as JSON; on several lines if `indented`.
PayloadText payload_json(cbor::View payload, bool indented);

/// Writes a payload to stdout as payload_json() gives it, and a line break. Returns `why`. A large payload is written
/// while it is read, so the text never lies in memory as a whole.
std::string write_payload(cbor::View payload, bool indented);

/// A table with aligned columns, two spaces apart.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace backplane::host::cli
