// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/reader.hpp>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// A CBOR report, read.
struct Value {
  std::map<std::string, Value> fields;
  std::vector<Value> items;
  std::string text;
  std::uint64_t number = 0;

  const Value& operator[](const std::string& key) const {
    const auto found = fields.find(key);
    if (found == fields.end()) throw std::runtime_error("the report has no field " + key);
    return found->second;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const Value& item : items) all.push_back(item.text);
    return all;
  }
  bool empty() const { return fields.empty() && items.empty() && text.empty(); }

  static Value read(backplane::cbor::Reader& in) {
    const auto item = in.next();
    Value value;
    value.number = item.value;
    if (item.type == backplane::cbor::Type::text) value.text = item.text();
    if (item.type == backplane::cbor::Type::array) {
      for (std::uint64_t i = 0; i < item.value; ++i) value.items.push_back(read(in));
    }
    if (item.type == backplane::cbor::Type::map) {
      for (std::uint64_t i = 0; i < item.value; ++i) {
        const std::string key(in.next().text());
        value.fields.emplace(key, read(in));
      }
    }
    return value;
  }

  /// What `bytes` encode; empty if there are none.
  static Value of(std::string_view bytes) {
    if (bytes.empty()) return {};
    backplane::cbor::Reader in({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    return read(in);
  }
};
