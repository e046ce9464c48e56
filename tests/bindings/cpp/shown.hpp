// SPDX-License-Identifier: Apache-2.0
//
// How the transcript shows values: see tests/bindings/transcript/README.md.
#pragma once

#include <backplane/cbor.h>

#include <algorithm>
#include <array>
#include <backplane/client.hpp>
#include <charconv>
#include <cmath>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shown {

inline std::string text(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
      out += escape.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

inline std::string bytes(backplane::View value) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "h'";
  for (const std::uint8_t byte : value) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out + "'";
}

inline std::string real(double value) {
  if (std::isnan(value)) return "NaN";
  std::array<char, 32> out{};
  const auto end = std::to_chars(out.data(), out.data() + out.size(), value).ptr;
  const std::string shown(out.data(), end);
  return shown.find_first_of(".en") == std::string::npos ? shown + ".0" : shown;
}

inline std::string item(bp_cbor_reader& in) {
  bp_cbor_head head{};
  if (bp_cbor_peek_head(&in, &head) == 0) return "malformed";
  if (head.kind == BP_CBOR_ARRAY || head.kind == BP_CBOR_MAP) {
    std::vector<std::string> items;
    bp_cbor_level level;
    const bool is_map = head.kind == BP_CBOR_MAP;
    is_map ? bp_cbor_enter_map(&in, &level) : bp_cbor_enter_array(&in, &level);
    while (bp_cbor_more(&in, &level) != 0) {
      items.push_back(item(in));
      if (is_map) items.back() += ": " + item(in);
    }
    if (is_map) std::sort(items.begin(), items.end());
    std::string out(is_map ? "{" : "[");
    for (const std::string& each : items) out += (out.size() == 1 ? "" : ", ") + each;
    return out + (is_map ? "}" : "]");
  }
  in.at += head.size;
  const backplane::View body(in.at, head.kind == BP_CBOR_TEXT || head.kind == BP_CBOR_BYTES ? head.value : 0);
  in.at += body.size();
  switch (head.kind) {
    case BP_CBOR_UINT:
      return std::to_string(head.value);
    case BP_CBOR_NINT:
      return head.value == UINT64_MAX ? "-18446744073709551616" : "-" + std::to_string(head.value + 1);
    case BP_CBOR_TEXT:
      return text({reinterpret_cast<const char*>(body.data()), body.size()});
    case BP_CBOR_BYTES:
      return bytes(body);
    case BP_CBOR_BOOL:
      return head.value != 0 ? "true" : "false";
    case BP_CBOR_FLOAT:
      return real(bp_cbor_float_value(head.value, head.size - 1));
    default:
      return "null";
  }
}

inline std::string value(const backplane::Cbor& any) {
  bp_cbor_reader in;
  bp_cbor_begin(&in, {any.view().data(), any.view().size()});
  return item(in);
}
inline std::string value(const std::string& of) { return text(of); }
inline std::string value(const char* of) { return text(of); }
inline std::string value(std::string_view of) { return text(of); }
inline std::string value(bool of) { return of ? "true" : "false"; }
template <class T>
requires std::is_integral_v<T> std::string value(T of) { return std::to_string(of); }
template <class T>
std::string value(const std::vector<T>& of) {
  std::string out = "[";
  for (const T& each : of) out += (out.size() == 1 ? "" : ", ") + value(each);
  return out + "]";
}
template <class... T>
std::string value(const std::variant<T...>& of) {
  return std::visit([](const auto& each) { return value(each); }, of);
}
template <class T>
std::string value(const std::optional<T>& of) {
  return of ? value(*of) : "null";
}
/// An enum, as it is on the wire.
template <class T>
requires std::is_enum_v<T> std::string value(T of) {
  const std::string shown = value(backplane::Cbor::of(of));
  return shown.substr(1, shown.size() - 2);
}

/// A member: {"name", value}.
struct Member {
  template <class T>
  Member(std::string_view name, const T& of) : shown(std::string(name) + "=" + value(of)) {}
  std::string shown;
};
/// A value that is shown already.
struct As {
  std::string shown;
};
inline std::string value(const As& of) { return of.shown; }

/// Prints a line of the transcript.
inline void line(std::string_view name, std::initializer_list<Member> members) {
  std::string out = std::string(name) + ":";
  for (const Member& member : members) out += " " + member.shown;
  std::cout << out << std::endl;
}

inline void error(std::string_view name, bp_status status, std::string_view message, backplane::View detail,
                  bool with_message) {
  std::string out = std::string(name) + ": error status=" +
                    (status >= BP_STATUS_MODULE_FIRST ? std::to_string(status) : bp_status_name(status));
  if (with_message) out += " message=" + text(message);
  if (!detail.empty()) out += " detail=" + value(backplane::Cbor::parse(detail));
  std::cout << out << std::endl;
}
template <class T>
void error(std::string_view name, const backplane::client::Result<T>& result, bool with_message = false) {
  if (result.ok()) {
    std::cout << name << ": no error" << std::endl;
  } else {
    error(name, result.status(), result.message(), result.detail(), with_message);
  }
}

/// A value that another thread gives.
template <class T>
class Awaited {
 public:
  void give(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    changed_.notify_all();
  }
  T take(std::string_view name) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(10), [this] { return value_.has_value(); })) {
      std::cout << name << ": timeout" << std::endl;
      std::exit(1);
    }
    T taken = std::move(*value_);
    value_.reset();
    return taken;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

}  // namespace shown
