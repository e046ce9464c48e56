// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <array>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

/// How many events have matched each of some patterns.
class PatternCounts {
 public:
  struct Count {
    std::uint32_t pattern;
    std::uint64_t events;
  };
  const std::vector<Count>& list() const noexcept { return list_; }
  void clear() noexcept {
    list_.clear();
    stamp_ = 0;
  }

 private:
  friend class PatternTable;
  std::vector<Count> list_;
  std::uint64_t stamp_ = 0;  // of this object's counts, in the table
};

/// The patterns that a context's listeners have, each once, and how many events have matched each.
///
/// The patterns that match one name are its own text and prefixes of it. So there are few of them, however many
/// listeners there are. Patterns may come from a peer: the tables are ordered, so that no choice of keys makes them
/// slow.
class PatternTable {
 public:
  /// An id is used again after its pattern is removed.
  using Id = std::uint32_t;

  /// There may be this many at once, unless the table has another bound. What an event or a gap costs stays bounded,
  /// whatever peers subscribe to.
  static constexpr std::uint32_t most = 65'536;
  explicit PatternTable(std::uint32_t bound = most) noexcept : bound_(bound) {}
  struct Full : std::exception {
    const char* what() const noexcept override { return "the context has too many patterns of listeners"; }
  };

  /// One more listener has this pattern, which must be valid. Throws std::bad_alloc or Full, and then nothing has
  /// changed.
  Id add(std::string_view pattern);
  /// One listener less has it.
  void remove(Id id) noexcept;
  /// No listener has any.
  void clear() noexcept;
  bool empty() const noexcept { return exact_.empty() && prefixes_.empty(); }

  /// The patterns that match this event name. Valid until the next call of this object. Throws std::bad_alloc.
  std::span<const Id> match(std::string_view name);

  /// Counts an event with these patterns, also in `part`. Returns false, and counts nothing, if memory runs out.
  bool count(std::span<const Id> ids, PatternCounts& part) noexcept;
  /// For each id, the number of events counted. It only grows, also when an id is used again.
  const std::vector<std::uint64_t>& matched() const noexcept { return matched_; }

 private:
  struct Pattern {
    std::string text;
    std::uint32_t listeners = 0;
    std::uint64_t stamp = 0;  // of the counts that it was last counted in
    std::size_t place = 0;    // in these
  };
  using Ids = std::map<std::string, Id, std::less<>>;

  // The last names, so that an event whose name was here lately needs no search.
  struct Known {
    std::string name;
    std::vector<Id> ids;
    std::uint64_t version = 0;
  };
  static constexpr std::size_t known_names = 64;

  Ids& table_of(std::string_view pattern) noexcept { return pattern.ends_with('*') ? prefixes_ : exact_; }
  void find(std::string_view name, std::vector<Id>& ids) const;

  const std::uint32_t bound_;
  Ids exact_;
  Ids prefixes_;  // without the star
  std::vector<Pattern> patterns_;
  std::vector<Id> free_;  // has room for all ids, so that remove() needs no memory
  std::vector<std::uint64_t> matched_;
  std::unique_ptr<Known[]> known_;
  std::uint64_t version_ = 1;  // of the set of patterns
  std::uint64_t last_stamp_ = 0;
  std::array<std::uint32_t, BP_WIRE_NAME_MAX + 1> prefixes_of_size_{};  // so that a search tries these sizes only
};

}  // namespace backplane::host
