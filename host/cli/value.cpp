// SPDX-License-Identifier: Apache-2.0
#include "cli/value.hpp"

#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {

Value Value::read(cbor::View item) {
  try {
    cbor::check_well_formed(item);
    cbor::Reader reader(item);
    return read(reader, 0);
  } catch (const cbor::Error& error) {
    throw CommandFailure{
        exit_unreachable, BP_PROTOCOL,
        cat("the host's report is not CBOR: ", error.what(), " at byte ", std::to_string(error.offset))};
  }
}

Value Value::read(cbor::Reader& reader, std::size_t depth) {
  Value out;
  cbor::Reader ahead = reader;
  out.bytes_ = ahead.skip();
  const cbor::Item item = reader.peek();
  if (item.until_end || depth > cbor::max_depth) {
    reader.skip();  // a host sends neither indefinite lengths nor deep nesting
    return out;
  }
  reader.next();
  switch (item.type) {
    case cbor::Type::text:
    case cbor::Type::bytes:  // a path that is not UTF-8
      out.text_ = one_line(item.text());
      break;
    case cbor::Type::uint:
      out.number_ = item.value;
      out.text_ = std::to_string(item.value);
      break;
    case cbor::Type::boolean:
      out.number_ = item.value;
      out.text_ = item.value != 0 ? "yes" : "no";
      break;
    case cbor::Type::array:
      for (std::uint64_t i = 0; i < item.value; ++i) out.items_.push_back(read(reader, depth + 1));
      break;
    case cbor::Type::map:
      for (std::uint64_t i = 0; i < item.value; ++i) {
        std::string key = read(reader, depth + 1).text_;
        out.members_.emplace_back(std::move(key), read(reader, depth + 1));
      }
      break;
    case cbor::Type::tag:
      return read(reader, depth + 1);
    default:
      break;
  }
  return out;
}

const Value& Value::operator[](std::string_view key) const {
  static const Value nothing;
  for (const auto& [name, value] : members_) {
    if (name == key) return value;
  }
  return nothing;
}

std::string Value::lines() const {
  if (bytes_.empty()) return {};
  const cbor::Item item = cbor::Reader(bytes_).peek();
  return item.type == cbor::Type::text && !item.until_end ? printable(item.text()) : text_;
}

std::string Value::raw() const {
  if (bytes_.empty()) return {};
  const cbor::Item item = cbor::Reader(bytes_).next();
  const bool has = (item.type == cbor::Type::text || item.type == cbor::Type::bytes) && !item.until_end;
  return has ? std::string(item.text()) : std::string();
}

std::string Value::joined() const {
  std::string out;
  for (const Value& item : items_) out += cat(out.empty() ? "" : ", ", item.text());
  return out;
}

}  // namespace backplane::host::cli
