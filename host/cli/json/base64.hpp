// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace backplane::host {

/// Base64 of RFC 4648, with + and /, padded.
std::string base64(cbor::View bytes);

/// Decodes the output of base64(). Returns nullopt for any other text.
std::optional<cbor::Bytes> base64_decode(std::string_view text);

}  // namespace backplane::host
