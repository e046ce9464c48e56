// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace backplane::host {

/// RFC 4648, the alphabet with + and /, padded.
std::string base64(cbor::View bytes);

/// The inverse; nothing for text that base64() cannot have made.
std::optional<cbor::Bytes> base64_decode(std::string_view text);

}  // namespace backplane::host
