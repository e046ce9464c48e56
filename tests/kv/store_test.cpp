// SPDX-License-Identifier: Apache-2.0
//
// The kv store: contents, limits, durability, foreign files, and several stores on one file.
#include "store.hpp"

#include <sqlite3.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "temp_dir.hpp"

using backplane::kv::Store;
using backplane::kv::StoreError;
using backplane::kv::ValueView;

namespace {

ValueView bytes(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

std::optional<std::string> text_of(Store& store, std::string_view key) {
  const auto value = store.get(key);
  if (!value) return std::nullopt;
  return std::string(value->begin(), value->end());
}

std::vector<std::string> keys(const backplane::kv::Page& page) {
  std::vector<std::string> out;
  for (const auto& entry : page.entries) out.push_back(entry.key);
  return out;
}

/// The message of the StoreError that `action` throws; it must be of `kind`.
template <class Action>
std::string error_of(StoreError::Kind kind, Action action) {
  try {
    action();
  } catch (const StoreError& e) {
    CHECK(e.kind == kind);
    return e.what();
  }
  FAIL("nothing was thrown");
  return {};
}

void run_sql(const std::filesystem::path& file, const char* sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
  REQUIRE(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(db);
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("a store gives back what was put, and only that") {
  const TempDir dir;
  Store store(dir / "kv.sqlite3");
  CHECK_FALSE(store.get("a"));
  store.put("a", bytes("one"));
  CHECK(text_of(store, "a") == "one");
  store.put("a", bytes("two"));
  CHECK(text_of(store, "a") == "two");
  CHECK(store.count("") == 1);
  CHECK(store.remove("a"));
  CHECK_FALSE(store.remove("a"));
  CHECK_FALSE(store.get("a"));
}

TEST_CASE("keys and values may be any bytes, and an empty value is not a missing one") {
  const TempDir dir;
  Store store(dir / "kv.sqlite3");
  const std::string odd("a\0b\xff", 4);
  store.put(odd, bytes(odd));
  store.put("a", bytes(""));
  CHECK(text_of(store, odd) == odd);
  CHECK(text_of(store, "a") == "");
  CHECK(store.count("a") == 2);
}

TEST_CASE("a store that is opened again has everything, and keeps a write-ahead log") {
  const TempDir dir;
  const auto file = dir / "kv.sqlite3";
  {
    Store store(file);
    store.put("kept", bytes("yes"));
  }
  Store store(file);
  CHECK(text_of(store, "kept") == "yes");
  CHECK(std::filesystem::exists(dir / "kv.sqlite3-wal"));
}

TEST_CASE("scans go through the keys in byte order, by prefix, page by page") {
  const TempDir dir;
  Store store(dir / "kv.sqlite3");
  for (const char* key : {"b/2", "a", "b/1", "b", "c", "b/\xc3\xa4", "b/10"}) store.put(key, bytes(key));

  CHECK(keys(store.scan("", "", 100)) == Strings{"a", "b", "b/1", "b/10", "b/2", "b/\xc3\xa4", "c"});
  CHECK(keys(store.scan("b/", "", 100)) == Strings{"b/1", "b/10", "b/2", "b/\xc3\xa4"});
  CHECK(keys(store.scan("b/", "a", 100)).size() == 4);
  CHECK(keys(store.scan("b/", "c", 100)).empty());
  CHECK(store.count("b/") == 4);
  CHECK(store.count("") == 7);
  CHECK(store.count("d") == 0);

  Strings all;
  std::string after;
  for (int pages = 0; pages < 4; ++pages) {
    const auto page = store.scan("b", after, 2);
    for (const auto& key : keys(page)) all.push_back(key);
    if (!page.next) break;
    after = *page.next;
  }
  CHECK(all == Strings{"b", "b/1", "b/10", "b/2", "b/\xc3\xa4"});
}

TEST_CASE("the last page says that there is no next one, also if it is full") {
  const TempDir dir;
  Store store(dir / "kv.sqlite3");
  store.put("a", bytes("1"));
  store.put("b", bytes("2"));
  CHECK(store.scan("", "", 1).next == "a");
  CHECK_FALSE(store.scan("", "", 2).next);
  CHECK_FALSE(store.scan("", "a", 1).next);
}

TEST_CASE("prefixes of the highest bytes have an end too") {
  const TempDir dir;
  Store store(dir / "kv.sqlite3");
  const std::string top(backplane::kv::key_max, '\xff');
  store.put(top, bytes("last"));
  store.put("\xfe", bytes("before"));
  CHECK(store.count("\xff") == 1);
  CHECK(store.count("\xfe") == 1);
  CHECK(store.count("") == 2);
  CHECK(store.scan("", top, 10).entries.empty());
}

TEST_CASE("a scan stops before it gathers more than its share of memory, and still gets on") {
  const TempDir dir;
  Store store(dir / "kv.sqlite3");
  const std::string big(backplane::kv::scan_bytes_max / 2 + 1, 'x');
  for (const char* key : {"a", "b", "c"}) store.put(key, bytes(big));
  const auto page = store.scan("", "", 10);
  CHECK(keys(page) == Strings{"a"});
  CHECK(page.next == "a");
  CHECK(keys(store.scan("", "b", 10)) == Strings{"c"});
}

TEST_CASE("keys, values and limits outside their bounds are refused with what was found and expected") {
  const TempDir dir;
  Store store(dir / "kv.sqlite3");
  using Catch::Matchers::Contains;
  const auto input = StoreError::Kind::input;
  CHECK_THAT(error_of(input, [&] { store.put("", bytes("x")); }), Contains("0 bytes; expected 1 to 1024"));
  const std::string longest(backplane::kv::key_max, 'k');
  CHECK_NOTHROW(store.put(longest, bytes("x")));
  CHECK_THAT(error_of(input, [&] { store.put(longest + "k", bytes("x")); }), Contains("1025 bytes"));
  const std::string largest(backplane::kv::value_max, 'v');
  CHECK_NOTHROW(store.put("v", bytes(largest)));
  CHECK_THAT(error_of(input, [&] { store.put("v", bytes(largest + "v")); }), Contains("expected at most 16777216"));
  CHECK_THAT(error_of(input, [&] { store.scan("", "", 0); }), Contains("expected 1 to 1000"));
  CHECK_THAT(error_of(input, [&] { store.scan("", "", 1001); }), Contains("1001"));
}

TEST_CASE("a place where no file can be made is an error that names it") {
  using Catch::Matchers::Contains;
  const auto kind = StoreError::Kind::file;
  CHECK_THAT(error_of(kind, [] { Store("/proc/kv.sqlite3"); }), Contains("/proc/kv.sqlite3") && Contains("expected"));
  const TempDir dir;
  CHECK_THAT(error_of(kind, [&] { Store(dir.path()); }), Contains(dir.path().string()));
  if (geteuid() != 0) {  // nothing is read-only to root
    std::filesystem::permissions(dir.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    CHECK_THAT(error_of(kind, [&] { Store(dir / "kv.sqlite3"); }), Contains("expected a directory"));
    std::filesystem::permissions(dir.path(), std::filesystem::perms::owner_all);
  }
}

TEST_CASE("a file of something else is refused and left as it was") {
  using Catch::Matchers::Contains;
  const auto kind = StoreError::Kind::file;
  const TempDir dir;

  const auto text = dir / "text";
  std::ofstream(text) << std::string(4096, '#');
  CHECK_THAT(error_of(kind, [&] { Store store(text); }), Contains("not a database"));
  CHECK(std::filesystem::file_size(text) == 4096);

  const auto foreign = dir / "foreign";
  run_sql(foreign, "CREATE TABLE mine (x)");
  CHECK_THAT(error_of(kind, [&] { Store store(foreign); }), Contains("something else made"));
  run_sql(foreign, "INSERT INTO mine VALUES (1)");

  const auto newer = dir / "newer";
  { Store store(newer); }
  run_sql(newer, "PRAGMA user_version = 2");
  CHECK_THAT(error_of(kind, [&] { Store store(newer); }), Contains("version 2; expected at most 1"));
}

TEST_CASE("many stores open and write one new file at once") {
  const TempDir dir;
  const auto file = dir / "kv.sqlite3";
  std::vector<std::string> errors(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < errors.size(); ++t) {
    threads.emplace_back([&, t] {
      try {
        Store store(file);
        for (int i = 0; i < 10; ++i) store.put(std::to_string(t) + "/" + std::to_string(i), bytes("x"));
      } catch (const std::exception& e) {
        errors[t] = e.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors) CHECK(error == "");
  Store store(file);
  CHECK(store.count("") == 40);
}

TEST_CASE("a writer that waits in vain for another is told so, and can try again") {
  const TempDir dir;
  const auto file = dir / "kv.sqlite3";
  Store store(file, std::chrono::milliseconds(30));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  CHECK_THAT(error_of(StoreError::Kind::busy, [&] { store.put("a", bytes("1")); }),
             Catch::Matchers::Contains("locked") && Catch::Matchers::Contains("try again"));
  CHECK_FALSE(store.get("a"));  // readers wait for nobody
  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  store.put("a", bytes("1"));
  CHECK(text_of(store, "a") == "1");
}
