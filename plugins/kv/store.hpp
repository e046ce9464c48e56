// SPDX-License-Identifier: Apache-2.0
//
// A durable map from keys to bytes in one SQLite file.
//
// Durable: when put() or remove() returns, the change is on the disk. The file is in WAL mode with synchronous=FULL, so
// each commit is synced before it is acknowledged, and survives kill -9 and a power cut. Several stores, in one process
// or in many, may open the same file. Writers wait for each other, up to `busy_timeout`; readers do not wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace backplane::kv {

using Value = std::vector<std::uint8_t>;
using ValueView = std::span<const std::uint8_t>;

/// Maximum sizes, in bytes.
inline constexpr std::size_t key_max = 1024;
inline constexpr std::size_t value_max = 16 * 1024 * 1024;
/// Entries of one scan: the maximum and the default.
inline constexpr std::uint64_t scan_max = 1000;
inline constexpr std::uint64_t scan_default = 100;
/// A scan ends early if its values would exceed this size in bytes. It always returns at least one entry.
inline constexpr std::size_t scan_bytes_max = 16 * 1024 * 1024;
/// How long a writer waits for other writers.
inline constexpr std::chrono::milliseconds busy_timeout{10'000};

/// An error with a message for the caller or the operator of the store.
class StoreError : public std::runtime_error {
 public:
  enum class Kind {
    input,  ///< a key or value outside the limits
    busy,   ///< other writers kept the file locked for longer than the busy timeout
    file,   ///< the file or its disk
  };
  StoreError(Kind what, const std::string& message) : std::runtime_error(message), kind(what) {}
  Kind kind;
};

struct Entry {
  std::string key;
  Value value;
};

struct Page {
  std::vector<Entry> entries;       ///< in the byte order of their keys
  std::optional<std::string> next;  ///< there are more: `after` of the next scan
};

/// Not thread-safe. Every function throws StoreError.
class Store {
 public:
  /// Opens the file, or creates it in an existing directory. Refuses a file that another program or a newer version of
  /// the store has created, and does not change it.
  explicit Store(const std::filesystem::path& file, std::chrono::milliseconds wait = busy_timeout);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  /// Adds or replaces a value. A key is any 1 to `key_max` bytes. A value may be empty.
  void put(std::string_view key, ValueView value);
  std::optional<Value> get(std::string_view key);
  /// Removes a key. Returns whether it existed.
  bool remove(std::string_view key);
  /// Returns at most `limit` entries (1 to `scan_max`) whose keys begin with `prefix` and come after `after`.
  Page scan(std::string_view prefix, std::string_view after, std::uint64_t limit);
  /// The number of keys that begin with `prefix`.
  std::uint64_t count(std::string_view prefix);

 private:
  class Use;
  using Time = std::chrono::steady_clock::time_point;

  static int wait_for_lock(void* self, int attempt);
  void open();
  void prepare_file();
  void use_wal();
  void check_owner();
  void close() noexcept;
  void run(const char* sql);
  std::int64_t number(const char* sql);
  sqlite3_stmt* prepare(const char* sql);
  [[noreturn]] void fail(const char* doing) const;

  const std::filesystem::path file_;
  const std::chrono::milliseconds wait_;
  Time waiting_since_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* put_ = nullptr;
  sqlite3_stmt* get_ = nullptr;
  sqlite3_stmt* remove_ = nullptr;
  sqlite3_stmt* scan_ = nullptr;
  sqlite3_stmt* count_ = nullptr;
};

}  // namespace backplane::kv
