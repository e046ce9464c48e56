// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <string>

namespace backplane::host::cli {

/// The bytes that an operand stands for: "-" is stdin, "@FILE" a file's, all else itself. Throws
/// CommandFailure (usage) if they cannot be read.
std::string read_input(const std::string& operand);

/// The contents of a file. Throws CommandFailure (usage).
std::string read_file(const std::string& path);

/// The payload of a call, from JSON that read_input() gives. Throws CommandFailure (usage).
cbor::Bytes read_payload(const std::string& operand);

/// A module's configuration, in the same way; it must be a map.
cbor::Bytes read_module_config(const std::string& operand);

/// An absolute path, as another process needs it.
std::string absolute_path(const std::string& path);

}  // namespace backplane::host::cli
