// SPDX-License-Identifier: Apache-2.0
//
// JSON for people, CBOR for modules. The mapping, lossless both ways but for what is said here:
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
//   a map with one key, which begins with "$": the same, so that it is not taken for one of these
//   a tag                              {"$tag": [number, value]}
//   undefined                          {"$undefined": true}
//   another simple value               {"$simple": number}
#pragma once

#include <backplane/cbor/reader.hpp>
#include <backplane/cbor/writer.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace backplane::host {

/// Text that is no JSON, or JSON that the mapping does not have. what() is the whole story: line,
/// column, cause, and on two more lines the text with a caret under the place.
struct JsonError : std::runtime_error {
  JsonError(const std::string& what, std::size_t at_line, std::size_t at_column)
      : std::runtime_error(what), line(at_line), column(at_column) {}
  std::size_t line;    ///< from 1
  std::size_t column;  ///< from 1, in characters
};

enum class JsonStyle {
  compact,   ///< one line, no spaces to spare
  indented,  ///< two spaces a level
};

/// One JSON value as one CBOR item. Throws JsonError; also for duplicate keys, integers that do not
/// fit 64 bits, numbers beyond a double, and nesting deeper than cbor::max_depth.
cbor::Bytes json_to_cbor(std::string_view json);

/// As json_to_cbor(), but if the whole is {"$raw": "<base64>"}, it is those bytes, CBOR or not.
cbor::Bytes json_to_payload(std::string_view json);

/// One CBOR item as JSON, with no newline at the end. Throws cbor::Error, also for bytes that follow
/// the item.
std::string cbor_to_json(cbor::View item, JsonStyle style = JsonStyle::compact);

/// `text` as a JSON string, in quotes. Control characters are escaped, also those that JSON leaves
/// alone and terminals do not. `text` must be UTF-8.
std::string json_quote(std::string_view text);

}  // namespace backplane::host
