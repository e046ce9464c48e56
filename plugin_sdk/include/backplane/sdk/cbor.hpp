// SPDX-License-Identifier: Apache-2.0
//
// Encodes values to bytes, decodes them back, and has Cbor, a value of any shape.
#pragma once

#include "codec.hpp"
#include "codec_containers.hpp"
#include "codec_described.hpp"
#include "codec_more.hpp"
#include "tagged.hpp"

namespace backplane {

/// Encodes `value` as one CBOR item. Throws Error (BP_EXCEPTION) if text is not UTF-8 or an enum value has no name.
template <class T>
Bytes encode(const T& value) {
  static_assert(detail::WireType<T>::checked);
  Bytes item;
  detail::Output out(item);
  detail::Encoder encoder(out);
  Codec<T>::encode(encoder, value);
  out.finish();
  return item;
}

/// Reads exactly one item. Throws DecodeError with the path of the wrong field. With `lenient`, structs ignore members
/// that they do not have.
template <class T>
T decode(View item, Reading reading = strict) {
  static_assert(detail::WireType<T>::checked);
  detail::Decoder decoder(item, false, reading);
  T value{};
  Codec<T>::decode(decoder, value);
  decoder.finish();
  return value;
}

/// Any one CBOR item, kept encoded, for a value that a module passes on unread. It is always well-formed.
class Cbor {
 public:
  Cbor() = default;  ///< CBOR null

  /// Makes a Cbor of `item`. Throws DecodeError unless it is exactly one well-formed item.
  static Cbor parse(View item) {
    detail::Decoder decoder(item);
    decoder.item();
    decoder.finish();
    return Cbor(item);
  }
  template <class T>
  static Cbor of(const T& value) {
    Cbor out;
    out.encoded_ = encode(value);
    return out;
  }

  /// Decodes the item as a T. Throws DecodeError.
  template <class T>
  T as(Reading reading = strict) const {
    return decode<T>(encoded_, reading);
  }
  /// The encoded item; valid as long as this object, so not of one that ends with its expression.
  View view() const& noexcept { return encoded_; }
  View view() const&& = delete;

  friend bool operator==(const Cbor&, const Cbor&) = default;

 private:
  friend struct Codec<Cbor>;
  explicit Cbor(View item) : encoded_(item.begin(), item.end()) {}

  Bytes encoded_{0xf6};
};

template <>
struct Codec<Cbor> {
  static constexpr bool takes(cbor::Type type) { return type != cbor::Type::end; }
  static std::string expected() { return "any item"; }
  static void decode(detail::Decoder& in, Cbor& out) { out = Cbor(in.item()); }
  static void encode(detail::Encoder& out, const Cbor& value) { out.encoded(value.view()); }
  static constexpr detail::Form form = detail::Form::plain;
  static constexpr void cddl(detail::TextSink& out) { out << "any"; }
  static constexpr void part_name(detail::TextSink& out) { out << "Any"; }
};

template <class T>
Error::Error(bp_status status, std::string message, const T& detail) : Error(status, std::move(message)) {
  detail_ = encode(detail);
}

template <class T>
T Error::detail_as() const {
  return decode<T>(detail(), lenient);
}

}  // namespace backplane
