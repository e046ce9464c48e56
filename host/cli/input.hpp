// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <cstddef>
#include <string>

#include "wire/frame.hpp"

namespace backplane::host::cli {

/// The most that a command reads, in bytes: of a text of JSON, which may be longer than its CBOR; of a configuration
/// file; and of a raw payload, which goes into one frame.
inline constexpr std::size_t json_limit = std::size_t{256} << 20;
inline constexpr std::size_t file_limit = std::size_t{16} << 20;
inline constexpr std::size_t raw_limit = wire::default_max_frame;

/// The bytes of an operand: "-" means stdin, "@FILE" the file's contents, anything else the operand itself.
/// Throws CommandFailure (usage) on a read error, or if there are more than `limit` bytes.
std::string read_input(const std::string& operand, std::size_t limit);

/// The contents of a file. Throws as read_input().
std::string read_file(const std::string& path, std::size_t limit);

/// The payload of a call: read_input(), converted from JSON. Throws CommandFailure (usage).
cbor::Bytes read_payload(const std::string& operand);

/// A module's configuration: read_input(), converted from JSON. It must be an object. Throws CommandFailure (usage).
cbor::Bytes read_module_config(const std::string& operand);

/// `path` made absolute, so that another process can use it.
std::string absolute_path(const std::string& path);

}  // namespace backplane::host::cli
