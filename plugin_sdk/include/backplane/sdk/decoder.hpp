// SPDX-License-Identifier: Apache-2.0
//
// Reads one value from an untrusted source. It takes any well-formed CBOR: known and unknown lengths, strings in
// chunks, heads longer than needed, keys in any order. It skips tags.
#pragma once

#include <array>
#include <backplane/cbor/probe.hpp>
#include <backplane/cbor/reader.hpp>
#include <cstdint>
#include <cstring>

#include "path.hpp"

namespace backplane {

/// What a struct makes of members that it does not have.
enum class Reading : std::uint8_t {
  strict,   ///< refuses them: requests and configurations are read like this
  lenient,  ///< ignores them: answers, parts, events and stored state are read like this, since a newer version of
            ///< the other side may say more
};
inline constexpr Reading strict = Reading::strict;
inline constexpr Reading lenient = Reading::lenient;

}  // namespace backplane

namespace backplane::detail {

class Decoder {
 public:
  /// `absent_is_default`: absent members of a struct keep the value that the struct had before.
  explicit Decoder(View input, bool absent_is_default = false, Reading reading = strict)
      : reader_(input), absent_is_default_(absent_is_default), reading_(reading) {}

  bool absent_is_default() const noexcept { return absent_is_default_; }
  bool ignores_unknown() const noexcept { return reading_ == lenient; }
  /// Skips the value of a member that the struct does not have.
  void ignore_item() {
    item();
    ++ignored_;
  }
  void set_ignored(std::size_t members) noexcept { ignored_ = members; }
  const Step*& here() noexcept { return here_; }

  /// Reads the next head and skips tags. Throws DecodeError.
  cbor::Item next() {
    cbor::Item item = raw_next();
    if (item.type == cbor::Type::tag) [[unlikely]]
      pass_tags(item);
    return item;
  }

  cbor::Item peek() {
    const cbor::Reader before = reader_;
    const cbor::Item item = next();
    reader_ = before;
    return item;
  }

  /// Reads the next head, which must be of `type`. Throws DecodeError.
  cbor::Item next(cbor::Type type, std::string_view expected) {
    const cbor::Item item = next();
    if (item.type != type) mismatch(expected, item);
    return item;
  }

  /// Skips `item` if the input continues with exactly these bytes. For items that nearly always come, and in their
  /// shortest form, this is cheaper than decoding.
  template <std::size_t size>
  bool take(const std::array<std::uint8_t, size>& item) noexcept {
    const View rest = reader_.rest();
    if (rest.size() < size || std::memcmp(rest.data(), item.data(), size) != 0) return false;
    reader_.pass(size);
    return true;
  }

  /// Looks at the next item, in case it is a plain number or string. Take it with pass(). For all else call next(),
  /// which throws with the reason if the item is wrong.
  cbor::Probe probe() const noexcept { return cbor::Probe(reader_.rest()); }
  void pass(const cbor::Probe& probe) noexcept { reader_.pass(probe.length); }

  View rest() const noexcept { return reader_.rest(); }

  /// Whether the next item after any tags is null or undefined.
  bool null_ahead() {
    const View rest = reader_.rest();
    if (rest.empty() || rest[0] >> 5 != 6) return !rest.empty() && (rest[0] == 0xf6 || rest[0] == 0xf7);
    const cbor::Type type = peek().type;
    return type == cbor::Type::null || type == cbor::Type::undefined;
  }

  /// Skips one whole item with its tags and returns its bytes in the input.
  View item() {
    try {
      return reader_.skip(depth_);
    } catch (const cbor::Error& e) {
      malformed(e);
    }
  }

  /// Returns the text that `head` begins. Text in chunks is joined in `scratch`.
  std::string_view text(const cbor::Item& head, std::string& scratch) {
    if (!head.until_end) return head.text();
    scratch.clear();
    chunks(head, [&](const cbor::Item& chunk) { scratch += chunk.text(); });
    return scratch;
  }

  /// Calls `use` with each piece of the text or bytes that `head` begins.
  template <class Use>
  void chunks(const cbor::Item& head, Use use) {
    if (!head.until_end) return use(head);
    for (;;) {
      const cbor::Item chunk = raw_next();
      if (chunk.type == cbor::Type::end) return;
      if (chunk.type != head.type || chunk.until_end) fail("found a chunk of another type in a string");
      use(chunk);
    }
  }

  /// Calls `element(i)` for each element of the array that `head` begins.
  template <class Element>
  void elements(const cbor::Item& head, Element element) {
    const Depth depth(*this);
    for (std::size_t i = 0; head.until_end ? !passed_end() : i < head.value; ++i) {
      const Step step(here_, i);
      element(i);
    }
  }

  /// Calls `value(key)` for each pair of the map that `head` begins.
  template <class Value>
  void pairs(const cbor::Item& head, Value value) {
    const Depth depth(*this);
    pairs_left(head.until_end ? to_the_end : head.value, value);
  }

  /// Calls `pair()` for each pair of the map that `head` begins; it reads key and value.
  template <class Pair>
  void items_in_pairs(const cbor::Item& head, Pair pair) {
    const Depth depth(*this);
    for (std::uint64_t i = 0; head.until_end ? !passed_end() : i < head.value; ++i) pair();
  }

  static constexpr std::uint64_t to_the_end = UINT64_MAX;  // no map has this many pairs

  /// Calls `value(key)` for the given number of pairs, or for all up to the break.
  template <class Value>
  void pairs_left(std::uint64_t count, Value value) {
    std::string scratch;
    for (std::uint64_t i = 0; count == to_the_end ? !passed_end() : i < count; ++i) {
      const cbor::Item key = next();
      if (key.type != cbor::Type::text) fail(join("expected text as key, got ", cbor::name(key.type)));
      const std::string_view name = text(key, scratch);
      const Step step(here_, name);
      value(name);
    }
  }

  /// Throws DecodeError unless the input ends here.
  void finish() {
    if (!reader_.at_end()) fail(join("found more bytes after the end of the item, at byte ", reader_.offset()));
  }

  [[noreturn, gnu::cold, gnu::noinline]] void fail(std::string_view text) const {
    throw DecodeError(located(here_, text));
  }

  [[noreturn, gnu::cold, gnu::noinline]] void mismatch(std::string_view expected, const cbor::Item& got) const {
    fail(join("expected ", expected, ", got ", cbor::name(got.type)));
  }

  /// One level of nesting, as long as it lives.
  class Depth {
   public:
    explicit Depth(Decoder& decoder) : decoder_(decoder) {
      if (decoder.depth_ == cbor::max_depth) [[unlikely]]
        decoder.too_deep();
      ++decoder.depth_;
    }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    ~Depth() { --decoder_.depth_; }

   private:
    Decoder& decoder_;
  };

  /// A place in the input, for a second attempt at the same bytes after the first threw.
  struct Mark {
    cbor::Reader reader;
    const Step* here;
    std::size_t depth;
    std::size_t ignored;  ///< how many members were ignored up to there
  };
  Mark mark() const { return {reader_, here_, depth_, ignored_}; }
  void go_to(const Mark& mark) {
    reader_ = mark.reader;
    here_ = mark.here;
    depth_ = mark.depth;
    ignored_ = mark.ignored;
  }
  /// Goes back there. Throws DecodeError after very many attempts, which types that contain themselves
  /// could double at each level.
  void again_from(const Mark& mark) {
    const std::size_t read = reader_.offset() - mark.reader.offset();
    go_to(mark);
    constexpr std::size_t most = 64;  // readings of the whole input
    read_again_ += read + 1;
    if (read_again_ / most > reader_.offset() + reader_.rest().size() + most) [[unlikely]]
      fail("too many attempts to find the form of a value");
  }

 private:
  cbor::Item raw_next() {
    try {
      return reader_.next();
    } catch (const cbor::Error& e) {
      malformed(e);
    }
  }

  bool passed_end() {
    const View rest = reader_.rest();
    if (rest.empty() || rest[0] != 0xff) return false;
    raw_next();
    return true;
  }

  [[gnu::cold, gnu::noinline]] void pass_tags(cbor::Item& item) {
    for (std::size_t tags = 0; item.type == cbor::Type::tag; ++tags) {
      if (tags == cbor::max_depth) fail(join("found more than ", cbor::max_depth, " tags on one item"));
      item = raw_next();
    }
  }

  [[noreturn, gnu::cold, gnu::noinline]] void too_deep() const {
    fail(join("nested deeper than ", cbor::max_depth, " levels"));
  }

  [[noreturn, gnu::cold, gnu::noinline]] void malformed(const cbor::Error& e) const {
    fail(join("not well-formed CBOR: ", e.what(), ", at byte ", e.offset));
  }

  cbor::Reader reader_;
  const Step* here_ = nullptr;
  std::size_t depth_ = 0;
  std::size_t ignored_ = 0;
  std::size_t read_again_ = 0;  // bytes, by attempts that failed
  bool absent_is_default_;
  Reading reading_;
};

}  // namespace backplane::detail
