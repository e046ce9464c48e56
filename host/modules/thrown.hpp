// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/escape.hpp>
#include <exception>
#include <string>

namespace backplane::host {

/// Runs code of a module. No exception leaves it: its type and its destructor belong to the object, which may be
/// unmapped before somebody else catches it. Returns an empty text, or what was thrown.
template <class F>
std::string thrown_by(F code) {
  constexpr std::size_t most = 1000;
  try {
    code();
    return {};
  } catch (const std::exception& error) {
    const std::string text = cbor::escaped(std::string(error.what()).substr(0, most), cbor::Escape::line);
    return text.empty() ? "an exception without a text" : text;
  } catch (...) {
    return "an exception of a type of its own";
  }
}

}  // namespace backplane::host
