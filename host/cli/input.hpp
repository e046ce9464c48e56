// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <string>

namespace backplane::host::cli {

/// The bytes of an operand: "-" means stdin, "@FILE" the file's contents, anything else the operand itself.
/// Throws CommandFailure (usage) on a read error.
std::string read_input(const std::string& operand);

/// The contents of a file. Throws CommandFailure (usage).
std::string read_file(const std::string& path);

/// The payload of a call: read_input(), converted from JSON. Throws CommandFailure (usage).
cbor::Bytes read_payload(const std::string& operand);

/// A module's configuration: read_input(), converted from JSON. It must be an object. Throws CommandFailure (usage).
cbor::Bytes read_module_config(const std::string& operand);

/// `path` made absolute, so that another process can use it.
std::string absolute_path(const std::string& path);

}  // namespace backplane::host::cli
