// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace backplane::host::cli {

/// The reader of stdout has closed it. write_out() throws this. A command that still writes then ends quietly with 0,
/// because the reader has all it wanted.
struct OutputClosed {};

/// An ending signal came while stdout took no bytes. write_out() throws this.
struct OutputInterrupted {};

/// From now on, write_out() stops waiting for stdout when this descriptor is readable.
void interrupt_output_by(int fd) noexcept;

/// Writes all bytes to stdout, unbuffered. Waits if stdout takes none now. Throws OutputClosed, OutputInterrupted, or
/// CommandFailure on another write error.
void write_out(std::string_view bytes);

/// The same for what a command writes when its work is done. If nobody reads it, the command goes on to its exit code.
void write_result(std::string_view bytes);

/// Writes all of the text to stderr, unbuffered. Waits if stderr takes none now.
void write_err(std::string_view text);

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

/// `text` with visible escapes for all that could control a terminal, and for bytes that are not UTF-8. Line breaks and
/// tabs stay.
std::string printable(std::string_view text);

/// The same, but line breaks and tabs are escaped too. Text from modules must not look like lines of ours.
/// More than 16 KiB are cut, and the rest is counted.
std::string one_line(std::string_view text);

/// `text` as a JSON string. Bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

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
