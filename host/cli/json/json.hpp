// SPDX-License-Identifier: Apache-2.0
//
// Converts between JSON and CBOR. Both directions are exact, except for the losses noted in this table:
//
//   null, booleans, text, arrays       themselves
//   a map with text keys               an object
//   an integer -2^63 … 2^64-1          a number without fraction or exponent, all digits exact
//   an integer below -2^63             {"$int": "-18446744073709551616"}
//   a finite float                     a number with a fraction or an exponent: 1.0, 1e+30 (the width, 2, 4 or
//                                      8 bytes, is lost; JSON makes 8)
//   NaN, the infinities                {"$float": "nan" | "inf" | "-inf"} (the payload of a NaN is lost)
//   bytes                              {"$bytes": "<base64>"}
//   a map with other or repeated keys  {"$map": [[key, value], …]}
//   a map with one key that begins with "$": "$map" as well, so that it cannot be mistaken for a form
//   a tag                              {"$tag": [number, value]}
//   undefined                          {"$undefined": true}
//   another simple value               {"$simple": number}
#pragma once

#include <backplane/cbor/reader.hpp>
#include <backplane/cbor/writer.hpp>

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace backplane::host {

/// Text that is not JSON, or JSON outside the mapping. what() has line, column and cause, and on two more lines the
/// text with a caret under the place.
struct JsonError : std::runtime_error {
  JsonError(const std::string& what, std::size_t at_line, std::size_t at_column)
      : std::runtime_error(what), line(at_line), column(at_column) {}
  std::size_t line;    ///< from 1
  std::size_t column;  ///< from 1, in characters
};

enum class JsonStyle {
  compact,   ///< one line without spaces
  indented,  ///< two spaces per level
};

/// Converts one JSON value to one CBOR item. Throws JsonError, also for duplicate keys, integers beyond 64 bits,
/// numbers beyond a double, and nesting deeper than cbor::max_depth.
cbor::Bytes json_to_cbor(std::string_view json);

/// As json_to_cbor(), except that the whole text {"$raw": "<base64>"} yields those bytes, which need not be CBOR.
cbor::Bytes json_to_payload(std::string_view json);

/// Converts one CBOR item to JSON, without a newline at the end. Throws cbor::Error, also if bytes follow the item.
std::string cbor_to_json(cbor::View item, JsonStyle style = JsonStyle::compact);

/// As above, but gives the text to `sink` in pieces of about 64 KiB, so that it needs no memory for all of it. After an
/// error, `sink` may already have got a part.
using JsonSink = std::function<void(std::string_view)>;
void cbor_to_json(cbor::View item, JsonStyle style, const JsonSink& sink);

/// `text` as a JSON string in quotes. Escapes what could disturb a terminal, also where JSON allows it. Bytes that are
/// not UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);

}  // namespace backplane::host
