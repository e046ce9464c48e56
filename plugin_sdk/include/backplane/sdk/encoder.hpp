// SPDX-License-Identifier: Apache-2.0
//
// Writes one value. A small value stays on the stack. A larger one grows in a buffer of the host, which the reply hands
// over without a copy, or in the caller's vector.
#pragma once

#include <backplane/plugin.h>
#include <cbor.h>

#include <algorithm>
#include <array>
#include <backplane/cbor/utf8.hpp>
#include <cstdlib>
#include <cstring>
#include <new>

#include "path.hpp"

namespace backplane::detail {

class Output {
 public:
  /// Without `host`, memory comes from malloc().
  explicit Output(const bp_host_api* host = nullptr) : host_(host) {}
  /// Appends to `all`, which is complete after finish(). Do not call view() or fill() on such an Output.
  explicit Output(Bytes& all) : host_(nullptr), all_(&all) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { release(); }

  /// Returns room for `n` bytes at the end: fill it, then commit it. `n` is at most what fits on the stack.
  std::uint8_t* room(std::size_t n) {
    if (capacity_ - size_ < n) [[unlikely]]
      grow(n);
    return data_ + size_;
  }
  void commit(std::size_t n) { size_ += n; }

  void append(const void* data, std::size_t size) {
    if (size == 0) return;
    if (all_ != nullptr && capacity_ - size_ < size) return append_rest(data, size);
    if (capacity_ - size_ < size) grow(size);
    std::memcpy(data_ + size_, data, size);
    size_ += size;
  }

  void finish() { append_rest(nullptr, 0); }

  View view() const noexcept { return {data_, size_}; }

  /// Lets `answer` refer to what was written. `answer` must not outlive this object.
  void fill(bp_answer& answer) noexcept {
    if (buffer_ != nullptr) {
      buffer_->size = size_;
      answer.buffer = buffer_;
    } else {
      answer.payload = {data_, size_};
    }
  }
  /// The host has taken over the buffer that fill() set.
  void taken() noexcept { buffer_ = nullptr, reset(); }

 private:
  [[gnu::noinline]] void append_rest(const void* data, std::size_t size) {
    const auto* const bytes = static_cast<const std::uint8_t*>(data);
    if (size_ + size > all_->capacity() - all_->size()) {
      all_->reserve(std::max(all_->size() + size_ + size, all_->capacity() * 2));
    }
    all_->insert(all_->end(), data_, data_ + size_);
    all_->insert(all_->end(), bytes, bytes + size);
    size_ = 0;
  }

  [[gnu::noinline]] void grow(std::size_t n) {
    if (all_ != nullptr) return append_rest(nullptr, 0);  // then the memory on the stack is free again
    const std::size_t capacity = std::max(capacity_ * 2, size_ + n);
    bp_buffer* buffer = nullptr;
    std::uint8_t* data = nullptr;
    if (host_ != nullptr) {
      buffer = host_->buffer_new(capacity);
      if (buffer != nullptr) data = buffer->data;
    } else {
      data = static_cast<std::uint8_t*>(std::malloc(capacity));
    }
    if (data == nullptr) throw std::bad_alloc();
    std::memcpy(data, data_, size_);
    release();
    data_ = data;
    buffer_ = buffer;
    capacity_ = capacity;
  }

  void release() noexcept {
    if (buffer_ != nullptr) {
      host_->buffer_free(buffer_);
    } else if (host_ == nullptr && data_ != stack_) {
      std::free(data_);
    }
    buffer_ = nullptr;
  }

  void reset() noexcept {
    data_ = stack_;
    size_ = 0;
    capacity_ = sizeof stack_;
  }

  const bp_host_api* host_;
  Bytes* all_ = nullptr;
  bp_buffer* buffer_ = nullptr;
  std::uint8_t stack_[512];
  std::uint8_t* data_ = stack_;
  std::size_t size_ = 0;
  std::size_t capacity_ = sizeof stack_;
};

class Encoder {
 public:
  explicit Encoder(Output& out) : out_(out) {}

  const Step*& here() noexcept { return here_; }

  void uint(std::uint64_t v) { out_.commit(cbor_encode_uint(v, out_.room(head), head)); }
  void integer(std::int64_t v) {
    if (v >= 0) return uint(static_cast<std::uint64_t>(v));
    out_.commit(cbor_encode_negint(static_cast<std::uint64_t>(-(v + 1)), out_.room(head), head));
  }
  void boolean(bool v) { out_.commit(cbor_encode_bool(v, out_.room(head), head)); }
  void null() { out_.commit(cbor_encode_null(out_.room(head), head)); }
  void real(double v) { out_.commit(cbor_encode_double(v, out_.room(head), head)); }
  void real(float v) { out_.commit(cbor_encode_single(v, out_.room(head), head)); }
  void array(std::size_t count) { out_.commit(cbor_encode_array_start(count, out_.room(head), head)); }
  void map(std::size_t count) { out_.commit(cbor_encode_map_start(count, out_.room(head), head)); }
  void bytes(View v) {
    out_.commit(cbor_encode_bytestring_start(v.size(), out_.room(head), head));
    out_.append(v.data(), v.size());
  }
  void text(std::string_view v) {
    if (!try_text(v)) fail("text that is not UTF-8");
  }
  /// Writes text. Returns false and writes nothing if `v` is not UTF-8.
  bool try_text(std::string_view v) {
    if (!cbor::valid_utf8(v)) [[unlikely]]
      return false;
    out_.commit(cbor_encode_string_start(v.size(), out_.room(head), head));
    out_.append(v.data(), v.size());
    return true;
  }
  /// Appends one item that is encoded already.
  void encoded(View v) { out_.append(v.data(), v.size()); }
  /// Appends a few bytes whose number the compiler knows.
  template <std::size_t size>
  void encoded(const std::array<std::uint8_t, size>& v) {
    std::memcpy(out_.room(size), v.data(), size);
    out_.commit(size);
  }

  [[noreturn, gnu::cold, gnu::noinline]] void fail(std::string_view text) const {
    throw Error(BP_EXCEPTION, located(here_, join("cannot be sent: ", text)));
  }

 private:
  static constexpr std::size_t head = 9;  // the longest: one initial byte and eight of argument

  Output& out_;
  const Step* here_ = nullptr;
};

}  // namespace backplane::detail
